"""Each event gets its one effect, whatever was retried, redelivered or taken over (I2)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

COMMANDS = "shared/domain/commands.py"
EFFECTS = "shared/domain/effects.py"
LOG = "shared/adapters/order_log.py"
PROCESSOR = "regions/handlers/processor.py"
REGISTRATION = "regions/handlers/registration.py"
RELAY = "regions/handlers/relay.py"
TAKEOVER = "shared/domain/takeover.py"
TOPIC = "shared/adapters/event_topic.py"
VIEW = "shared/adapters/order_view.py"

PROCESSOR_TESTS = "tests/component/test_processor.py"
REGISTRATION_TESTS = "tests/component/test_registration.py"
RELAY_TESTS = "tests/component/test_relay.py"
SENTINEL_TESTS = "tests/component/test_sentinel.py"

MUTANTS: Final = (
    Mutant(
        "the body is hashed before defaults",
        "I2",
        COMMANDS,
        "body_hash=body_hash(reader.body)",
        'body_hash=body_hash({"status": command.status, **reader.body})',
        "tests/unit/test_commands.py::test_equal_bodies_are_equal_commands_and_defaults_do_not_count",
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
        "only own events are published",
        "I2",
        RELAY,
        "if event.origin_region != self.region or found is None or",
        "if found is None or",
        f"{RELAY_TESTS}::test_a_peers_event_waits_for_the_peer",
    ),
    Mutant(
        "what is done is not published again",
        "I2",
        RELAY,
        "if event.event_id in found.record.effect_ids:",
        "if False:",
        f"{RELAY_TESTS}::test_an_event_whose_effect_is_there_is_not_published_again",
    ),
    Mutant(
        "a delivered is published with its items",
        "I2",
        "shared/domain/orders.py",
        'return None if complete.status == "delivered" and not complete.items else complete',
        "return complete",
        f"{RELAY_TESTS}::test_a_delivered_without_items_waits_and_holds_back_its_lane",
    ),
    Mutant(
        "an event whose effect is there is no work",
        "I2",
        VIEW,
        "pending = event.event_id not in effect_ids",
        "pending = True",
        f"{RELAY_TESTS}::test_an_event_whose_effect_is_there_is_no_work",
    ),
    Mutant(
        "a record that comes again starts nothing again",
        "I2",
        RELAY,
        "is_new = projected[done.event.order_id].first_saw(done.event.event_id)",
        "is_new = True",
        f"{SENTINEL_TESTS}::test_a_record_that_comes_again_does_not_start_the_tries_again",
    ),
    Mutant(
        "a deduplication id holds the attempt",
        "I2",
        TOPIC,
        '"MessageDeduplicationId": f"{publication.event.event_id}#{publication.attempt}"',
        '"MessageDeduplicationId": publication.event.event_id',
        f"{SENTINEL_TESTS}::test_own_work_is_published_again_after_1_5_and_25_minutes_then_parked",
    ),
    Mutant(
        "a message that failed is reported",
        "I2",
        PROCESSOR,
        "    return answer\n",
        '    return {"batchItemFailures": []}\n',
        f"{PROCESSOR_TESTS}::test_a_message_that_is_no_event_comes_again",
    ),
    Mutant(
        "an old message asks the peer first",
        "I2",
        PROCESSOR,
        "if now - sent_at > self.old and self._done_by_peer(event.order_id, event.event_id):",
        "if False:",
        f"{PROCESSOR_TESTS}::test_an_old_message_asks_the_peer_first",
    ),
    Mutant(
        "the peer's young work waits a minute",
        "I2",
        TAKEOVER,
        "return waited >= timing.takeover_after",
        "return True",
        f"{SENTINEL_TESTS}::test_a_young_event_of_a_lost_peer_waits_its_minute",
    ),
    Mutant(
        "a drained peer that beats has five minutes",
        "I2",
        TAKEOVER,
        "return guard.draining == work.region and waited >= timing.drained_takeover_after",
        "return guard.draining == work.region",
        f"{SENTINEL_TESTS}::test_a_drained_peer_that_beats_is_relieved_after_five_minutes",
    ),
    Mutant(
        "a redriven message leaves only after its effect",
        "I2",
        "runbooks/dead_letters.py",
        '    if effect_is_there:\n        return "delete"',
        '    if effect_is_there or sent_for is not None:\n        return "delete"',
        "tests/runbooks/test_redrive.py::test_nothing_goes_past_a_message_that_still_fails_and_other_groups_go_on",
    ),
)
