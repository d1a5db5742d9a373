"""`relevo drill`: rehearse growth and the loss of a Region in the local lab or on AWS, and judge every promise."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtests.drills.aws import start as on_aws
from loadtests.drills.conductor import MakeConductor
from loadtests.drills.evacuation import EvacuationConductor, evacuation_plan
from loadtests.drills.fail_open import FailOpenConductor, fail_open_plan
from loadtests.drills.growth import growth_plan
from loadtests.drills.key_rotation import KeyRotationConductor, key_rotation_plan
from loadtests.drills.matrix.cells import PHASES, chosen_cells
from loadtests.drills.matrix.report import show_matrix
from loadtests.drills.matrix.run import read_matrix, run_matrix
from loadtests.drills.packages import packages_for
from loadtests.drills.plan import DrillPlan, Mode
from loadtests.drills.region_loss import LossConductor, region_loss_plan
from loadtests.drills.release import ReleaseConductor, release_plan
from loadtests.drills.run import run_drill
from loadtests.drills.target import DrillTarget, TargetError
from loadtests.drills.verdict import Verdict
from loadtests.lab.commands import Quick
from loadtests.last_drill import OUTPUT
from runbooks.acting import Act
from runbooks.asking import AsJson, Yes, one_region, reason_of, refuse
from shared.experiments import EXPERIMENT, Name
from shared.slo import Timing
from shared.topology import TOPOLOGY, Consistency

T = TypeVar("T")

drill = typer.Typer(help="Rehearse growth and failure; exit 0 only if every promise held.", no_args_is_help=True)

RegionName = Annotated[str, typer.Option("--region", help="The Region that is lost or evacuated.", callback=one_region)]
HowLost = Annotated[Mode, typer.Option("--mode", help="How it is lost.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for verdict, report and ledger (default: out/drill).")]
Where = Annotated[Literal["lab", "aws"], typer.Option("--target", help="The local lab, or AWS with your credentials.")]
OfTables = Annotated[Consistency, typer.Option("--consistency", help="Of the global tables; AWS's is as deployed.")]
Locations = Annotated[str, typer.Option("--locations", help="'half', or the Region that all clients are near to.")]


@drill.command("growth")
def growth(
    quick: Quick = False, region: RegionName = "us-east-1", mode: HowLost = "freeze", out: Out = None,
    as_json: AsJson = False, locations: Locations = "half", target: Where = "lab", yes: Yes = False,
    consistency: OfTables = TOPOLOGY.consistency,
) -> None:  # fmt: skip
    """Ramp 1x -> 5x -> 10x over both Regions, lose one at 10x, bring it back, judge."""
    plan = growth_plan("quick" if quick else "real", region, mode, consistency)
    _run(plan, LossConductor, out, as_json, locations, target, yes)


@drill.command("region-loss")
def region_loss(
    quick: Quick = False, region: RegionName = "us-east-1", mode: HowLost = "freeze", out: Out = None,
    as_json: AsJson = False, locations: Locations = "half", target: Where = "lab", yes: Yes = False,
    consistency: OfTables = TOPOLOGY.consistency,
) -> None:  # fmt: skip
    """Lose a Region under steady load, bring it back, judge."""
    plan = region_loss_plan("quick" if quick else "real", region, mode, consistency)
    _run(plan, LossConductor, out, as_json, locations, target, yes)


@drill.command("evacuation")
def evacuation(
    quick: Quick = False, region: RegionName = "us-east-1", out: Out = None, as_json: AsJson = False,
    locations: Locations = "half", target: Where = "lab", yes: Yes = False,
) -> None:  # fmt: skip
    """Evacuate a healthy Region at full load, readmit it, judge."""
    plan = evacuation_plan("quick" if quick else "real", region)
    _run(plan, EvacuationConductor, out, as_json, locations, target, yes)


@drill.command("fail-open")
def fail_open(
    quick: Quick = False, out: Out = None, as_json: AsJson = False, locations: Locations = "half",
) -> None:  # fmt: skip
    """Turn every health check red while both Regions work, heal, judge."""
    _run(fail_open_plan("quick" if quick else "real"), FailOpenConductor, out, as_json, locations)


@drill.command("experiment")
def experiment(
    name: Annotated[Name, typer.Argument(help="Which experiment of FIS.")],
    region: RegionName = "us-east-1", yes: Yes = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run one experiment on AWS without load of its own, watch it to its end, and end it whatever happens."""
    act = Act(as_json, experiment=name, region=region)
    _or_one_line(lambda: on_aws.run_experiment(EXPERIMENT[name], region, yes=yes, act=act))
    act.end()


@drill.command("key-rotation")
def key_rotation(
    quick: Quick = False, out: Out = None, as_json: AsJson = False, locations: Locations = "half",
) -> None:  # fmt: skip
    """Rotate the signing key to the end under load, judge. Tokens must expire: 38 minutes, 6 with --quick."""
    _run(key_rotation_plan("quick" if quick else "real"), KeyRotationConductor, out, as_json, locations)


