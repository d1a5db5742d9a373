"""`relevo up`, `down` and `fault`: they find the lab by its folder and speak to its control API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from loadtests.lab import loopback
from loadtests.lab.faults.injection import KINDS
from loadtests.lab.faults.lost_regions import LossMode
from loadtests.lab.introduction import introduce
from loadtests.lab.lab_state import read_running
from loadtests.lab.layout import ROOT, Layout, LayoutError
from loadtests.lab.preflight import StartError
from loadtests.lab.processes import ProcessBook, born_of, end_all, is_alive
from loadtests.lab.supervisor import Supervisor, sweep
from runbooks.asking import AsJson, RegionArgument, refuse
from shared.consistency import ConsistencyError, check_consistency
from shared.topology import TOPOLOGY, Consistency

FAULT_SECONDS: Final = 30.0
SUPERVISOR_PATIENCE_SECONDS: Final = 15.0

console = Console(highlight=False, soft_wrap=True)

Quick = Annotated[bool, typer.Option("--quick", help="Short clock: 1 s checks, 2 s TTL, waits at a tenth.")]


def up(
    quick: Quick = False,
    consistency: Annotated[
        Consistency, typer.Option("--consistency", help="Of the global tables; strong: both Regions on one store.")
    ] = TOPOLOGY.consistency,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready; `relevo down` ends it.")] = False,
    app: Annotated[Path, typer.Option("--app", help="The synthesized app.")] = ROOT / "cdk.out",
) -> None:  # fmt: skip
    """Start the lab: both Regions, replication, DNS and the edge, on this machine."""
    layout = _layout()
    try:
        check_consistency(replace(TOPOLOGY, consistency=consistency))
    except ConsistencyError as error:
        refuse(str(error))
    if detach:
        _start_detached(layout, app.absolute(), quick=quick, consistency=consistency)
        _introduce(layout)
        return
    try:
        supervisor = Supervisor(layout, app.absolute(), quick=quick, consistency=consistency, say=console.print)
        supervisor.run(lambda: _introduce(layout))
    except StartError as error:
        refuse(str(error))
    console.print("the lab is down")


def down() -> None:
    """End the lab and every process of it, also after a crash."""
    layout = _layout()
    book = ProcessBook.read(layout.process_file)
    if book is None:
        console.print("no lab is running here")
        return
    if book.supervisor is not None and is_alive(book.supervisor):
        end_all([book.supervisor], book.lab, patience_seconds=SUPERVISOR_PATIENCE_SECONDS, say=console.print)
    sweep(layout, console.print)  # what a killed supervisor could not end
    console.print("the lab is down")


faults = typer.Typer(help="Inject a fault into the lab, heal it, or see what it did.", no_args_is_help=True)


@faults.command("status")
def status(as_json: AsJson = False) -> None:
    """Show the lab from inside: each Region's state, health as DNS sees it, the replication link, DNS, processes."""
    layout = _layout()
    found = _ask(layout, "/status")
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Region", "state", "healthy", "drained", "heartbeat", "lag", "pending", "dead letters"):
        table.add_column(heading, no_wrap=True)
    for region, seen in found["regions"].items():
        depths = seen["dlq_depth"]
        table.add_row(
            region,
            seen["state"],
            _shown(seen["healthy"]),
            _shown(seen["drained"]),
            *(_seconds(seen[f"{what}_seconds"]) for what in ("heartbeat_age", "replication_lag", "oldest_pending")),
            "?" if depths is None else " ".join(f"{name}:{depth}" for name, depth in depths.items() if depth) or "0",
        )
    console.print(table)
    link = found["link"]
    if found["consistency"] == "strong":
        console.print("replication: none, both Regions are on one synchronous store")
    elif link is None:
        console.print("[red]the replication link does not answer[/red]")
    else:
        cut = "cut" if link["partitioned"] else "not cut"
        console.print(f"replication: {cut}, added lag {link['lag_seconds']:g} s, {link['queued']} writes on their way")
    leads = [f"{place} -> {', '.join(regions) or 'nobody'}" for place, regions in found["dns"]["answers"].items()]
    console.print(f"DNS: {'; '.join(leads) or 'does not answer'}")
    for process in found["processes"]:
        if not process["alive"]:
            log = layout.log_folder / f"{process['name']}.log"
            console.print(f"[red]{process['name']} (pid {process['pid']}) is dead[/red]: see {log}")


@faults.command("region-loss")
def region_loss(
    region: RegionArgument,
    mode: Annotated[LossMode, typer.Option(help="It answers nobody, its workers die, or parts are off.")] = "freeze",
    as_json: AsJson = False,
) -> None:
    """Lose a Region."""
    _inject({"kind": "region-loss", "region": region, "mode": mode}, as_json)


@faults.command("partition")
def partition(as_json: AsJson = False) -> None:
    """Cut replication between the Regions, in both directions."""
    _inject({"kind": "partition"}, as_json)


