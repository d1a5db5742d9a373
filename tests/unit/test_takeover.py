"""Who does pending work and when: the rules of takeover, drain and refusal, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.takeover import (
    Guard,
    PendingWork,
    Register,
    Timing,
    action_for,
    announced_through,
    may_take_over,
    next_due,
    observe,
    oldest_seen_at,
    peer_is_lost,
    refuses_work,
)
from tests.unit.orders import NOW

HERE, THERE = "us-east-1", "us-east-2"
TIMING = Timing.scaled(1.0)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def look(
    guard: Guard | None,
    at: float,
    *,
    serving: bool = False,
    beat: str = "b0",
    draining: str = "none",
    scale: float = 1.0,
) -> Guard:
    return observe(
        guard, now=NOW + timedelta(seconds=at), region=HERE, peer_serving=serving, peer_beat=beat,
        register=Register(draining=draining), timing=Timing.scaled(scale),
    )  # fmt: skip


def gone_looks(*looks: tuple[float, bool, str]) -> list[int]:
    """How many looks in a row found both signs gone, after each of (seconds, serving, newest heartbeat)."""
    guard: Guard | None = None
    found = []
    for at, serving, beat in looks:
        guard = look(guard, at, serving=serving, beat=beat)
        found.append(guard.gone_looks)
    return found


def test_a_peer_is_lost_when_both_signs_are_gone_in_two_looks() -> None:
    assert gone_looks((0, False, "b"), (15, False, "b"), (45, False, "b"), (46, False, "b"), (61, False, "b")) == [
        0,
        0,
        0,
        1,
        2,
    ]
    assert not peer_is_lost(Guard(NOW, gone_looks=1))
    assert peer_is_lost(Guard(NOW, gone_looks=2))


def test_a_peer_that_serves_is_not_lost_however_old_its_heartbeat() -> None:
    assert gone_looks((0, True, "b"), (100, True, "b"), (1000, True, "b")) == [0, 0, 0]


def test_a_peer_that_beats_is_not_lost_however_silent_its_endpoint() -> None:
    assert gone_looks(*((15 * n, False, f"b{n}") for n in range(10))) == [0] * 10


def test_any_sign_of_life_starts_the_count_again() -> None:
    assert gone_looks((0, False, "b"), (60, False, "b"), (75, True, "b"), (90, False, "b"), (105, False, "b")) == [
        0,
        1,
        0,
        1,
        2,
    ]
    assert gone_looks((0, False, "b"), (60, False, "b"), (75, False, "c"), (121, False, "c")) == [0, 1, 0, 1]


def test_a_peer_that_never_beat_counts_from_the_first_look() -> None:
    assert gone_looks((0, False, ""), (45, False, ""), (46, False, ""), (61, False, "")) == [0, 0, 1, 2]


def test_the_peers_clock_decides_nothing() -> None:
    """A heartbeat is a text that changes; whether it names the past or the future does not matter."""
    for beat in ("1999-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"):
        guard = look(look(None, 0, beat="before"), 15, beat=beat)
        assert guard.peer_beat_seen_at == NOW + timedelta(seconds=15)


def test_what_a_look_remembers() -> None:
    guard = look(None, 0, serving=True, draining=HERE)
    assert (guard.draining, guard.drained_seen_at, guard.peer_serving_at) == (HERE, NOW, NOW)
    later = look(guard, 30, draining=HERE)
    assert (later.drained_seen_at, later.peer_serving_at) == (NOW, NOW)
    cleared = look(later, 45)
    assert (cleared.draining, cleared.drained_seen_at) == ("none", None)
    assert look(cleared, 60, draining=HERE).drained_seen_at == NOW + timedelta(seconds=60)
    assert look(None, 0, draining=THERE).drained_seen_at is None


DRAINED = Guard(NOW, draining=HERE, drained_seen_at=ago(60), peer_serving_at=ago(30))


@pytest.mark.parametrize(
    ("guard", "refuses"),
    [
        (DRAINED, True),
        (None, False),
        (replace(DRAINED, draining="none"), False),
        (replace(DRAINED, draining=THERE), False),
        (replace(DRAINED, drained_seen_at=None), False),
        (replace(DRAINED, drained_seen_at=ago(59.9)), False),
        (replace(DRAINED, peer_serving_at=None), False),
        (replace(DRAINED, peer_serving_at=ago(30.1)), False),
        (replace(DRAINED, peer_serving_at=ago(0), drained_seen_at=ago(6000)), True),
    ],
)
def test_a_drained_region_refuses_only_after_the_ttl_and_while_its_peer_serves(
    guard: Guard | None, refuses: bool
) -> None:
    assert refuses_work(guard, region=HERE, now=NOW, timing=TIMING) is refuses


def work(region: str = HERE, *, seen: float = 0, due: float = 0, attempt: int = 0) -> PendingWork:
    return PendingWork(
        "o", "e", "created", region, seen_at=ago(seen), due_at=ago(due), recorded_at=ago(seen), attempt=attempt
    )


LOST = Guard(NOW, gone_looks=2)
ALIVE = Guard(NOW)
BEATING_DRAINED = Guard(NOW, draining=THERE)


@pytest.mark.parametrize(
    ("guard", "seen", "allowed"),
    [
        (LOST, 59.9, False), (LOST, 60, True), (ALIVE, 10_000, False), (Guard(NOW, gone_looks=1), 10_000, False),
        (BEATING_DRAINED, 299.9, False), (BEATING_DRAINED, 300, True), (replace(LOST, draining=THERE), 60, True),
        (Guard(NOW, draining=HERE), 10_000, False),
    ],
)  # fmt: skip
def test_the_peers_work_is_taken_over_only_with_reason_and_after_its_time(
    guard: Guard, seen: float, allowed: bool
) -> None:
    assert may_take_over(work(THERE, seen=seen), guard, now=NOW, timing=TIMING) is allowed
    expected = "take over" if allowed else "wait"
    assert action_for(work(THERE, seen=seen, due=0), guard, region=HERE, now=NOW, timing=TIMING) == expected


@pytest.mark.parametrize(
    ("due", "attempt", "action"),
    [(-0.1, 0, "wait"), (0, 0, "retry"), (0, 1, "retry"), (0, 2, "retry"), (0, 3, "park"), (-1, 3, "wait")],
)
def test_own_work_is_tried_three_times_when_due_then_parked(due: float, attempt: int, action: str) -> None:
    for guard in (ALIVE, LOST, Guard(NOW, draining=HERE)):
        assert action_for(work(due=due, attempt=attempt), guard, region=HERE, now=NOW, timing=TIMING) == action


def test_the_waits_are_1_5_and_25_minutes() -> None:
    waits = [(next_due(attempt, now=NOW, timing=TIMING) - NOW).total_seconds() for attempt in range(5)]
    assert waits == [60, 300, 1500, 1500, 1500]


def test_every_wait_is_scaled() -> None:
    quick = Timing.scaled(0.1)
    for name in Timing.__dataclass_fields__:
        real, scaled = getattr(TIMING, name), getattr(quick, name)
        assert scaled == (tuple(wait * 0.1 for wait in real) if isinstance(real, tuple) else real * 0.1)
    assert look(look(None, 0, scale=0.1), 4.6, scale=0.1).gone_looks == 1


@pytest.mark.parametrize(
    ("relayed", "oldest", "expected"),
    [(None, None, None), (None, 10, None), (5, None, 65), (5, 200, 260), (200, 5, 260)],
)
def test_a_region_vouches_for_what_came_back_and_is_not_pending(
    relayed: float | None, oldest: float | None, expected: float | None
) -> None:
    found = announced_through(
        relayed_through=None if relayed is None else ago(relayed),
        oldest_own_pending=None if oldest is None else ago(oldest),
        timing=TIMING,
    )
    assert found == (None if expected is None else ago(expected))


def test_work_keeps_its_place_by_when_it_was_seen_then_recorded() -> None:
    first = replace(work(seen=10), event_id="z", recorded_at=ago(20))
    second = replace(work(seen=10), event_id="a", recorded_at=ago(19))
    third = replace(work(seen=9), event_id="b", recorded_at=ago(99))
    assert sorted([third, second, first], key=lambda found: found.place) == [first, second, third]


def test_the_oldest_work_is_the_one_that_was_seen_first() -> None:
    assert oldest_seen_at([]) is None
    assert oldest_seen_at([work(seen=5), work(seen=90), work(THERE, seen=60)]) == ago(90)


def test_a_delivered_that_may_wait_for_its_items_makes_nothing_old() -> None:
    waiting = replace(work(seen=9000), status="delivered")
    assert oldest_seen_at([waiting]) is None
    assert oldest_seen_at([waiting, work(seen=5)]) == ago(5)
    for published in (replace(waiting, is_published=True), replace(waiting, attempt=1)):
        assert oldest_seen_at([published, work(seen=5)]) == ago(9000)
