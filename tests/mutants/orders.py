"""Guards of what is recorded: insert-only, the identity of commands, effects as pure functions, the fold (I1 to I3)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

COMMANDS = "shared/domain/commands.py"
EFFECTS = "shared/domain/effects.py"
LOG = "shared/adapters/order_log.py"
ORDERS = "shared/domain/orders.py"
REGISTRATION = "regions/handlers/registration.py"

LOG_TESTS = "tests/component/test_order_log.py"
ORDER_TESTS = "tests/unit/test_orders.py"
REGISTRATION_TESTS = "tests/component/test_registration.py"

MUTANTS: Final = (
    Mutant(
        "an insert is conditional",
        "I1",
        LOG,
        'Item=items.to_wire(item), ConditionExpression="attribute_not_exists(pk)"',
        "Item=items.to_wire(item)",
        f"{LOG_TESTS}::test_the_first_write_of_an_event_stands",
    ),
    Mutant(
        "an order is read consistently",
        "I4",
        LOG,
        '":pk": {"S": items.order_key(order_id)}},\n                ConsistentRead=True',
        '":pk": {"S": items.order_key(order_id)}},\n                ConsistentRead=False',
        "tests/component/test_consistent_reads.py::test_what_a_decision_rests_on_is_read_consistently",
    ),
    Mutant(
        "an order is read whole",
        "I3",
        LOG,
        "            if not start:\n                break",
        "            break",
        f"{LOG_TESTS}::test_an_order_larger_than_a_page_is_read_whole",
    ),
    Mutant(
        "the body is part of the event's id",
        "I1",
        ORDERS,
        'idempotency_key or "", body_hash)[:32]',
        'idempotency_key or "")[:32]',
        f"{ORDER_TESTS}::test_every_part_of_a_command_is_part_of_its_identity",
    ),
    Mutant(
        "the body is hashed before defaults",
        "I2",
        COMMANDS,
        "body_hash=body_hash(reader.body)",
        'body_hash=body_hash({"status": command.status, **reader.body})',
        "tests/unit/test_commands.py::test_equal_bodies_are_equal_commands_and_defaults_do_not_count",
    ),
    Mutant(
        "a failed attempt has a number or a key",
        "I1",
        COMMANDS,
        'if status == "failed" and key is None and "attempt" not in reader.body:',
        "if False:",
        f"{REGISTRATION_TESTS}::test_a_failed_attempt_needs_its_number_or_a_key",
    ),
    Mutant(
        "a repeat is recognised before anything else",
        "I1",
        REGISTRATION,
        "if state is not None and any(event.event_id == identity for event in record.events):",
        "if state is None:",
        f"{REGISTRATION_TESTS}::test_a_repeat_stays_a_repeat_after_the_order_went_on",
    ),
    Mutant(
        "a key with another body is refused",
        "I1",
        REGISTRATION,
        "if key and any(event.idempotency_key == key and event.subject == subject for event in record.events):",
        "if False:",
        f"{REGISTRATION_TESTS}::test_a_key_with_another_body_is_a_conflict",
    ),
    Mutant(
        "a key is its subject's own",
        "I1",
        REGISTRATION,
        "event.idempotency_key == key and event.subject == subject for",
        "event.idempotency_key == key for",
        f"{REGISTRATION_TESTS}::test_two_subjects_may_use_one_key_on_one_order",
    ),
    Mutant(
        "a read waits for the event that it names",
        "I1",
        "regions/handlers/order_routes.py",
        "if wanted is not None and all(event.event_id != wanted for event in found.events):",
        "if False:",
        "tests/component/test_reading.py::test_at_least_waits_for_an_event",
    ),
    Mutant(
        "an effect is keyed by its event",
        "I2",
        LOG,
        '"sk": items.effect_key(effect.event_id),\n            **items',
        '"sk": items.effect_key(f"{effect.event_id}#{effect.origin_region}"),\n            **items',
        "tests/component/test_processor.py::test_an_effect_of_the_peer_stands",
    ),
    Mutant(
        "an effect reads no clock of its event's Region",
        "I2",
        EFFECTS,
        '    if event.occurred_at is not None:\n        content["at"] = to_text(event.occurred_at + span)',
        '    content["at"] = to_text(event.happened_at + span)',
        "tests/unit/test_effects.py::test_an_effect_does_not_depend_on_who_took_the_event_or_computes_it_when",
    ),
    Mutant(
        "an effect that would change is counted",
        "I2",
        LOG,
        "stored is None or stored.content_hash == effect.content_hash",
        "True",
        "tests/component/test_processor.py::test_an_effect_that_would_change_is_counted_and_the_first_one_stands",
    ),
    Mutant(
        "a receipt has items",
        "I2",
        EFFECTS,
        "    if not event.items:\n        raise ItemsUnknownError(event.order_id)\n",
        "",
        "tests/component/test_processor.py::test_a_delivered_without_items_is_not_processed",
    ),
    Mutant(
        "a delivered carries the items that are known",
        "I2",
        REGISTRATION,
        "event = self_contained(\n        Event(",
        "event = (lambda made, _: made)(\n        Event(",
        f"{REGISTRATION_TESTS}::test_a_delivered_carries_the_items_that_are_known",
    ),
    Mutant(
        "the fold puts ends above all",
        "I3",
        ORDERS,
        "return (TERMINAL_CLASS.get(self.status, 0), self.attempt or 1, RANK[self.status])",
        "return (0, self.attempt or 1, RANK[self.status])",
        f"{ORDER_TESTS}::test_precedence_is_terminal_class_then_attempt_then_rank_then_id",
    ),
    Mutant(
        "delivered beats cancelled",
        "I3",
        ORDERS,
        '{"cancelled": 1, "delivered": 2}',
        '{"cancelled": 2, "delivered": 1}',
        f"{REGISTRATION_TESTS}::test_delivered_follows_cancelled",
    ),
    Mutant(
        "the fold goes by attempt",
        "I3",
        ORDERS,
        "return (TERMINAL_CLASS.get(self.status, 0), self.attempt or 1, RANK[self.status])",
        "return (TERMINAL_CLASS.get(self.status, 0), 1, RANK[self.status])",
        f"{ORDER_TESTS}::test_precedence_is_terminal_class_then_attempt_then_rank_then_id",
    ),
    Mutant(
        "the fold goes by rank",
        "I3",
        ORDERS,
        "return (TERMINAL_CLASS.get(self.status, 0), self.attempt or 1, RANK[self.status])",
        "return (TERMINAL_CLASS.get(self.status, 0), self.attempt or 1, 0)",
        f"{ORDER_TESTS}::test_precedence_is_terminal_class_then_attempt_then_rank_then_id",
    ),
    Mutant(
        "the fold breaks ties by event id",
        "I3",
        ORDERS,
        "ordered = sorted(known.values(), key=lambda event: (event.precedence, event.event_id))",
        "ordered = sorted(known.values(), key=lambda event: event.precedence)",
        f"{ORDER_TESTS}::test_the_fold_is_the_same_for_all_permutations",
    ),
    Mutant(
        "the fold counts an event once",
        "I3",
        ORDERS,
        "ordered = sorted(known.values(), key",
        "ordered = sorted(events, key",
        f"{ORDER_TESTS}::test_the_fold_is_the_same_for_every_order_of_arrival_and_repetition",
    ),
    Mutant(
        "the fold compares no clocks",
        "I3",
        ORDERS,
        "ordered = sorted(known.values(), key=lambda event: (event.precedence, event.event_id))",
        "ordered = sorted(known.values(), key=lambda event: (event.precedence, event.recorded_at, event.event_id))",
        f"{ORDER_TESTS}::test_who_took_an_event_and_when_decides_nothing_about_the_status",
    ),
    Mutant(
        "an end is an end in its own Region",
        "I3",
        ORDERS,
        "if state.status in TERMINAL_CLASS and TERMINAL_CLASS.get(status, 0) <= TERMINAL_CLASS[state.status]:",
        "if False:",
        f"{REGISTRATION_TESTS}::test_a_transition_that_is_ruled_out_is_a_conflict",
    ),
)
