"""From measurements to promises: what was not measured keeps none, and retries do not hide what failed in the end."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loadtests import gate
from loadtests.gate import Phase, failed_requests
from loadtests.ledger import Arrival, Try
from shared.slo import EVACUATION, FAIL_OPEN, KEY_ROTATION, OBJECTIVES, RELEASE, Objective
from tests.unit import synthetic_drill

PHASES = [Phase("warm-up", 1, 0, 10, steady=False), Phase("10x", 10, 10, 100, steady=True)]


def arrival(at: float, *tries: Try, took: float = 0.1, outcome: str = "ok", user: str = "u") -> Arrival:
    return Arrival(user, "read", "GET /v1/metrics", at, at + took, outcome, None, tries)  # type: ignore[arg-type]


def answered(at: float, region: str = "us-east-1", http: int = 200) -> Try:
    return Try(at, 50.0, http, region if http else None, None, None)


def all_good() -> dict[str, float | None]:
    return {objective.name: objective.real for objective in OBJECTIVES}


def test_promises_come_in_the_order_of_the_objectives_and_all_can_hold() -> None:
    promises = gate.judge_promises(all_good(), "real")
    assert [promise.name for promise in promises] == [objective.name for objective in OBJECTIVES]
    assert all(promise.passed for promise in promises)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.name)
@pytest.mark.parametrize("timing", ["real", "quick"])
def test_each_promise_breaks_alone(objective: object, timing: str) -> None:
    limit = objective.limit(timing)  # type: ignore[attr-defined]
    worse = limit * 1.01 + 0.001 if objective.bound == "at_most" else limit * 0.99  # type: ignore[attr-defined]
    achieved = {o.name: o.limit(timing) for o in OBJECTIVES} | {objective.name: worse}  # type: ignore[arg-type,attr-defined]
    broken = [promise.name for promise in gate.judge_promises(achieved, timing) if not promise.passed]  # type: ignore[arg-type]
    assert broken == [objective.name]  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [None, math.inf, math.nan])
def test_what_was_not_measured_keeps_no_promise(value: float | None) -> None:
    promises = gate.judge_promises(all_good() | {"takeover_seconds": value}, "real")
    assert [promise.name for promise in promises if not promise.passed] == ["takeover_seconds"]
    missing = all_good()
    del missing["lost_orders"]
    assert [promise.name for promise in gate.judge_promises(missing, "real") if not promise.passed] == ["lost_orders"]


def test_a_measure_without_an_objective_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no objective for speed"):
        gate.judge_promises(all_good() | {"speed": 1.0}, "real")


def test_percentiles_are_measured_values() -> None:
    assert gate.percentile([], 0.95) is None
    assert gate.percentile([5.0], 0.99) == 5.0
    assert gate.percentile([float(n) for n in range(1, 101)], 0.95) == 95.0


def test_steady_leaves_out_warm_up_and_what_the_fault_could_touch() -> None:
    arrivals = [arrival(at) for at in (5, 20, 57.9, 58.1, 61)]
    assert [a.scheduled for a in gate.steady_arrivals(arrivals, PHASES, 60.0)] == [20, 57.9]
    assert [a.scheduled for a in gate.steady_arrivals(arrivals, PHASES, None)] == [20, 57.9, 58.1, 61]


def test_the_error_rate_counts_final_outcomes_and_dropped_arrivals() -> None:
    retried = arrival(1, answered(1, http=503), answered(2))
    arrivals = [arrival(1, answered(1)), retried, arrival(1, answered(1, http=0), outcome="failed")]
    arrivals.append(arrival(1, outcome="dropped"))
    assert gate.error_rate(arrivals) == 0.5
    assert gate.first_try_error_rate(arrivals) == 0.75
    assert gate.error_rate([]) is None


def test_latency_counts_from_the_scheduled_time() -> None:
    late = arrival(10.0, answered(14.95), took=5.0)  # a fast answer to a request that was sent late
    assert gate.p95_ms([late]) == 5000.0


def test_rto_counts_only_clients_of_the_lost_region_and_only_tries_that_began_after_the_fault() -> None:
    arrivals = [
        arrival(59, answered(59), user="hit"),
        arrival(60, answered(60.0, http=0), user="hit", outcome="failed"),
        arrival(80, answered(82, "us-east-2"), user="hit"),
        arrival(59, answered(59, "us-east-2"), user="untouched"),
        arrival(61, answered(61, "us-east-2"), user="untouched"),
        arrival(59.97, answered(59.97), user="under way"),
        arrival(59.99, Try(60.01, 10, 200, "us-east-1", None, None), user="under way"),
        arrival(90, answered(90, "us-east-2"), user="under way"),
        arrival(59, answered(59), user="never"),
    ]
    times = gate.recovery_times(arrivals, "us-east-1", fault_at=60.0, struck_at=60.1, ended_at=200.0)
    assert times.seconds == pytest.approx((22.05, 30.05, 140.0))
    assert times.never == 1
    assert times.p95 == 140.0


def test_a_survivor_is_credited_only_for_what_it_served_itself() -> None:
    arrivals = [arrival(100 + n / 10, answered(100, "us-east-2")) for n in range(95)]
    arrivals += [arrival(105, answered(105, "us-east-1")), arrival(105, outcome="dropped")]
    arrivals += [arrival(106, answered(106, http=0), outcome="failed")] * 3
    assert gate.carried_share(arrivals, "us-east-2", 100, 110, 10.0) == 0.95


def test_a_load_that_was_not_offered_proves_nothing() -> None:
    arrivals = [arrival(100 + n, answered(100, "us-east-2")) for n in range(10)]
    assert gate.carried_share(arrivals, "us-east-2", 100, 110, 10.0) == 0.1
    assert gate.carried_share([], "us-east-2", 100, 100.5, 10.0) is None


def test_the_synthetic_drill_measures_as_it_was_made() -> None:
    course = synthetic_drill.course()
    assert course.fault_at and course.struck_at and course.stopped_at  # noqa: PT018  # for the type checker
    times = gate.recovery_times(
        synthetic_drill.arrivals(), synthetic_drill.LOST, course.fault_at, course.struck_at, course.stopped_at
    )
    assert synthetic_drill.NOTICED < (times.p95 or 0) < synthetic_drill.NOTICED + 66
    assert times.never == 0


def test_failed_requests_are_tries_of_clients_that_honour_the_ttl_from_a_moment_on() -> None:
    kinds = {"u": "Courier", "p": "PinnedClient"}
    arrivals = [
        arrival(9.9, answered(9.9, http=500), outcome="failed"),
        arrival(10.0, answered(10.0, http=503), answered(10.2)),
        arrival(11.0, answered(11.0, http=0), outcome="failed"),
        arrival(12.0, answered(12.0)),
        arrival(13.0, answered(13.0, http=503), user="p"),
    ]
    assert failed_requests(arrivals, 10.0, kinds) == 2
    assert failed_requests(arrivals, 12.0, kinds) == 0


def test_a_reader_told_that_its_event_is_not_there_yet_got_what_it_asked_for() -> None:
    not_yet = replace(arrival(1.0, answered(1.0, http=503), answered(1.5)), route="GET /v1/orders/{id}")
    assert failed_requests([not_yet], 0.0, {}) == 0
    ill = replace(not_yet, tries=(answered(1.0, http=500), answered(1.5)))
    assert failed_requests([ill], 0.0, {}) == 1


def test_a_rejected_token_is_a_try_answered_401_or_as_the_old_routes_403() -> None:
    arrivals = [
        arrival(9.0, answered(9.0, http=401), answered(9.5)),
        arrival(10.0, answered(10.0, http=401), answered(10.2)),
        arrival(11.0, answered(11.0, http=403), outcome="failed"),
        arrival(12.0, answered(12.0, http=503), answered(12.2)),
        arrival(13.0, answered(13.0)),
    ]
    assert gate.rejected_tokens(arrivals, 10.0) == 2


@pytest.mark.parametrize("objectives", [EVACUATION, FAIL_OPEN, KEY_ROTATION, RELEASE])
def test_each_drill_is_held_against_its_own_objectives(objectives: tuple[Objective, ...]) -> None:
    achieved: dict[str, float | None] = {objective.name: objective.quick for objective in objectives}
    promises = gate.judge_promises(achieved, "quick", objectives)
    assert [promise.name for promise in promises] == [objective.name for objective in objectives]
    assert all(promise.passed for promise in promises)
    achieved["failed_requests"] = 1.0
    broken = [promise.name for promise in gate.judge_promises(achieved, "quick", objectives) if not promise.passed]
    assert broken == ["failed_requests"]
    with pytest.raises(ValueError, match="detection_seconds"):
        gate.judge_promises({"detection_seconds": 1.0}, "quick", objectives)
