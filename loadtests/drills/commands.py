"""`relevo drill`: rehearse growth and the loss of a Region against the local lab, and judge every promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtests import forecast
from loadtests.drills.conductor import Conductor
from loadtests.drills.evacuation import EvacuationConductor, evacuation_plan
from loadtests.drills.fail_open import FailOpenConductor, fail_open_plan
from loadtests.drills.growth import growth_plan
from loadtests.drills.lab_access import LabError
from loadtests.drills.plan import DrillPlan, Mode
from loadtests.drills.region_loss import LossConductor, region_loss_plan
from loadtests.drills.run import run_drill
from loadtests.drills.verdict import Verdict
from loadtests.simulation import commands as simulation
from shared.topology import TOPOLOGY

drill = typer.Typer(
    help="Rehearse growth and failure in the lab; exit 0 only if every promise held.", no_args_is_help=True
)

Quick = Annotated[bool, typer.Option("--quick", help="Short clock: 1 s checks, 2 s TTL, waits at a tenth.")]
RegionName = Annotated[str, typer.Option("--region", help="The Region that is lost or evacuated.")]
HowLost = Annotated[Mode, typer.Option("--mode", help="How it is lost.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for verdict, report and ledger (default: out/drill).")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the verdict as JSON, and nothing else, on standard output.")
]
Locations = Annotated[str, typer.Option("--locations", help="'half', or the Region that all clients are near to.")]


@drill.command("growth")
def growth(  # Typer's options
    quick: Quick = False, region: RegionName = "us-east-1", mode: HowLost = "freeze", out: Out = None,
    as_json: AsJson = False, locations: Locations = "half",
) -> None:  # fmt: skip  # Typer's options
    """Ramp 1x -> 5x -> 10x over both Regions, lose one at 10x, bring it back, judge."""
    _run(growth_plan("quick" if quick else "real", _known(region), mode), LossConductor, out, as_json, locations)


@drill.command("region-loss")
def region_loss(  # Typer's options
    quick: Quick = False, region: RegionName = "us-east-1", mode: HowLost = "freeze", out: Out = None,
    as_json: AsJson = False, locations: Locations = "half",
) -> None:  # fmt: skip  # Typer's options
    """Lose a Region under steady load, bring it back, judge."""
    _run(region_loss_plan("quick" if quick else "real", _known(region), mode), LossConductor, out, as_json, locations)


@drill.command("evacuation")
def evacuation(
    quick: Quick = False, region: RegionName = "us-east-1", out: Out = None, as_json: AsJson = False,
    locations: Locations = "half",
) -> None:  # fmt: skip  # Typer's options
    """Evacuate a healthy Region at full load, readmit it, judge."""
    plan = evacuation_plan("quick" if quick else "real", _known(region))
    _run(plan, EvacuationConductor, out, as_json, locations)


@drill.command("fail-open")
def fail_open(
    quick: Quick = False, out: Out = None, as_json: AsJson = False, locations: Locations = "half",
) -> None:  # fmt: skip  # Typer's options
    """Turn every health check red while both Regions work, heal, judge."""
    _run(fail_open_plan("quick" if quick else "real"), FailOpenConductor, out, as_json, locations)


def _known(region: str) -> str:
    if region not in TOPOLOGY.region_names:
        raise typer.BadParameter(f"expected one of {', '.join(TOPOLOGY.region_names)}", param_hint="--region")
    return region


def _run(plan: DrillPlan, conductor: type[Conductor], out: Path | None, as_json: bool, locations: str) -> None:
    console = Console(stderr=as_json, highlight=False)
    if locations not in ("half", *TOPOLOGY.region_names):
        raise typer.BadParameter("expected 'half' or a Region", param_hint="--locations")
    try:
        verdict = run_drill(plan, conductor, out, console, locations)
    except LabError as error:
        typer.echo(f"relevo: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(verdict.document, ensure_ascii=False))
    _show(console, plan, verdict)
    raise typer.Exit(0 if verdict.passed else 1)


def _show(console: Console, plan: DrillPlan, verdict: Verdict) -> None:
    table = Table(title=f"{plan.name}, {plan.timing} timing, {plan.happening}")
    for heading in ("promise", "objective", "achieved", "unit", ""):
        table.add_column(heading, justify="right" if heading in ("objective", "achieved") else "left")
    for promise in verdict.promises:
        achieved = "not measured" if promise.achieved is None else f"{promise.achieved:g}"
        sign = "[green]held[/green]" if promise.passed else "[bold red]BROKEN[/bold red]"
        table.add_row(promise.name, f"{promise.objective:g}", achieved, promise.unit, sign)
    console.print(table)
    for finding in verdict.findings:
        for example in finding.examples:
            console.print(f"  [red]{finding.name}[/red]: {escape(example)}", soft_wrap=True)
    outcome = "[bold green]HELD[/bold green]" if verdict.passed else "[bold red]BROKEN[/bold red]"
    console.print(f"{outcome}  {verdict.folder / 'report.html'}  {verdict.folder / 'verdict.json'}", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the drills, the forecasts of what they rehearse, and the simulator to the `relevo` command."""
    app.add_typer(drill, name="drill")
    forecast.register(app)
    simulation.register(app)
