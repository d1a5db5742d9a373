"""`relevo redrive`: dead letters back to where they failed, a status's in order and never past one that still fails.

Only the Region's own queues, log and importer are called.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress

from runbooks.asking import AsJson, RegionArgument, Yes, one_line_errors, refuse
from runbooks.dead_letters import Redrive, depth
from runbooks.target import Target, current_target
from runbooks.unordered_letters import Send, UnreadableLetterError, send_back, to_importer, to_queue
from shared.topology import (
    IMPORTS,
    STATUSES,
    TOPOLOGY,
    WEBHOOKS,
    dead_letter_queue_name,
    live_function,
    queue_name,
)

QUEUES = (*STATUSES, WEBHOOKS, IMPORTS)


@dataclass(frozen=True)
class Unordered:
    """Dead letters that go back one by one, in any order."""

    what: str  # as the plan names them
    to: str
    how: str
    undo: str
    sender: Callable[[Target, str], Send]


UNORDERED: Final = {
    WEBHOOKS: Unordered(
        what="calls",
        to=TOPOLOGY.webhook_queue,
        how="each gets all its tries anew, if its client still listens",
        undo="receivers know a call that comes twice by its event id",
        sender=lambda target, region: to_queue(target.client("sqs", region), TOPOLOGY.webhook_queue),
    ),
    IMPORTS: Unordered(
        what="files",
        to=live_function("importer"),
        how="each goes on where it was given up, one after the other; one that is given up again comes back",
        undo="a file that is imported twice changes nothing",
        sender=lambda target, region: to_importer(target.client("lambda", region)),
    ),
}


def one_queue(value: str) -> str:
    """A status whose messages, or what else, may be dead letters; for Typer's ``callback``."""
    if value not in QUEUES:
        raise typer.BadParameter(f"expected one of {', '.join(QUEUES)}")
    return value


def redrive(
    region: RegionArgument,
    status: Annotated[
        str,
        typer.Argument(
            help=f"The status whose messages were dead-lettered, or {WEBHOOKS} or {IMPORTS}.", callback=one_queue
        ),
    ],
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for a message's effect before its group is stopped.", min=1, max=600)
    ] = 30.0,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send dead-lettered messages back, those of a status in order, never past one that still fails."""
    target = current_target()
    with one_line_errors():
        console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
        if status in UNORDERED:
            report = _redrive_unordered(target, region, status, yes=yes, console=console)
        else:
            report = _redrive(target, region, status, wait=wait, yes=yes, console=console)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    if report["stopped"]:
        raise typer.Exit(1)


def _redrive_unordered(target: Target, region: str, kind: str, *, yes: bool, console: Console) -> dict[str, Any]:
    sqs, letters = target.client("sqs", region), UNORDERED[kind]
    names = {"from": TOPOLOGY.dead_letter_queues[kind], "to": letters.to}
    dead_letters = sqs.get_queue_url(QueueName=names["from"])["QueueUrl"]
    waiting = depth(sqs, dead_letters)
    console.print(
        f"{target.name}: plan: about {waiting} {letters.what} of {names['from']} to {names['to']} in {region}; "
        f"{letters.how}"
    )
    console.print(f"undo: none needed: {letters.undo}")
    acts, redriven = yes and waiting > 0, 0
    if acts:
        try:
            redriven = send_back(sqs, dead_letters=dead_letters, send=letters.sender(target, region), at_most=waiting)
        except UnreadableLetterError as error:
            refuse(f"{error}; look at it in {names['from']}, delete it, then run this again")
        console.print(f"{redriven} redriven")
    else:
        console.print("nothing done; add --yes to act" if waiting else "nothing to do")
    report = {"region": region, "status": kind, **names, "found": waiting, "acted": yes}
    return {**report, "redriven": redriven, "already_done": 0, "left": waiting - redriven, "stopped": {}}


def _redrive(target: Target, region: str, status: str, *, wait: float, yes: bool, console: Console) -> dict[str, Any]:
    sqs = target.client("sqs", region)
    names = {"from": dead_letter_queue_name(status), "to": queue_name(status)}
    dead_letters = sqs.get_queue_url(QueueName=names["from"])["QueueUrl"]
    waiting = depth(sqs, dead_letters)
    report: dict[str, Any] = {"region": region, "status": status, **names, "found": waiting, "acted": yes}
    console.print(
        f"{target.name}: plan: about {waiting} messages of {names['from']} to {names['to']} in {region}, in order; "
        f"the next one of an order only after the effect of the one before, for which {wait:.0f} s are waited"
    )
    console.print("undo: none needed: effects are keyed by event, what is sent twice changes nothing")
    if not yes or not waiting:
        console.print("nothing done; add --yes to act" if waiting else "nothing to do")
        return {**report, "redriven": 0, "already_done": 0, "left": waiting, "stopped": {}}
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("redriving", total=waiting)
        tally = Redrive(
            sqs=sqs,
            log=target.order_log(region),
            queue=sqs.get_queue_url(QueueName=names["to"])["QueueUrl"],
            dead_letters=dead_letters,
            wait=wait,
            tell=lambda done: progress.advance(bar, done),
        ).run()
    for group, reason in tally.stopped.items():
        console.print(f"stopped: order {group}: {reason}; {tally.left[group]} or more messages stay in {names['from']}")
    console.print(f"{tally.redriven} redriven, {tally.already_done} were done already and removed")
    if tally.stopped:
        console.print("next: find out why they fail (the processor's log names the order), then run this again")
    return {
        **report,
        "redriven": tally.redriven,
        "already_done": tally.already_done,
        "left": sum(tally.left.values()),
        "stopped": {group: {"reason": reason, "left": tally.left[group]} for group, reason in tally.stopped.items()},
    }
