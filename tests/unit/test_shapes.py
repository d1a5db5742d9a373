"""The load: open-loop arrivals, growth as a table, journeys through the statuses, retries and addresses."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.addressing import PINNED_PATIENCE, FollowDns, Pinned
from loadtests.arrivals import Schedule, Spacing, due_times
from loadtests.journeys import COMPAT, CourierRound, DeliveryDesk, plan_journey
from loadtests.retries import RetryPolicy, is_retryable, parse_retry_after
from loadtests.shapes import ARRIVALS_PER_USER, Steering, crowd_for, growth_steps, step_at
from shared.domain.orders import RANK, TERMINAL_CLASS
from shared.topology import STATUSES, TOPOLOGY

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


def until(seconds: float, rate: float, spacing: Spacing, seed: int) -> list[float]:
    return list(itertools.takewhile(lambda at: at < seconds, due_times(rate, spacing, random.Random(seed))))


@given(st.sampled_from(["poisson", "even"]), st.floats(0.1, 20), st.integers())
def test_arrivals_only_move_forward_and_depend_on_the_seed_alone(spacing: Spacing, rate: float, seed: int) -> None:
    first = list(itertools.islice(due_times(rate, spacing, random.Random(seed)), 50))
    assert first == sorted(first)
    assert first == list(itertools.islice(due_times(rate, spacing, random.Random(seed)), 50))


def test_even_arrivals_have_an_exact_number_and_poisson_ones_a_mean() -> None:
    assert len(until(1000, 0.5, "even", 3)) == 500
    assert 450 < len(until(1000, 0.5, "poisson", 3)) < 550


def test_poisson_gaps_are_memoryless_in_spread() -> None:
    times = until(20_000, 1.0, "poisson", 5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert 0.9 < variance / mean**2 < 1.1


def test_a_late_client_owes_what_was_due_and_does_not_shift_its_schedule() -> None:
    schedule = Schedule(100.0, iter([1.0, 2.0, 3.0, 4.0]))
    assert schedule.wait_seconds(103.5) == 0.0
    assert [schedule.take(), schedule.take(), schedule.take()] == [101.0, 102.0, 103.0]
    assert schedule.wait_seconds(103.5) == pytest.approx(0.5)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        next(due_times(0, "even", random.Random(1)))


def test_growth_is_one_five_ten_times_the_baseline() -> None:
    steps = growth_steps(TOPOLOGY.baseline, 10)
    assert [step.multiple for step in steps] == [1, 5, 10]
    assert [step_at(steps, at).phase if step_at(steps, at) else None for at in (0, 9.9, 10, 29.9, 30)] == [  # type: ignore[union-attr]
        "1x", "1x", "5x", "10x", None,
    ]  # fmt: skip
    baseline = TOPOLOGY.baseline
    for multiple in baseline.steps:
        crowd = crowd_for(multiple, baseline)
        assert crowd.writers * ARRIVALS_PER_USER == pytest.approx(baseline.orders_per_second * multiple)
        assert crowd.readers * ARRIVALS_PER_USER == pytest.approx(baseline.reads_per_second * multiple)


def test_steering_is_read_as_it_was_written(tmp_path: Path) -> None:
    for multiple in (10.0, None):
        Steering("lost", multiple).write(tmp_path / "steer.json")
        assert Steering.read(tmp_path / "steer.json") == Steering("lost", multiple)
    assert [path.name for path in tmp_path.iterdir()] == ["steer.json"]


@given(st.integers())
def test_every_journey_takes_its_order_further_at_each_step(seed: int) -> None:
    plan = plan_journey(random.Random(seed))
    places = [(TERMINAL_CLASS.get(status, 0), attempt or 1, RANK[status]) for status, attempt in plan]
    assert places == sorted(set(places))
    assert plan[0][0] == "created"
    assert plan[-1][0] in ("delivered", "cancelled")


def test_couriers_use_every_status() -> None:
    seen = Counter(status for seed in range(300) for status, _ in plan_journey(random.Random(seed)))
    assert set(seen) == set(STATUSES)


def test_the_next_command_of_an_order_waits_for_the_acknowledgement_of_the_one_before() -> None:
    courier = CourierRound("R1", "u1", "ana", random.Random(4))
    open_commands = [courier.next_command(NOW) for _ in range(12)]
    assert [command.sequence for command in open_commands] == [0] * 12
    for command in open_commands:
        courier.acknowledged(command, command.order_id or "o-x")
    following = courier.next_command(NOW)
    assert (following.sequence, following.order_id) == (1, open_commands[0].order_id or "o-x")


def test_what_was_not_acknowledged_is_sent_again_unchanged() -> None:
    for source in (
        CourierRound("R1", "u1", "ana", random.Random(4)),
        DeliveryDesk("R1", "u2", "ana", random.Random(4)),
    ):
        first = source.next_command(NOW)
        source.not_acknowledged(first)
        assert source.leftovers() == 1
        assert source.next_command(NOW + timedelta(minutes=1)) == first


def test_deliveries_use_the_old_contract_and_some_belong_to_other_days() -> None:
    desk = DeliveryDesk("R1", "u2", "ana", random.Random(4))
    commands = [desk.next_command(NOW) for _ in range(300)]
    assert {command.route for command in commands} == {COMPAT}
    assert len({command.order_id for command in commands}) == 300
    stamps = [command.body.get("timestamp") for command in commands]
    assert None in stamps
    assert {str(stamp)[:10] for stamp in stamps if stamp} > {"2026-11-20"}
    kinds = {type(product["precio"]) for command in commands for product in command.body["productos"]}  # type: ignore[union-attr,index,call-overload]
    assert kinds >= {int, str}


@given(st.integers(0, 30), st.integers())
def test_full_jitter_stays_between_zero_and_the_cap(failures: int, seed: int) -> None:
    policy = RetryPolicy()
    pause = policy.pause_seconds(failures, random.Random(seed))
    assert 0 <= pause <= min(policy.cap_seconds, policy.base_seconds * 2**failures)


def test_jitter_is_full_and_not_a_small_wobble() -> None:
    pauses = [RetryPolicy().pause_seconds(3, random.Random(seed)) for seed in range(500)]
    assert min(pauses) < 0.1 < 1.4 < max(pauses)


def test_retry_after_is_a_floor() -> None:
    assert all(RetryPolicy().pause_seconds(0, random.Random(seed), 2.0) >= 2.0 for seed in range(50))
    assert parse_retry_after("2") == 2.0
    assert [parse_retry_after(text) for text in (None, "soon", "-1")] == [None, None, None]


def test_what_can_help_is_retried_and_what_cannot_is_not() -> None:
    assert all(is_retryable(status) for status in (0, 429, 500, 502, 503, 504))
    assert not any(is_retryable(status) for status in (200, 201, 400, 403, 404, 409, 413, 422))
    assert RetryPolicy().gives_up(8, 0)
    assert RetryPolicy().gives_up(1, 60)
    assert not RetryPolicy().gives_up(1, 1)


class FakeResolver:
    """Answers in turn; each answer is a tuple of addresses."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    def lookup(self, name: str) -> FakeResolver:
        self.addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return self


def test_a_follower_goes_where_dns_says_and_stays_while_it_is_still_said() -> None:
    follower = FollowDns("api", FakeResolver(("a", "b"), ("b", "a"), ("b",)))
    assert [follower.address() for _ in range(3)] == ["a", "a", "b"]


def test_a_pinned_client_keeps_its_address_until_told_to_leave_or_failing_in_a_row() -> None:
    pinned = Pinned("api", FakeResolver(("a",), ("b",), ("c",)))
    assert [pinned.address() for _ in range(5)] == ["a"] * 5
    for _ in range(PINNED_PATIENCE - 1):
        pinned.failed()
    pinned.answered()
    pinned.failed()
    assert pinned.address() == "a"
    pinned.told_to_leave()
    assert pinned.address() == "b"
    for _ in range(PINNED_PATIENCE):
        pinned.failed()
    assert pinned.address() == "c"
