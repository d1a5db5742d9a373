"""Puts what was seen into the measures that promises are about. Pure, but for reading the observers' lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from loadtests import gate
from loadtests.drills.course import Course
from loadtests.drills.freshness import Sighting
from loadtests.drills.judge import Finding
from loadtests.drills.plan import DrillPlan
from loadtests.ledger import Ledger
from shared.slo import BY_NAME
from shared.topology import TOPOLOGY


@dataclass
class Measures:
    """Achieved values by promise, and sentences on how they came about."""

    achieved: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def freshness_of(
    sightings: Iterable[Sighting], phases: Sequence[gate.Phase], fault_at: float | None, patience_seconds: float
) -> tuple[list[float], int]:
    """Freshness of orders acknowledged in steady phases, and how many could not be judged.

    An order that was still unseen when the fault struck cannot be judged unless it had already waited for longer than
    the objective; one that never showed counts with all the time that it had.
    """
    values: list[float] = []
    unjudged = 0
    steady = [phase for phase in phases if phase.steady]
    end = fault_at if fault_at is not None else max((phase.ended for phase in phases), default=0.0)
    for sighting in sightings:
        if not any(phase.holds(sighting.acked_at) for phase in steady):
            continue
        if sighting.seconds is not None and sighting.acked_at + sighting.seconds <= end:
            values.append(sighting.seconds)
        elif end - sighting.acked_at > patience_seconds:
            values.append(sighting.seconds if sighting.seconds is not None else end - sighting.acked_at)
        else:
            unjudged += 1
    return values, unjudged


def measure(
    plan: DrillPlan, course: Course, ledger: Ledger, *, sightings: Iterable[Sighting], detection: float | None,
    findings: Sequence[Finding], converged_at: float | None,
) -> Measures:  # fmt: skip
    """Return all promises' measures of a drill that has ended."""
    measures = Measures()
    achieved, notes = measures.achieved, measures.notes
    for finding in findings:
        achieved[finding.name] = float(finding.count)
    steady = gate.steady_arrivals(ledger.arrivals, course.phases, course.fault_at)
    achieved["error_rate_steady"] = gate.error_rate(steady)
    achieved["p95_ms_steady"] = gate.p95_ms(steady)
    first_try = gate.first_try_error_rate(steady)
    if first_try is not None:
        failed = sum(not arrival.ok for arrival in steady)
        notes.append(f"steady: {len(steady)} arrivals, {failed} failed in the end, {first_try:.2%} needed another try")
    patience = BY_NAME["freshness_p99_seconds"].limit(plan.timing)
    evacuated_from = course.unnoticed_since if plan.mode == "evacuate" else None
    if evacuated_from is not None:  # from then on the Region rightly tells its readers to go elsewhere
        sightings = [s for s in sightings if s.reader_region != plan.region or s.acked_at < evacuated_from - patience]
    values, unjudged = freshness_of(sightings, course.phases, course.fault_at, patience)
    achieved["freshness_p99_seconds"] = gate.percentile(values, 0.99)
    notes.append(f"freshness: {len(values)} readings in both Regions, {unjudged} cut off by the fault and not judged")
    if course.unnoticed_since is None:
        achieved["detection_seconds"] = detection
        achieved["takeover_seconds"] = course.takeover_seconds
        achieved |= course.achieved
    else:
        kinds = {name: user.kind for name, user in ledger.users.items()}
        achieved["failed_requests"] = gate.failed_requests(ledger.arrivals, course.unnoticed_since, kinds)
        if plan.mode == "evacuate":
            achieved["evacuation_seconds"] = course.evacuation_seconds
        elif plan.mode == "health":
            achieved["regions_in_dns"] = course.regions_in_dns
            achieved["regions_drained"] = course.drained_regions
        achieved |= course.achieved
        shown_and_rejected = course.achieved.get("rejected_tokens")
        if shown_and_rejected is not None:
            achieved["rejected_tokens"] = shown_and_rejected + gate.rejected_tokens(
                ledger.arrivals, course.unnoticed_since
            )
    achieved["converged_seconds"] = converged_seconds(course, converged_at)
    if course.fault_at is not None and course.struck_at is not None:
        _measure_recovery(plan, course, ledger, measures)
    return measures


def converged_seconds(course: Course, converged_at: float | None) -> float | None:
    """The longer of: readmission until both hold all acknowledged before it; end of the load until all is equal."""
    if course.settled_at is None or converged_at is None or course.readmitted_at is None or course.stopped_at is None:
        return None
    return round(max(course.settled_at - course.readmitted_at, converged_at - course.stopped_at), 2)


def _measure_recovery(plan: DrillPlan, course: Course, ledger: Ledger, measures: Measures) -> None:
    assert course.fault_at is not None
    assert course.struck_at is not None
    lost_until = course.healed_at or course.stopped_at or course.struck_at
    # Ramps retire clients: only those that were there in the last phase before the fault can come back after it.
    present_since = max((phase.started for phase in course.phases if phase.steady), default=0.0)
    times = gate.recovery_times(
        ledger.arrivals, plan.region, course.fault_at, course.struck_at, course.stopped_at or lost_until, present_since
    )
    measures.achieved["achieved_rto_p95_seconds"] = times.p95
    if times.worst is not None:
        measures.notes.append(
            f"RTO over the {len(times.seconds)} clients that {plan.region} served: worst {times.worst:.1f} s"
            + (f"; {times.never} never got through" if times.never else "")
        )
    if times.p95 is None:
        return
    growth = TOPOLOGY.baseline
    start = course.fault_at + times.p95
    nominal = (growth.orders_per_second + growth.reads_per_second) * plan.peak
    survivor = TOPOLOGY.peer_of(plan.region)
    share = gate.carried_share(ledger.arrivals, survivor, start, lost_until, nominal)
    measures.achieved["survivor_carries_10x"] = share
    measures.notes.append(
        f"{survivor} served alone for {max(0.0, lost_until - start):.0f} s after the RTO; nominal load {nominal:.0f}/s"
    )
