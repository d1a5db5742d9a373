"""Every Region folds the same events into the same state (I3)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LOG = "shared/adapters/order_log.py"
ORDERS = "shared/domain/orders.py"

LOG_TESTS = "tests/component/test_order_log.py"
ORDER_TESTS = "tests/unit/test_orders.py"
REGISTRATION_TESTS = "tests/component/test_registration.py"

MUTANTS: Final = (
    Mutant(
        "an order is read whole",
        "I3",
        LOG,
        "            if not start:\n                break",
        "            break",
        f"{LOG_TESTS}::test_an_order_larger_than_a_page_is_read_whole",
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
