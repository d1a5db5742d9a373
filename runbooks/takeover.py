"""`relevo takeover status`: what each sentinel sees of its peer, and what work is pending, parked or taken over.

Reads each Region from itself; one that does not answer is told of by the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from runbooks.asking import AsJson, NoAnswer, ask, one_line_errors
from runbooks.target import Target, current_target
from shared.adapters import items
from shared.adapters.order_rows import pending_key
from shared.domain.instants import from_text, to_text
from shared.domain.takeover import NOBODY, Guard, Register, peer_is_lost
from shared.topology import PENDING_INDEX, TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

app = typer.Typer(help="Work that one Region does for the other.", no_args_is_help=True)

# Counting goes no further: so much pending work is an incident, whatever the exact number.
MOST_COUNTED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """Pieces of work that wait for the same, and how long the oldest one has been seen."""

    count: int = 0
    oldest_seconds: float | None = None
    taken_over: int = 0  # of these, the peer's that are done here
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What one Region says."""

    register: Register
    guard: Guard | None
    own: Waiting
    peer: Waiting
    parked: Waiting


def waiting(client: DynamoDBClient, whose: str, now: datetime) -> Waiting:
    """Count what the sparse index of pending work holds of somebody's, under all of its keys."""
    count = taken_over = 0
    oldest: datetime | None = None
    for plain in _pending(client, whose):
        count += 1
        taken_over += "taken_over_at" in plain
        seen_at = plain.get("effect_seen_at") or plain.get("seen_at")
        if seen_at:
            oldest = min(oldest or from_text(seen_at), from_text(seen_at))
        if count >= MOST_COUNTED:
            break
    age = round(max((now - oldest).total_seconds(), 0.0), 1) if oldest else None
    return Waiting(count, age, taken_over, count < MOST_COUNTED)


def _pending(client: DynamoDBClient, whose: str) -> Iterator[items.Plain]:
    for number in range(TOPOLOGY.pending_keys):
        pages = client.get_paginator("query").paginate(
            TableName=TOPOLOGY.order_view_table,
            IndexName=PENDING_INDEX,
            KeyConditionExpression="pending_key = :key",
            ProjectionExpression="seen_at, effect_seen_at, taken_over_at",
            ExpressionAttributeValues=items.to_wire({":key": pending_key(whose, number)}),
        )
        for page in pages:
            yield from map(items.from_wire, page["Items"])


def look(target: Target, region: str) -> Seen:
    """Read one Region's register, guard and pending work from its own tables."""
    brief, now = target.brief(), datetime.now(UTC)
    client = brief.dynamodb(region)
    return Seen(
        register=brief.control(region).register(),
        guard=brief.order_queries(region).guard(),
        own=waiting(client, region, now),
        peer=waiting(client, TOPOLOGY.peer_of(region), now),
        parked=waiting(client, f"{region}#parked", now),
    )


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show register, sentinel and pending work of each Region. Nothing is written."""
    target = current_target()
    with one_line_errors():
        answers = ask(TOPOLOGY.region_names, lambda region: look(target, region))
    now = datetime.now(UTC)
    report = {region: _report(region, seen, target, now) for region, seen in answers.items()}
    if as_json:
        typer.echo(json.dumps({"as_of": to_text(now), "regions": report}, indent=2))
    else:
        for region, found in report.items():
            for line in _lines(region, found):
                typer.echo(line)
    if all(isinstance(seen, NoAnswer) for seen in answers.values()):
        raise typer.Exit(1)


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round(max((now - moment).total_seconds(), 0.0), 1)


def _report(region: str, seen: Seen | NoAnswer, target: Target, now: datetime) -> dict[str, Any]:  # printed as JSON
    if isinstance(seen, NoAnswer):
        return {"no_answer": seen.reason}
    guard = seen.guard
    sentinel: dict[str, Any] | None = None
    if guard is not None:
        looks = now - guard.looked_at
        sentinel = {
            "looked_seconds_ago": _age(guard.looked_at, now),
            "looks_on_time": looks <= 4 * target.timing.look,
            "peer": TOPOLOGY.peer_of(region),
            "peer_is_lost": peer_is_lost(guard),
            "gone_looks": guard.gone_looks,
            "peer_served_seconds_ago": _age(guard.peer_serving_at, now),
            "peer_beat_seen_seconds_ago": _age(guard.peer_beat_seen_at, now) if guard.peer_beat else None,
        }
    register = seen.register
    return {
        "register": {
            "draining": register.draining,
            "by": register.by,
            "reason": register.reason,
            "since": to_text(register.since) if register.since else None,
        },
        "sentinel": sentinel,
        "pending": {"own": asdict(seen.own), "peer": asdict(seen.peer), "parked": asdict(seen.parked)},
    }


def _lines(region: str, found: dict[str, Any]) -> Iterator[str]:
    if "no_answer" in found:
        yield f"{region}: no answer: {found['no_answer']}"
        return
    register, sentinel, pending = found["register"], found["sentinel"], found["pending"]
    if register["draining"] == NOBODY:
        yield f"{region}: register: no Region is drained"
    else:
        yield (
            f"{region}: register: {register['draining']} is drained since {register['since']} by {register['by']}: "
            f"{register['reason']}"
        )
    if sentinel is None:
        yield "  sentinel: has not looked yet"
    else:
        late = "" if sentinel["looks_on_time"] else " (LATE: is the sentinel running?)"
        state = "LOST" if sentinel["peer_is_lost"] else "there"
        yield (
            f"  sentinel: looked {sentinel['looked_seconds_ago']} s ago{late}; {sentinel['peer']} is {state}: served "
            f"{_ago(sentinel['peer_served_seconds_ago'])}, beat {_ago(sentinel['peer_beat_seen_seconds_ago'])}, "
            f"{sentinel['gone_looks']} looks in a row found it gone"
        )
    for name, told in (("own", "own work"), ("peer", "the peer's work"), ("parked", "parked")):
        some = pending[name]
        more = "" if some["is_all"] else " or more"
        oldest = "" if some["oldest_seconds"] is None else f", oldest {some['oldest_seconds']} s"
        taken = f", {some['taken_over']} taken over from the peer" if some["taken_over"] else ""
        yield f"  {told}: {some['count']}{more} pending{oldest}{taken}"


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds} s ago"
