"""`relevo up`, `down` and `fault`: they find the lab by its folder and speak to its control API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from loadtests.lab import loopback
from loadtests.lab.faults import KINDS
from loadtests.lab.introduction import introduce
from loadtests.lab.lab_state import read_running
from loadtests.lab.layout import ROOT, Layout, LayoutError
from loadtests.lab.preflight import StartError
from loadtests.lab.processes import ProcessBook, born_of, end_all, is_alive
from loadtests.lab.supervisor import Supervisor, sweep
from shared.consistency import ConsistencyError, check_consistency
from shared.topology import TOPOLOGY, Consistency

FAULT_SECONDS: Final = 30.0
SUPERVISOR_PATIENCE_SECONDS: Final = 15.0

console = Console(highlight=False, soft_wrap=True)

RegionName = Annotated[str, typer.Argument(help=f"One of {', '.join(TOPOLOGY.region_names)}.")]


def up(
    quick: Annotated[bool, typer.Option("--quick", help="Short clock: 1 s checks, 2 s TTL, waits at a tenth.")] = False,
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
        _fail(str(error))
    if detach:
        _start_detached(layout, app.absolute(), quick=quick, consistency=consistency)
        _introduce(layout)
        return
    try:
        supervisor = Supervisor(layout, app.absolute(), quick=quick, consistency=consistency, say=console.print)
        supervisor.run(lambda: _introduce(layout))
    except StartError as error:
        _fail(str(error))
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
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print the status as JSON, and nothing else.")] = False,
) -> None:
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
    region: RegionName,
    mode: Annotated[str, typer.Option(help="freeze (answers nobody), crash (workers die), api, health.")] = "freeze",
) -> None:  # fmt: skip
    """Lose a Region."""
    _inject({"kind": "region-loss", "region": region, "mode": mode})


@faults.command("partition")
def partition() -> None:
    """Cut replication between the Regions, in both directions."""
    _inject({"kind": "partition"})


@faults.command("lag")
def lag(seconds: Annotated[float, typer.Argument(help="What replication takes at least.", min=0)]) -> None:
    """Delay replication."""
    _inject({"kind": "lag", "seconds": seconds})


@faults.command("service")
def service(
    region: RegionName,
    service: Annotated[str, typer.Argument(help="dynamodb, events, secretsmanager, sns, sqs; * is all.")],
    error: Annotated[str | None, typer.Option(help="What they fail with: ThrottlingException, ...")] = None,
    latency: Annotated[float | None, typer.Option(help="Milliseconds that calls take more.")] = None,
    rate: Annotated[float, typer.Option(help="Share of the calls, above 0 and up to 1.")] = 1.0,
) -> None:  # fmt: skip
    """Make calls of a Region's functions to an AWS service fail or slow."""
    body: dict[str, object] = {"kind": "service", "region": region, "service": service, "rate": rate}
    _inject(body | ({} if error is None else {"error": error}) | ({} if latency is None else {"latency_ms": latency}))


@faults.command("slow")
def slow(
    region: RegionName,
    function: Annotated[str, typer.Argument(help="api, authorizer, health, relay, sentinel, processor-created, ...")],
    ms: Annotated[float, typer.Option(help="Milliseconds that an invocation takes more.")] = 1000.0,
) -> None:
    """Make a function slow."""
    _inject({"kind": "slow", "region": region, "function": function, "ms": ms})


@faults.command("poison")
def poison(
    region: RegionName,
    status: Annotated[str, typer.Option(help="Whose queue gets it.")] = "created",
) -> None:
    """Put a message that nobody can read into a queue; it ends as a dead letter."""
    _inject({"kind": "poison", "region": region, "status": status})


@faults.command("flapping")
def flapping(
    region: RegionName,
    seconds: Annotated[float, typer.Option(help="How long it is away, and how long there.", min=0.1)] = 3.0,
) -> None:
    """Let a Region's health come and go, as its health checks see it."""
    _inject({"kind": "flapping", "region": region, "seconds": seconds})


@faults.command("heal")
def heal(
    what: Annotated[str, typer.Argument(help=f"all, {', '.join(KINDS)}.")] = "all",
) -> None:
    """End faults; a lost Region comes back."""
    console.print(_ask(_layout(), "/heal", {"what": what})["what"])


def register(app: typer.Typer) -> None:
    """Add the lab's commands to the `relevo` command."""
    app.command()(up)
    app.command()(down)
    app.add_typer(faults, name="fault")


def _fail(text: str) -> NoReturn:
    typer.echo(f"relevo: {text}", err=True)
    raise typer.Exit(1)


def _layout() -> Layout:
    try:
        return Layout.from_environment()
    except LayoutError as error:
        _fail(str(error))


def _inject(fault: dict[str, Any]) -> None:
    console.print(_ask(_layout(), "/fault", fault)["what"])
    console.print("undo: relevo fault heal")


def _ask(layout: Layout, path: str, body: object = None) -> Any:
    if read_running(layout) is None:
        _fail("no lab is running here; start one with `relevo up`")
    try:
        return loopback.call(layout.control + path, body, timeout_seconds=FAULT_SECONDS)
    except loopback.RefusedError as error:
        _fail(str(error))
    except loopback.NoAnswerError:
        _fail("the lab's control API does not answer yet or any more; see `relevo up` or `relevo down`")


def _start_detached(layout: Layout, app: Path, *, quick: bool, consistency: Consistency) -> None:
    """Start the supervisor in a session of its own, show what it says until the lab is ready, and leave it."""
    running = read_running(layout)
    if running is not None:
        _fail("a lab is running already: see `relevo status`, or end it with `relevo down`")
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
                    _fail(text.removeprefix("relevo: "))
                console.print(text)
            if ended:
                _fail(f"the lab ended with {process.returncode}: see {log}")
            found = read_running(layout)
            if found is not None and found["pid"] == process.pid and found["ready"] and born == born_of(process.pid):
                return
            time.sleep(0.1)


def _introduce(layout: Layout) -> None:
    lab = read_running(layout)
    if lab is None:
        _fail("the lab ended again: see its log")
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
