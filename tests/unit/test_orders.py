"""The fold of an order's events, the identity of commands, and which transitions a Region rules out."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.instants import day_in_bogota
from shared.domain.orders import (
    Event,
    Item,
    body_hash,
    event_id,
    fold,
    order_id_for_key,
    publishable,
    self_contained,
    transition_fault,
    winner,
)
from shared.topology import STATUSES
from tests.unit.orders import NOW, event, histories

ITEMS = (Item("p", Decimal("2.50"), 2),)
OTHERS = (Item("q", Decimal("7.00"), 1),)


@given(histories(), st.randoms(use_true_random=False))
def test_the_fold_is_the_same_for_every_order_of_arrival_and_repetition(
    history: list[Event], rng: random.Random
) -> None:
    expected = fold(history)
    again = [*history, *rng.choices(history, k=3)]
    rng.shuffle(again)
    assert fold(again) == expected


@given(histories(most=4))
def test_the_fold_is_the_same_for_all_permutations(history: list[Event]) -> None:
    assert len({repr(fold(order)) for order in itertools.permutations(history)}) == 1


@given(histories(), histories())
def test_the_fold_of_a_union_does_not_depend_on_how_it_is_joined(left: list[Event], right: list[Event]) -> None:
    ids = {found.event_id for found in left}
    right = [found for found in right if found.event_id not in ids]
    assert fold([*left, *right]) == fold([*right, *left])


@given(histories())
def test_the_fold_is_total_and_names_where_its_fields_come_from(history: list[Event]) -> None:
    state = fold(history)
    assert state is not None
    by_id = {found.event_id: found for found in history}
    top = by_id[state.status_from]
    assert top == winner(history)
    assert (state.status, state.day) == (top.status, day_in_bogota(top.happened_at))
    assert state.items == (by_id[state.items_from].items if state.items_from else ())
    assert state.courier == (by_id[state.courier_from].courier if state.courier_from else None)
    assert (state.total is None) == (state.items_from is None)
    assert state.registered_at == min(found.recorded_at for found in history)


def test_nothing_folds_to_nothing() -> None:
    assert fold([]) is None


@given(histories(), st.randoms(use_true_random=False))
def test_who_took_an_event_and_when_decides_nothing_about_the_status(history: list[Event], rng: random.Random) -> None:
    """Last writer wins may leave either Region's copy of a command."""
    copies = [
        replace(
            found, origin_region="us-east-2", recorded_at=found.recorded_at + timedelta(seconds=rng.randint(-900, 900))
        )
        for found in history
    ]
    one, other = fold(history), fold(copies)
    assert one is not None
    assert other is not None
    for name in ("status", "attempt", "status_from", "items", "items_from", "courier", "city", "conflicts"):
        assert getattr(one, name) == getattr(other, name)


# Each is beaten by the next.
PRECEDENCE = [
    event("created", "z"),
    event("assigned", "a"),
    event("in_transit", "a"),
    event("failed", "a", attempt=1),
    event("created", "a", attempt=2),
    event("failed", "a", attempt=2),
    event("failed", "b", attempt=2),
    event("failed", "a", attempt=10),
    event("cancelled", "a"),
    event("cancelled", "b"),
    event("cancelled", "a", attempt=9),
    event("delivered", "a"),
    event("delivered", "b"),
    event("delivered", "a", attempt=2),
]


@pytest.mark.parametrize(("lower", "higher"), list(itertools.combinations(range(len(PRECEDENCE)), 2)))
def test_precedence_is_terminal_class_then_attempt_then_rank_then_id(lower: int, higher: int) -> None:
    beaten = replace(PRECEDENCE[lower], event_id=PRECEDENCE[lower].event_id + "0")
    state = fold([PRECEDENCE[higher], beaten])
    assert state is not None
    assert state.status_from == PRECEDENCE[higher].event_id


def test_a_missing_attempt_is_the_first() -> None:
    assert event("failed").precedence == event("failed", attempt=1).precedence


NAMING_TWO_THINGS = [
    event("created", "a", items=ITEMS),
    event("in_transit", "b", items=OTHERS),
    event("delivered", "c", items=OTHERS),
]
LEFT_OPEN = "delivered without items, and its order names different ones"


@pytest.mark.parametrize(
    ("history", "flagged"),
    [
        ([event("created", "a"), event("delivered", "b")], ()),
        ([event("failed", "a", attempt=1), event("failed", "b", attempt=2)], ()),
        ([event("delivered", "a"), event("cancelled", "b")], ("both delivered and cancelled",)),
        ([event("created", "a"), event("created", "b")], ("two different events for created, attempt 1",)),
        ([event("delivered", "a"), event("delivered", "b", attempt=2)], ("delivered more than once",)),
        (
            [event("created", "a"), event("created", "b"), event("assigned", "c")],
            ("two different events for created, attempt 1",),
        ),
        ([event("created", "a", items=ITEMS), event("in_transit", "b", items=OTHERS)], ()),
        (NAMING_TWO_THINGS, ()),
        ([*NAMING_TWO_THINGS[:2], replace(NAMING_TWO_THINGS[2], copied_items=True)], (LEFT_OPEN,)),
        ([*NAMING_TWO_THINGS[:2], event("delivered", "c")], (LEFT_OPEN,)),
        ([NAMING_TWO_THINGS[0], replace(NAMING_TWO_THINGS[2], items=ITEMS, copied_items=True)], ()),
    ],
)  # fmt: skip
def test_what_no_region_would_have_accepted_is_flagged(history: list[Event], flagged: tuple[str, ...]) -> None:
    state = fold(history)
    assert state is not None
    assert state.conflicts == flagged