@faults.command("lag")
def lag(
    seconds: Annotated[float, typer.Argument(help="What replication takes at least.", min=0)], as_json: AsJson = False
) -> None:
    """Delay replication."""
    _inject({"kind": "lag", "seconds": seconds}, as_json)


@faults.command("winner")
def winner(
    region: RegionArgument,
    seconds: Annotated[float, typer.Argument(help="How far its clock is ahead of the other's.", min=0)],
    as_json: AsJson = False,
) -> None:
    """Let a Region win the items that both write at once: replication goes by clocks."""
    _inject({"kind": "winner", "region": region, "ahead_seconds": seconds}, as_json)


@faults.command("service")
def service(
    region: RegionArgument,
    service: Annotated[str, typer.Argument(help="dynamodb, events, secretsmanager, sns, sqs; * is all.")],
    error: Annotated[str | None, typer.Option(help="What they fail with: ThrottlingException, ...")] = None,
    latency_ms: Annotated[float | None, typer.Option(help="Milliseconds that calls take more.")] = None,
    rate: Annotated[float, typer.Option(help="Share of the calls, above 0 and up to 1.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Make calls of a Region's functions to an AWS service fail or slow."""
    body: dict[str, object] = {"kind": "service", "region": region, "service": service, "rate": rate}
    given = {"error": error, "latency_ms": latency_ms}
    _inject(body | {name: value for name, value in given.items() if value is not None}, as_json)


@faults.command("slow")
def slow(
    region: RegionArgument,
    function: Annotated[str, typer.Argument(help="api, authorizer, health, relay, sentinel, processor-created, ...")],
    ms: Annotated[float, typer.Option(help="Milliseconds that an invocation takes more.")] = 1000.0,
    as_json: AsJson = False,
) -> None:
    """Make a function slow."""
    _inject({"kind": "slow", "region": region, "function": function, "ms": ms}, as_json)


@faults.command("poison")
def poison(
    region: RegionArgument,
    status: Annotated[str, typer.Option(help="Whose queue gets it.")] = "created",
    as_json: AsJson = False,
) -> None:
    """Put a message that nobody can read into a queue; it ends as a dead letter."""
    _inject({"kind": "poison", "region": region, "status": status}, as_json)


@faults.command("flapping")
def flapping(
    region: RegionArgument,
    seconds: Annotated[float, typer.Option(help="How long it is away, and how long there.", min=0.1)] = 3.0,
    as_json: AsJson = False,
) -> None:
    """Let a Region's health come and go, as its health checks see it."""
    _inject({"kind": "flapping", "region": region, "seconds": seconds}, as_json)


@faults.command("heal")
def heal(
    what: Annotated[str, typer.Argument(help=f"all, {', '.join(KINDS)}.")] = "all",
    as_json: AsJson = False,
) -> None:
    """End faults; a lost Region comes back."""
    _tell(_ask(_layout(), "/heal", {"what": what}), as_json)


def _layout() -> Layout:
    try:
        return Layout.from_environment()
    except LayoutError as error:
        refuse(str(error))


def _inject(fault: dict[str, Any], as_json: bool) -> None:
    _tell({**_ask(_layout(), "/fault", fault), "undo": "relevo fault heal"}, as_json)


def _tell(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(done))
        return
    console.print(done["what"])
    if "undo" in done:
        console.print(f"undo: {done['undo']}")


def _ask(layout: Layout, path: str, body: object = None) -> Any:
    if read_running(layout) is None:
        refuse("no lab is running here; start one with `relevo up`")
    try:
        return loopback.call(layout.control + path, body, timeout_seconds=FAULT_SECONDS)
    except loopback.RefusedError as error:
        refuse(str(error))
    except loopback.NoAnswerError:
        refuse("the lab's control API does not answer yet or any more; see `relevo up` or `relevo down`")


def _start_detached(layout: Layout, app: Path, *, quick: bool, consistency: Consistency) -> None:
    """Start the supervisor in a session of its own, show what it says until the lab is ready, and leave it."""
    running = read_running(layout)
    if running is not None:
        refuse("a lab is running already: see `relevo status`, or end it with `relevo down`")
    layout.folder.mkdir(parents=True, exist_ok=True)
    log = layout.folder / "supervisor.log"
    command = [sys.executable, "-m", "loadtests.lab.supervisor", "--app", str(app), "--consistency", consistency]
    command += ["--quick"] if quick else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    born = born_of(process.pid)
    with log.open() as said:
        while True:
            ended = process.poll() is not None
            for line in said:
                text = line.rstrip()
                if ended and text.startswith("relevo: "):
                    refuse(text.removeprefix("relevo: "))
                console.print(text)
            if ended:
                refuse(f"the lab ended with {process.returncode}: see {log}")
            found = read_running(layout)
            if found is not None and found["pid"] == process.pid and found["ready"] and born == born_of(process.pid):
                return
            time.sleep(0.1)


def _introduce(layout: Layout) -> None:
    lab = read_running(layout)
    if lab is None:
        refuse("the lab ended again: see its log")
    introduce(lab, console)


def _shown(value: object) -> str:
    match value:
        case None:
            return "?"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f} s"
