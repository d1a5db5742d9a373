"""`relevo redrive`: messages of a dead-letter queue back into their queue, in order, never past one that still fails.

Only the Region's own queues and log are called.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from runbooks.asking import AsJson, RegionArgument, Yes, one_line_errors
from runbooks.dead_letters import Redrive, depth
from runbooks.target import Target, current_target
from runbooks.webhook_letters import send_back
from shared.adapters.dead_letter_queues import WEBHOOKS
from shared.topology import STATUSES, TOPOLOGY, dead_letter_queue_name, queue_name

QUEUES = (*STATUSES, WEBHOOKS)


def one_queue(value: str) -> str:
    """A status whose messages, or the webhooks' whose calls, may be dead letters; for Typer's ``callback``."""
    if value not in QUEUES:
        raise typer.BadParameter(f"expected one of {', '.join(QUEUES)}")
    return value


def redrive(
    region: RegionArgument,
    status: Annotated[
        str, typer.Argument(help=f"The status whose messages were dead-lettered, or {WEBHOOKS}.", callback=one_queue)
    ],
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for a message's effect before its group is stopped.", min=1, max=600)
    ] = 30.0,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send dead-lettered messages back into their queue, in order, never past one that still fails."""
    target = current_target()
    with one_line_errors():
        console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
        if status == WEBHOOKS:
            report = _redrive_webhooks(target, region, yes=yes, console=console)
        else:
            report = _redrive(target, region, status, wait=wait, yes=yes, console=console)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    if report["stopped"]:
        raise typer.Exit(1)


def _redrive_webhooks(target: Target, region: str, *, yes: bool, console: Console) -> dict[str, Any]:
    sqs = target.client("sqs", region)
    names = {"from": TOPOLOGY.webhook_dead_letter_queue, "to": TOPOLOGY.webhook_queue}
    dead_letters, queue = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names.values())
    waiting = depth(sqs, dead_letters)
    console.print(
        f"{target.name}: plan: about {waiting} calls of {names['from']} to {names['to']} in {region}; "
        "each gets all its tries anew, if its client still listens"
    )
    console.print("undo: none needed: receivers know a call that comes twice by its event id")
    acts = yes and waiting > 0
    redriven = send_back(sqs, dead_letters=dead_letters, queue=queue, at_most=waiting) if acts else 0
    if acts:
        console.print(f"{redriven} redriven")
    else:
        console.print("nothing done; add --yes to act" if waiting else "nothing to do")
    report = {"region": region, "status": WEBHOOKS, **names, "found": waiting, "acted": yes}
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
