"""What is recorded stays recorded, once: inserts, the identity of commands, keys, reads (I1)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

COMMANDS = "shared/domain/commands.py"
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
        "a write that failed is not acknowledged",
        "I1",
        LOG,
        "                return False\n            raise\n",
        "                return False\n            return True\n",
        f"{REGISTRATION_TESTS}::test_a_write_that_failed_is_not_acknowledged",
    ),
    Mutant(
        "an evacuation waits for what was written",
        "I1",
        "runbooks/evacuate.py",
        "return found is not None and found >= quiet_at - CLOCK_MARGIN",
        "return found is not None",
        "tests/runbooks/test_leaving_a_region.py::test_an_evacuation_is_not_confirmed_while_writes_may_be_missing",
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
        "if False:",
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
)