def test_day_items_and_courier_may_come_from_different_events() -> None:
    state = fold(
        [
            event("created", "a", items=ITEMS, courier="Eva", city="Cali"),
            event("assigned", "b", courier="Luis"),
            event("delivered", "c", occurred_at=NOW - timedelta(days=1)),
        ]
    )
    assert state is not None
    assert (state.items_from, state.courier_from, state.status_from) == ("a", "b", "c")
    assert (state.courier, state.city, state.total) == ("Luis", "Cali", Decimal("5.00"))
    assert state.day.isoformat() == "2026-11-20"


# Identity.

COMMAND = {"subject": "ana", "order_id": "o", "status": "created", "idempotency_key": "k", "body_hash": "h"}


@pytest.mark.parametrize("name", COMMAND)
def test_every_part_of_a_command_is_part_of_its_identity(name: str) -> None:
    assert event_id(**COMMAND) != event_id(**{**COMMAND, name: "other"})
    assert event_id(**COMMAND) == event_id(**dict(COMMAND))


def test_parts_of_an_identity_do_not_run_into_each_other() -> None:
    assert event_id(**{**COMMAND, "subject": "a", "order_id": "bc"}) != event_id(
        **{**COMMAND, "subject": "ab", "order_id": "c"}
    )
    assert event_id(**{**COMMAND, "idempotency_key": None}) != event_id(**COMMAND)
    assert order_id_for_key(subject="a", idempotency_key="bc") != order_id_for_key(subject="ab", idempotency_key="c")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"price": 1}, {"price": Decimal("1.0")}, True),
        ({"price": Decimal("1E+2")}, {"price": 100}, True),
        ({"price": Decimal("-0.0")}, {"price": 0}, True),
        ({"price": 1}, {"price": "1"}, False),
        ({"price": 1}, {"price": True}, False),
        ({"price": 0}, {"price": False}, False),
        ({}, {"status": "created"}, False),
        ({"a": None}, {}, False),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, False),
        ({"a": "number:1"}, {"a": 1}, False),
        ({"a": Decimal("1.10")}, {"a": Decimal("1.1")}, True),
        ({"a": Decimal("1.01")}, {"a": Decimal("1.1")}, False),
    ],
)
def test_bodies_are_equal_as_parsed_before_defaults(one: object, other: object, same: bool) -> None:
    assert (body_hash(one) == body_hash(other)) is same


# Transitions.


@pytest.mark.parametrize("status", STATUSES)
def test_an_order_may_start_with_any_status(status: str) -> None:
    assert transition_fault(None, status, None) is None


@pytest.mark.parametrize(
    ("known", "proposed", "attempt", "allowed"),
    [
        (("created", 1), "created", 1, False), (("created", 1), "assigned", None, True),
        (("assigned", 1), "created", None, False), (("in_transit", 1), "failed", 1, True),
        (("failed", 1), "assigned", 1, False), (("failed", 1), "assigned", 2, True), (("failed", 1), "failed", 2, True),
        (("failed", 2), "failed", 1, False), (("failed", 3), "delivered", None, True),
        (("failed", 3), "cancelled", None, True),
        (("delivered", 1), "cancelled", 99, False), (("delivered", 1), "delivered", 99, False),
        (("delivered", 1), "failed", 99, False), (("cancelled", 1), "cancelled", 99, False),
        (("cancelled", 1), "in_transit", 99, False), (("cancelled", 99), "delivered", 1, True),
    ],
)  # fmt: skip
def test_a_transition_must_take_the_order_further(
    known: tuple[str, int], proposed: str, attempt: int | None, allowed: bool
) -> None:
    state = fold([event(known[0], attempt=known[1])])
    assert (transition_fault(state, proposed, attempt) is None) is allowed


# Self-contained events.


def test_a_delivered_takes_the_known_items_and_says_so() -> None:
    state = fold([event("created", "a", items=ITEMS)])
    complete = self_contained(event("delivered", "b"), state)
    assert (complete.items, complete.copied_items) == (ITEMS, True)
    own = event("delivered", "b", items=(Item("q", Decimal(1)),))
    assert self_contained(own, state) == own
    assert self_contained(event("assigned", "b"), state) == event("assigned", "b")
    assert self_contained(event("delivered", "b"), None) == event("delivered", "b")


def test_a_delivered_waits_until_its_items_are_known() -> None:
    delivered = event("delivered", "b")
    assert publishable(delivered, [delivered]) is None
    complete = publishable(delivered, [delivered, event("created", "a", items=ITEMS)])
    assert complete is not None
    assert complete.items == ITEMS
    assert publishable(event("created"), []) == event("created")
