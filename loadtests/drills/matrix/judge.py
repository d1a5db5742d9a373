"""Judges a sitting cell by cell: what became of the commands of each, out of one ledger and one evidence. Pure.

An order belongs to every cell in which a client sent something about it or got an answer, and is judged whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from loadtests import gate
from loadtests.drills.evidence import Evidence, Replica, match_commands
from loadtests.drills.freshness import Sighting
from loadtests.drills.judge import (
    announcements_missing,
    duplicate_effects,
    lost_orders,
    replicas_differ,
    view_differs,
)
from loadtests.drills.matrix.course import CellRun
from loadtests.drills.tracker import Arrivals
from loadtests.ledger import Ledger
from shared.slo import BY_NAME, Timing

CHECKS: Final = (lost_orders, duplicate_effects, announcements_missing, view_differs, replicas_differ)
CONVERGED: Final = BY_NAME["cell_converged_seconds"]
LEAST_COMMANDS: Final = 5  # acknowledged in a cell, or it proves nothing


@dataclass(frozen=True)
class CellResult:
    """What a cell proved, and its figures."""

    fault: str
    phase: str
    region: str
    hypothesis: str
    stop: str
    passed: bool
    counts: dict[str, int]  # by check, all of them 0
    converged_seconds: float | None  # from the end of all faults until everything was complete in both Regions
    acknowledged: int  # commands
    failed_share: float | None  # of arrivals, in the end
    first_try_failed_share: float | None
    freshness_p99_seconds: float | None
    seconds: float
    troubles: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.fault, self.phase, self.region

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def judge_cell(
    run: CellRun, evidence: Evidence | None, *, ledger: Ledger, commands: Sequence[Mapping[str, Arrivals]],
    sightings: Iterable[Sighting], timing: Timing,
) -> CellResult:  # fmt: skip
    """Judge one cell; ``commands`` are what the trackers of all Regions saw, ``None`` as evidence is no proof."""
    ended = run.ended or run.started
    phase = gate.Phase(run.cell.name, 0.0, run.started, ended, steady=False)
    acks = [ack for ack in ledger.acks.values() if phase.holds(ack.at)]
    troubles = list(run.troubles)
    counts: dict[str, int] = {}
    if evidence is None:
        troubles.append("nothing could be read of the Regions")
    else:
        part = of_orders(evidence, orders_of(ledger, phase))
        matched = match_commands(part)
        for check in CHECKS:
            finding = check(part, matched)
            counts[finding.name] = int(finding.count)
            troubles += finding.examples
    if len(acks) < LEAST_COMMANDS:
        troubles.append(f"only {len(acks)} commands were acknowledged: the cell proves nothing")
    if run.struck_at is None:
        troubles.append("the fault never struck")
    converged = converged_seconds([ack.command_id for ack in acks], commands, run.well_at)
    if not CONVERGED.holds(converged, timing):
        troubles.append("not everything was complete in both Regions in time")
    due = [arrival for arrival in ledger.arrivals if phase.holds(arrival.scheduled)]
    fresh = [
        sighting.seconds for sighting in sightings if phase.holds(sighting.acked_at) and sighting.seconds is not None
    ]
    return CellResult(
        fault=run.cell.fault.name,
        phase=run.cell.phase,
        region=run.cell.region,
        hypothesis=run.cell.fault.hypothesis,
        stop=run.cell.fault.stop,
        passed=not troubles and not any(counts.values()),
        counts=counts,
        converged_seconds=converged,
        acknowledged=len(acks),
        failed_share=_rounded(gate.error_rate(due)),
        first_try_failed_share=_rounded(gate.first_try_error_rate(due)),
        freshness_p99_seconds=_rounded(gate.percentile(fresh, 0.99)),
        seconds=round(ended - run.started, 1),
        troubles=tuple(troubles),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def converged_seconds(
    command_ids: Iterable[str], commands: Sequence[Mapping[str, Arrivals]], well_at: float | None
) -> float | None:
    """From when nothing was broken any more until each command was complete in every Region; ``None`` if one is not."""
    if well_at is None:
        return None
    last = well_at
    for command_id in command_ids:
        for seen in commands:
            arrivals = seen.get(command_id)
            if arrivals is None or arrivals.event_at is None or arrivals.effect_at is None:
                return None
            last = max(last, arrivals.event_at, arrivals.effect_at)
    return round(last - well_at, 2)


def orders_of(ledger: Ledger, phase: gate.Phase) -> set[str]:
    """Orders about which something was sent or answered in a phase."""
    found = {ack.order_id for ack in ledger.acks.values() if phase.holds(ack.at)}
    sent = (ledger.order_of(command) for command in ledger.commands.values() if phase.holds(command.at))
    return found | {order_id for order_id in sent if order_id is not None}


def of_orders(evidence: Evidence, order_ids: set[str]) -> Evidence:
    """The evidence about some orders alone; sums over all orders are left out."""
    ledger = Ledger(contradictions=[])
    for command_id, command in evidence.ledger.commands.items():
        if evidence.ledger.order_of(command) in order_ids:
            ledger.commands[command_id] = command
            if command_id in evidence.ledger.acks:
                ledger.acks[command_id] = evidence.ledger.acks[command_id]
    replicas = [
        Replica(
            replica.region,
            {key: item for key, item in replica.log.items() if str(item.get("order_id")) in order_ids},
            {order_id: row for order_id, row in replica.rows.items() if order_id in order_ids},
        )
        for replica in evidence.replicas
    ]
    return replace(evidence, ledger=ledger, replicas=replicas, sales={}, changed_effect_writes=0)