@drill.command("release")
def release(
    quick: Quick = False,
    previous: Annotated[
        str | None,
        typer.Option(
            help="The version to run beside: a commit, or a checkout's folder (default: a newer one, made of this)."
        ),
    ] = None,
    out: Out = None, as_json: AsJson = False, locations: Locations = "half",
) -> None:  # fmt: skip
    """Release another version function by function under load, run both side by side, go back, judge."""
    with tempfile.TemporaryDirectory() as work:
        packages = _or_one_line(lambda: packages_for(previous, Path(work)))
        conductor = partial(ReleaseConductor, packages=packages)
        _run(release_plan("quick" if quick else "real"), conductor, out, as_json, locations)


@drill.command("matrix")
def matrix(
    quick: Quick = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="This fault alone; may be repeated.")] = None,
    phase: Annotated[  # a list of a Literal is more than Typer takes: chosen_cells checks it
        list[str] | None, typer.Option("--phase", help=f"One of {', '.join(PHASES)} alone; may be repeated.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option("--region", help="Faults in this Region alone.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the sittings of an earlier run that held.")] = False,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the table and the sittings.", show_default="out/matrix")
    ] = OUTPUT / "matrix",
    as_json: AsJson = False,
) -> None:
    """Every fault in every situation, in either Region, judged cell by cell: 40 minutes with --quick, else hours."""
    console = Console(stderr=as_json, highlight=False)
    timing: Timing = "quick" if quick else "real"
    try:
        cells = chosen_cells(only or [], phase or [], region or [])
        passed = _or_one_line(lambda: run_matrix(timing, cells, out, console, resume=resume))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        typer.echo((out / "matrix.json").read_text(encoding="utf-8"), nl=False)
    show_matrix(console, cells, read_matrix(out / "matrix.json", timing)[0])
    console.print(f"{'HELD' if passed else 'BROKEN'}  {out / 'matrix.html'}  {out / 'matrix.json'}", soft_wrap=True)
    raise typer.Exit(0 if passed else 1)


def _run(
    plan: DrillPlan, conductor: MakeConductor, out: Path | None, as_json: bool, locations: str,
    target: Literal["lab", "aws"] = "lab", yes: bool = False,
) -> None:  # fmt: skip
    console = Console(stderr=as_json, highlight=False)
    if locations not in ("half", *TOPOLOGY.region_names):
        raise typer.BadParameter("expected 'half' or a Region", param_hint="--locations")
    if target == "aws" and plan.consistency != TOPOLOGY.consistency:
        raise typer.BadParameter(f"AWS has what is deployed: {TOPOLOGY.consistency}", param_hint="--consistency")
    access: DrillTarget | None = None
    if target == "aws":
        plan = on_aws.plan_on_aws(plan)
        act = Act(as_json, drill=plan.name, region=plan.region)
        access = _or_one_line(lambda: on_aws.prepared(plan, yes=yes, act=act))
        if access is None:
            act.end()
            raise typer.Exit(0)
    verdict = _or_one_line(lambda: run_drill(plan, conductor, out, console, locations, access))
    if as_json:
        typer.echo(json.dumps(verdict.document, ensure_ascii=False))
    _show(console, plan, verdict)
    raise typer.Exit(0 if verdict.passed else 1)


def _or_one_line(work: Callable[[], T]) -> T:
    """Do it, or end with one line on standard error and exit code 2: nothing was judged."""
    try:
        return work()
    except TargetError as error:
        # What cannot be cleaned up must not hide why there was something to clean up.
        earlier = f" (after: {error.__context__})" if isinstance(error.__context__, TargetError) else ""
        refuse(f"{error}{earlier}", 2)
    except NoCredentialsError:
        refuse("no AWS credentials; log in to AWS", 2)
    except (ClientError, BotoCoreError) as error:
        refuse(reason_of(error), 2)


def _show(console: Console, plan: DrillPlan, verdict: Verdict) -> None:
    table = Table(title=f"{plan.name}, {plan.timing} timing, {plan.happening}")
    for heading in ("promise", "objective", "achieved", "unit", ""):
        table.add_column(heading, justify="right" if heading in ("objective", "achieved") else "left")
    for promise in verdict.promises:
        achieved = "not measured" if promise.achieved is None else f"{promise.achieved:g}"
        sign = "[green]held[/green]" if promise.passed else "[bold red]BROKEN[/bold red]"
        wanted = "-" if promise.objective is None else f"{promise.objective:g}"
        table.add_row(promise.name, wanted, achieved, promise.unit, sign)
    console.print(table)
    for finding in verdict.findings:
        for example in finding.examples:
            console.print(f"  [red]{finding.name}[/red]: {escape(example)}", soft_wrap=True)
    outcome = "[bold green]HELD[/bold green]" if verdict.passed else "[bold red]BROKEN[/bold red]"
    console.print(f"{outcome}  {verdict.folder / 'report.html'}  {verdict.folder / 'verdict.json'}", soft_wrap=True)
