"""Turns what a drill saw into the report's curves, on a time axis that starts with the load. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from loadtests import gate
from loadtests.charts import Band, Event, Line, LineChart, Segment, Strip, TimeAxis
from loadtests.drills.course import Course, utc_text
from loadtests.drills.freshness import Sighting
from loadtests.drills.judge import Finding
from loadtests.drills.plan import DrillPlan
from loadtests.drills.probes import DnsAnswer, StatusSample
from loadtests.ledger import Arrival, Ledger
from loadtests.report import ChartSection, PhaseRow, Report, Tile
from shared.slo import BY_NAME
from shared.topology import TOPOLOGY

COLOURS: Final = dict(zip(TOPOLOGY.region_names, ("#2f6fde", "#e07b1a"), strict=True))
GREY: Final = "#8a94a3"
BIN_SECONDS: Final = 2.0

Points = list[tuple[float, float | None]]


@dataclass(frozen=True)
class Seen:
    """What the probes kept, as plain lists."""

    ledger: Ledger
    dns: Sequence[DnsAnswer]
    status: Sequence[StatusSample]
    link_lag: Sequence[tuple[float, float]]
    sightings: Sequence[Sighting]
    regions_by_address: dict[str, str]


def report_of(
    plan: DrillPlan, course: Course, seen: Seen, promises: Sequence[gate.Promise], *, findings: Sequence[Finding],
    notes: Sequence[str], not_proved: Sequence[str],
) -> Report:  # fmt: skip
    """Put the whole report together."""
    zero = course.phases[0].started if course.phases else 0.0
    end = max((phase.ended for phase in course.phases), default=zero + 1.0)
    axis = TimeAxis(
        seconds=max(1.0, end - zero),
        bands=[Band(p.name, p.started - zero, p.ended - zero, _band_kind(p, course)) for p in course.phases],
        events=[Event(mark.at - zero, mark.what, mark.kind) for mark in course.marks],
    )
    bins = Bins(zero, axis.seconds, BIN_SECONDS if axis.seconds > 120 else 1.0)
    achieved = {promise.name: promise.achieved for promise in promises}
    passed = bool(promises) and all(promise.passed for promise in promises)
    return Report(
        title=f"Relevo drill: {plan.name}",
        headline=_headline(plan, course, promises, achieved),
        started=utc_text(zero),
        timing=plan.timing,
        passed=passed,
        axis=axis,
        charts=_charts(plan, seen, bins),
        dns=[_dns_strip(place, seen.dns, zero, end) for place in TOPOLOGY.region_names],
        promises=promises,
        phases=[phase_row(phase, seen.ledger) for phase in course.phases],
        tiles=_tiles(promises),
        broken=[f"{finding.name}: {example}" for finding in findings for example in finding.examples],
        notes=notes,
        not_proved=not_proved,
    )


@dataclass(frozen=True)
class Bins:
    """Equal slices of the time axis."""

    zero: float
    seconds: float
    width: float

    def number(self, at: float) -> int:
        return int((at - self.zero) // self.width)

    @property
    def count(self) -> int:
        return int(self.seconds // self.width) + 1

    def middle(self, number: int) -> float:
        return min(self.seconds, (number + 0.5) * self.width)

    def rate(self, moments: Iterable[float]) -> Points:
        counts = Counter(self.number(at) for at in moments)
        return [(self.middle(n), counts[n] / self.width) for n in range(self.count)]

    def summarize(
        self, samples: Iterable[tuple[float, float]], summary: Callable[[list[float]], float | None]
    ) -> Points:
        """One value per slice; a slice without samples breaks the line."""
        per_bin: dict[int, list[float]] = defaultdict(list)
        for at, value in samples:
            per_bin[self.number(at)].append(value)
        return [(self.middle(n), summary(per_bin[n]) if n in per_bin else None) for n in range(self.count)]


def _band_kind(phase: gate.Phase, course: Course) -> str:
    began = course.fault_at if course.fault_at is not None else course.unnoticed_since
    if began is not None and abs(phase.started - began) < 1.0:
        return "lost"
    return "steady" if phase.steady else "plain"


def _charts(plan: DrillPlan, seen: Seen, bins: Bins) -> list[ChartSection]:
    arrivals = seen.ledger.arrivals
    tries = [attempt for arrival in arrivals for attempt in arrival.tries]

    def region_of(region: str | None, address: str | None) -> str:
        return region or seen.regions_by_address.get(address or "", "no address")

    served = [
        Line(name, colour, bins.rate(t.at for t in tries if t.ok and t.region == name), area=True)
        for name, colour in COLOURS.items()
    ]
    offered = Line("offered", GREY, bins.rate(a.scheduled for a in arrivals), dashed=True)
    errors = [
        Line(
            name,
            colour,
            bins.rate(t.at for t in tries if not t.ok and region_of(t.region, t.address) == name),
            area=True,
        )
        for name, colour in COLOURS.items()
    ]
    failed = Line("arrivals given up", "#c22a2a", bins.rate(a.finished for a in arrivals if not a.ok))
    latencies = [(a.scheduled, a.latency_seconds * 1000) for a in arrivals]
    percentiles = [
        Line(f"p{share:.0f}", colour, bins.summarize(latencies, _percentile(share / 100)))
        for share, colour in ((50.0, "#7fb2ff"), (95.0, "#2f6fde"), (99.0, "#12306b"))
    ]
    freshness = [
        Line(
            f"read in {name}", colour,
            bins.summarize(
                ((s.acked_at, s.seconds) for s in seen.sightings if s.reader_region == name and s.seconds is not None),
                max,
            ),
        )
        for name, colour in COLOURS.items()
    ]  # fmt: skip
    lag = [
        Line(
            f"seen in {name}", colour,
            bins.summarize(
                ((s.at, s.replication_lag_seconds) for s in seen.status
                 if s.region == name and s.replication_lag_seconds is not None), max,
            ),
        )
        for name, colour in COLOURS.items()
    ]  # fmt: skip
    lag.append(Line("measured by the link", GREY, bins.summarize(seen.link_lag, max), dashed=True))
    limit = BY_NAME["freshness_p99_seconds"].limit(plan.timing)
    return [
        ChartSection("Served", "answers with 2xx by the Region that gave them", LineChart("per s", [*served, offered])),
        ChartSection("Errors", "tries without a 2xx, by the Region asked", LineChart("per s", [*errors, failed], 110)),
        ChartSection(
            "Latency", "of an arrival, from its scheduled time to its last answer, retries included",
            LineChart("ms", percentiles, log=True, limit=BY_NAME["p95_ms_steady"].limit(plan.timing)),
        ),
        ChartSection(
            "Freshness", "slowest sampled order: from a client's 2xx until it stood in a Region's order list",
            LineChart("s", freshness, 130, limit=limit),
        ),
        ChartSection("Replication lag", "how far a Region is behind the other", LineChart("s", lag, 110)),
    ]  # fmt: skip


def _percentile(fraction: float) -> Callable[[list[float]], float | None]:
    return lambda values: gate.percentile(values, fraction)


def _dns_strip(place: str, answers: Sequence[DnsAnswer], zero: float, end: float) -> Strip:
    """Join equal answers to bars."""
    mine = [answer for answer in answers if answer.location == place and answer.at <= end]
    segments: list[Segment] = []
    for answer, following in zip_longest(mine, mine[1:]):
        until = (following.at if following else end) - zero
        label = answer.region or "no answer"
        start = max(0.0, answer.at - zero)
        if until <= start:
            continue
        if segments and segments[-1].label == label:
            segments[-1] = Segment(segments[-1].start, until, label, segments[-1].colour)
        else:
            segments.append(Segment(start, until, label, COLOURS.get(label, GREY)))
    return Strip(f"near {place}", segments)


def phase_arrivals(phase: gate.Phase, arrivals: Iterable[Arrival]) -> list[Arrival]:
    return [arrival for arrival in arrivals if phase.holds(arrival.scheduled)]


def phase_row(phase: gate.Phase, ledger: Ledger) -> PhaseRow:
    due = phase_arrivals(phase, ledger.arrivals)
    seconds = phase.ended - phase.started
    latencies = [arrival.latency_seconds * 1000 for arrival in due]
    return PhaseRow(
        name=phase.name,
        seconds=seconds,
        offered_per_second=len(due) / seconds if seconds else 0.0,
        error_rate=gate.error_rate(due),
        first_try_error_rate=gate.first_try_error_rate(due),
        p50_ms=gate.percentile(latencies, 0.5),
        p95_ms=gate.percentile(latencies, 0.95),
        p99_ms=gate.percentile(latencies, 0.99),
    )


def _headline(
    plan: DrillPlan, course: Course, promises: Sequence[gate.Promise], achieved: dict[str, float | None]
) -> str:
    broken = [promise.name for promise in promises if not promise.passed]
    if broken:
        return f"{len(broken)} of {len(promises)} promises did not hold: {', '.join(broken)}."
    if not promises:
        return "Nothing was measured."
    if course.regions_in_dns is not None:
        return f"Every health check was red at {plan.peak:g}x; both Regions served on, and no client noticed."
    if plan.mode == "keys":
        return "The signing key was rotated under load: no living token was refused, and the old key opens nothing now."
    if plan.mode == "matrix":
        return f"{plan.name}: whatever the situation, {plan.hypothesis}."
    if plan.mode == "release":
        return "Two versions served side by side under load, and one took over from the other: no client noticed."
    if course.evacuation_seconds is not None:
        return (
            f"{plan.region} was evacuated at {plan.peak:g}x in {course.evacuation_seconds:.0f} s; clients that honour "
            "the TTL lost not one request, nothing was done twice."
        )
    lost_for = (course.healed_at or 0.0) - (course.fault_at or 0.0)
    return (
        f"{plan.region} was lost at {plan.peak:g}x for {lost_for:.0f} s. 95 % of its clients were served again within "
        f"{achieved['achieved_rto_p95_seconds'] or 0:.0f} s; nothing acknowledged was lost, nothing was done twice."
    )


def _tiles(promises: Sequence[gate.Promise]) -> list[Tile]:
    words = {
        "lost_orders": ("acknowledged commands lost", "{:.0f}"),
        "duplicate_effects": ("effects doubled or changed", "{:.0f}"),
        "achieved_rto_p95_seconds": ("until clients were back (p95)", "{:.0f} s"),
        "detection_seconds": ("until DNS noticed", "{:.1f} s"),
        "evacuation_seconds": ("until the Region was empty", "{:.0f} s"),
        "regions_in_dns": ("Regions in DNS, all checks red", "{:.0f}"),
        "rejected_tokens": ("living tokens refused", "{:.0f}"),
        "retired_key_accepted": ("tokens of the retired key accepted", "{:.0f}"),
        "versions_side_by_side_seconds": ("two versions side by side", "{:.0f} s"),
        "failed_requests": ("requests failed, TTL honoured", "{:.0f}"),
        "rpo_commands": ("commands behind when it was lost (RPO)", "{:.0f}"),
        "survivor_carries_10x": ("of the load on one Region", "{:.1%}"),
        "freshness_p99_seconds": ("freshness p99", "{:.1f} s"),
        "p95_ms_steady": ("latency p95, steady", "{:.0f} ms"),
    }
    tiles = []
    for promise in promises:
        if promise.name in words:
            label, form = words[promise.name]
            value = "-" if promise.achieved is None else form.format(promise.achieved)
            tiles.append(Tile(label, value, promise.passed))
    return tiles
