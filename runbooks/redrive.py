"""`relevo redrive`: messages of a dead-letter queue back into their queue, in order, never past one that still fails.

Only the Region's own queues and log are called.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from runbooks.asking import one_line_errors, one_region, one_status
from runbooks.dead_letters import Redrive, depth
from runbooks.target import Target, current_target
from shared.topology import dead_letter_queue_name, queue_name


def redrive(
    region: Annotated[str, typer.Argument(help="The Region whose queue it is.", callback=one_region)],
    status: Annotated[str, typer.Argument(help="The status whose messages were dead-lettered.", callback=one_status)],
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for a message's effect before its group is stopped.", min=1, max=600)
    ] = 30.0,
    yes: Annotated[bool, typer.Option("--yes", help="Act; without it the plan is only printed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Send dead-lettered messages back into their queue, in order, never past one that still fails."""
    target = current_target()
    with one_line_errors():
        report = _redrive(target, region, status, wait=wait, yes=yes, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    if report["stopped"]:
        raise typer.Exit(1)


def _redrive(target: Target, region: str, status: str, *, wait: float, yes: bool, quiet: bool) -> dict[str, Any]:
    console = Console(stderr=quiet, highlight=False, markup=False, soft_wrap=True)
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
