"""Turns what the clients measured into promises: error rate, latency, RTO, what the survivor carried. Pure.

Objectives come from ``shared.slo`` and nowhere else. What was not measured keeps no promise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from loadtests.ledger import Arrival
from shared.slo import OBJECTIVES, Objective, Timing

STEADY_MARGIN_SECONDS: Final = 2.0  # arrivals due this shortly before the fault may still be under way when it strikes
PINNED: Final = "PinnedClient"  # the class that keeps its address whatever DNS says
NOT_YET: Final = 503
TOKEN_REFUSED: Final = (401, 403)  # the old routes answer 403
READ_OWN_WRITE: Final = "GET /v1/orders/{id}"
OFFERED_AT_LEAST: Final = 0.9  # of the nominal rate, or the load was not what the drill claims


@dataclass(frozen=True)
class Phase:
    """A stretch of the drill. Steady phases are judged by the steady objectives."""

    name: str
    multiple: float
    started: float
    ended: float
    steady: bool

    def holds(self, at: float) -> bool:
        return self.started <= at < self.ended


@dataclass(frozen=True)
class Promise:
    """One promise, judged."""

    name: str
    objective: float | None  # None: a figure that nobody promised
    achieved: float | None
    unit: str
    passed: bool

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def judge_promises(
    achieved: Mapping[str, float | None], timing: Timing, objectives: Sequence[Objective] = OBJECTIVES,
    unpromised: Collection[str] = (),
) -> list[Promise]:  # fmt: skip
    """Hold every objective of a drill against what was achieved, in the order of ``shared.slo``.

    What is ``unpromised`` has to be measured, whatever the value.
    """
    unknown = set(achieved) - {objective.name for objective in objectives}
    if unknown:
        raise ValueError(f"no objective for {', '.join(sorted(unknown))}")
    promises = []
    for objective in objectives:
        value = achieved.get(objective.name)
        if value is not None and not math.isfinite(value):
            value = None
        limit, held = objective.limit(timing), objective.holds(value, timing)
        if objective.name in unpromised:
            promises.append(Promise(objective.name, None, value, objective.unit, value is not None))
        else:
            promises.append(Promise(objective.name, limit, value, objective.unit, held))
    return promises


def percentile(values: Sequence[float], fraction: float) -> float | None:
    """The nearest-rank percentile: a value that was measured, never one in between."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


def steady_arrivals(arrivals: Iterable[Arrival], phases: Iterable[Phase], fault_at: float | None) -> list[Arrival]:
    """Arrivals that were due in a steady phase, and not so late that the fault could touch them."""
    steady = [phase for phase in phases if phase.steady]
    end = math.inf if fault_at is None else fault_at - STEADY_MARGIN_SECONDS
    return [
        arrival
        for arrival in arrivals
        if arrival.scheduled < end and any(phase.holds(arrival.scheduled) for phase in steady)
    ]


def error_rate(arrivals: Sequence[Arrival]) -> float | None:
    """The share of arrivals that failed in the end, retries and all; dropped ones failed."""
    return sum(not arrival.ok for arrival in arrivals) / len(arrivals) if arrivals else None


def first_try_error_rate(arrivals: Sequence[Arrival]) -> float | None:
    return sum(not arrival.first_try_ok for arrival in arrivals) / len(arrivals) if arrivals else None


def p95_ms(arrivals: Sequence[Arrival]) -> float | None:
    """The 95th percentile of latency from the scheduled time; what failed counts with the time it took to fail."""
    value = percentile([arrival.latency_seconds * 1000 for arrival in arrivals], 0.95)
    return None if value is None else round(value, 1)


def failed_requests(arrivals: Iterable[Arrival], since: float, kinds: Mapping[str, str]) -> int:
    """Requests without a useful answer, of clients that honour the TTL, from arrivals due after a moment.

    ``kinds`` are the clients' classes. The 503 to a reader who asks for an event that has not arrived yet is no
    failure: it is what that reader asked for.
    """
    return sum(
        not attempt.ok and not (attempt.http == NOT_YET and arrival.route == READ_OWN_WRITE)
        for arrival in arrivals
        if arrival.scheduled >= since and kinds.get(arrival.user) != PINNED
        for attempt in arrival.tries
    )


def rejected_tokens(arrivals: Iterable[Arrival], since: float) -> int:
    """Tries whose token was refused, of arrivals due after a moment: no client uses one that has expired."""
    return sum(
        attempt.http in TOKEN_REFUSED for arrival in arrivals if arrival.scheduled >= since for attempt in arrival.tries
    )


@dataclass(frozen=True)
class RecoveryTimes:
    """Per client of the lost Region: seconds from the fault to its first success after it."""

    seconds: tuple[float, ...]
    never: int  # clients that had no success at all before the load ended; counted with that time

    @property
    def p95(self) -> float | None:
        return percentile(self.seconds, 0.95)

    @property
    def worst(self) -> float | None:
        return max(self.seconds, default=None)


def recovery_times(
    arrivals: Iterable[Arrival],
    lost_region: str,
    fault_at: float,
    struck_at: float,
    ended_at: float,
    present_since: float = 0.0,
) -> RecoveryTimes:
    """Measure each client whose last success before the fault came from the lost Region.

    Clients of the other Region notice nothing and would only flatter the figure. ``fault_at`` is before and
    ``struck_at`` after the fault was set; a success counts if its try began after the latter. Clients that asked for
    nothing since ``present_since`` had left before the fault: a load that ramps down retires some.
    """
    present: set[str] = set()
    last_region: dict[str, tuple[float, str | None]] = {}
    first_success: dict[str, float] = {}
    for arrival in arrivals:
        if arrival.scheduled >= present_since:
            present.add(arrival.user)
        for attempt in arrival.tries:
            end = attempt.at + attempt.ms / 1000
            if not attempt.ok:
                continue
            if attempt.at <= fault_at and end > last_region.get(arrival.user, (0.0, None))[0]:
                last_region[arrival.user] = (end, attempt.region)
            elif attempt.at > struck_at:
                first_success[arrival.user] = min(end, first_success.get(arrival.user, math.inf))
    affected = [user for user, (_, region) in last_region.items() if region == lost_region and user in present]
    never = sum(user not in first_success for user in affected)
    seconds = tuple(sorted(round(first_success.get(user, ended_at) - fault_at, 3) for user in affected))
    return RecoveryTimes(seconds, never)


def carried_share(
    arrivals: Sequence[Arrival], survivor: str, start: float, end: float, nominal_per_second: float
) -> float | None:
    """The share of what was due in the window that the survivor served.

    The denominator is what was scheduled, or the nominal load if less than ``OFFERED_AT_LEAST`` of that was offered:
    a generator that could not offer the load proves nothing.
    """
    if end - start < 1.0:
        return None
    due = [arrival for arrival in arrivals if start <= arrival.scheduled < end]
    served = sum(arrival.ok and arrival.region == survivor for arrival in due)
    nominal = nominal_per_second * (end - start)
    offered = len(due) if len(due) >= OFFERED_AT_LEAST * nominal else nominal
    return round(served / offered, 4) if offered else None
