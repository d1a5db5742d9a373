"""`relevo status`: the first look. Of each Region: does it serve, is it drained, what waits, what alarms.

Reads only. A Region that does not answer costs seconds, and what nobody can tell is "?", never zero.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import typer
from rich.console import Console
from rich.table import Table

from runbooks.alarm_states import alarm_states
from runbooks.asking import AsJson, NoAnswer, ask, one_line_errors
from runbooks.takeover import Waiting, look
from runbooks.target import Target, current_target
from shared.adapters.dead_letter_queues import DeadLetterQueues
from shared.adapters.order_log import OrderLog
from shared.adapters.peer import peer_serves
from shared.alarms import ALARM_NAMES, PREFIX
from shared.domain.instants import to_text
from shared.topology import TOPOLOGY

Cell = Callable[[str, "dict[str, Look | NoAnswer]"], str]


@dataclass(frozen=True, slots=True)
class Look:
    """What one Region's own tables, queues and alarms say. Ages are seconds."""

    draining: str  # by its replica of the register
    heartbeat_age_seconds: dict[str, float | None]  # of each Region, in this replica of the log
    own: Waiting
    peer: Waiting
    parked: Waiting
    dead_letters: dict[str, int]
    alarms: tuple[str, ...] | None  # those that are on; None where none are deployed, as in the lab


def look_at(target: Target, region: str) -> Look:
    """Read one Region from itself."""
    brief, work = target.brief(), look(target, region)
    return Look(
        draining=work.register.draining,
        heartbeat_age_seconds={name: _beat_age(brief.order_log(region), name) for name in TOPOLOGY.region_names},
        own=work.own,
        peer=work.peer,
        parked=work.parked,
        dead_letters={queue: it for queue, it in _depths(brief, region).items() if it},
        alarms=_alarms_on(brief, region),
    )


def status(as_json: AsJson = False) -> None:
    """Show both Regions: serving, drained, heartbeats, pending work, dead letters, alarms. Nothing is written."""
    target = current_target()
    with one_line_errors():
        looks = ask(TOPOLOGY.region_names, lambda region: look_at(target, region))
        serves = ask(
            TOPOLOGY.region_names, lambda name: peer_serves(target.api_url(name), TOPOLOGY.region_api_name(name))
        )
    if as_json:
        regions = {
            name: {"serves": serves[name], **({"no_answer": it.reason} if isinstance(it, NoAnswer) else asdict(it))}
            for name, it in looks.items()
        }
        typer.echo(json.dumps({"target": target.name, "as_of": to_text(datetime.now(UTC)), "regions": regions}))
    else:
        _show(target, looks, serves)
    if not any(answer is True for answer in serves.values()):
        raise typer.Exit(1)


def _beat_age(log: OrderLog, region: str) -> float | None:
    """Age of a Region's oldest heartbeat in any key: up to then all of its writes are here."""
    beats = log.beats(region=region, numbers=range(TOPOLOGY.heartbeat_keys))
    if not beats:
        return None
    return round(max((datetime.now(UTC) - min(beat.beat_at for beat in beats)).total_seconds(), 0.0), 1)


def _depths(target: Target, region: str) -> dict[str, int]:
    return DeadLetterQueues(target.client("sqs", region)).depths()


def _alarms_on(target: Target, region: str) -> tuple[str, ...] | None:
    found = {name: is_on for name, is_on in alarm_states(target, region).items() if name in ALARM_NAMES}
    if not found:
        return None
    return tuple(sorted(name.removeprefix(f"{PREFIX}-") for name, is_on in found.items() if is_on))


def _show(target: Target, looks: dict[str, Look | NoAnswer], serves: dict[str, bool | NoAnswer]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for region in TOPOLOGY.region_names:
        table.add_column(region)
    answers = [it for it in looks.values() if isinstance(it, Look)]
    table.add_row("serves", *("yes" if serves[name] is True else "[red]no[/red]" for name in looks))
    table.add_row("drained", *(_drained(name, answers) for name in looks))
    for title, cell in ROWS:
        table.add_row(title, *(cell(name, looks) for name in looks))
    console.print(table)
    for region, seen in looks.items():
        if isinstance(seen, NoAnswer):
            console.print(f"{region} does not answer: {seen.reason}", markup=False)
    inside = "; inside the lab: `relevo fault status`" if target.name == "lab" else ""
    console.print(f"{target.name}; who took over what: `relevo takeover status`{inside}", markup=False)


def _beat(region: str, replica: Look | NoAnswer) -> str:
    if isinstance(replica, NoAnswer):
        return "?"
    seconds = replica.heartbeat_age_seconds[region]
    return "never" if seconds is None else f"{seconds:.1f} s ago"


def _own(tell: Callable[[Look], str]) -> Cell:
    """A cell that only the Region itself can fill."""

    def cell(region: str, looks: dict[str, Look | NoAnswer]) -> str:
        seen = looks[region]
        return "?" if isinstance(seen, NoAnswer) else tell(seen)

    return cell


def _work(some: Waiting) -> str:
    oldest = "" if some.oldest_seconds is None else f", oldest {some.oldest_seconds:g} s"
    return f"{some.count}{'' if some.is_all else ' or more'}{oldest}"


ROWS: Final[tuple[tuple[str, Cell], ...]] = (
    ("its heartbeat, here", lambda region, looks: _beat(region, looks[region])),
    ("its heartbeat, at the peer", lambda region, looks: _beat(region, looks[TOPOLOGY.peer_of(region)])),
    ("own work pending", _own(lambda seen: _work(seen.own))),
    ("the peer's work pending", _own(lambda seen: _work(seen.peer))),
    ("parked", _own(lambda seen: _work(seen.parked))),
    ("dead letters", _own(lambda seen: ", ".join(f"{it} {status}" for status, it in seen.dead_letters.items()) or "0")),
    ("alarms", _own(lambda seen: "not deployed" if seen.alarms is None else "\n".join(seen.alarms) or "none")),
)


def _drained(region: str, answers: list[Look]) -> str:
    """What the replicas of the register say; they differ while a change is on its way."""
    said = {it.draining == region for it in answers}
    if said == {True, False}:
        return "on its way"
    return {frozenset({True}): "yes", frozenset({False}): "no"}.get(frozenset(said), "?")
