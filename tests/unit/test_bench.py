"""The bench's own arithmetic: sizes of items, steps of units, and when a rate counts as carried."""

from __future__ import annotations

import dataclasses

import pytest

from loadtests.bench.history import END, ORDERS_PER_SECOND, order
from loadtests.bench.lab_rates import STEP_SECONDS, Step
from loadtests.bench.wire import size_of, steps_of
from shared.domain.instants import day_in_bogota


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"a": {"S": "ñu"}}, 1 + 3),
        ({"a": {"N": "0"}}, 1 + 2),
        ({"a": {"N": "-12.5"}}, 1 + 2 + 1 + 1),
        ({"a": {"N": "12000"}}, 1 + 1 + 1),
        ({"a": {"BOOL": True}, "b": {"NULL": True}}, 2 + 2),
        ({"a": {"SS": ["x", "yz"]}}, 1 + 3),
        ({"a": {"L": [{"S": "x"}, {"S": "y"}]}}, 1 + 3 + 2 * 2),
        ({"a": {"M": {"k": {"S": "x"}}}}, 1 + 3 + 1 + 1 + 1),
    ],
)
def test_sizes_are_those_of_dynamodbs_guide(item: dict[str, dict[str, object]], size: int) -> None:
    assert size_of(item) == size


def test_a_read_costs_a_step_for_each_4_kb_and_one_for_nothing() -> None:
    assert [steps_of(size) for size in (0, 1, 4096, 4097, 8192)] == [1, 1, 1, 2, 2]


GOOD = Step(rate=10, sent=int(2 * 10 * STEP_SECONDS), answered=1.0, p95_ms=80, shown_after_seconds=0.5)


@pytest.mark.parametrize(
    "worse", [{"sent": 100}, {"answered": 0.99}, {"p95_ms": 501.0}, {"shown_after_seconds": None}], ids=str
)
def test_a_rate_is_carried_only_if_all_was_sent_answered_in_time_and_shown(worse: dict[str, float]) -> None:
    assert GOOD.carried
    assert not dataclasses.replace(GOOD, **worse).carried  # type: ignore[arg-type]


def test_a_history_is_the_same_each_time_even_in_rate_and_of_one_day() -> None:
    assert order(7) == order(7)
    first, last = order(0), order(99_999)
    assert first.day == last.day == day_in_bogota(END)
    assert (first.registered_at - last.registered_at).total_seconds() == pytest.approx(99_999 / ORDERS_PER_SECOND)
