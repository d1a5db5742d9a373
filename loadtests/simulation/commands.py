"""`relevo simulate`: two or three Regions in one process, histories drawn from seeds, every invariant checked."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests.simulation.history import History, HistoryError
from loadtests.simulation.judging import Failure, Report, Speed, faults_of, run
from runbooks.asking import AsJson


def simulate(
    histories: Annotated[int, typer.Option("--histories", help="How many.", min=1)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="The first one's seed; the next ones follow.", min=0)] = 0,
    speed: Annotated[Speed, typer.Option("--speed", help="fast: the domain; handlers: all of it.")] = "fast",
    jobs: Annotated[int, typer.Option("--jobs", help="Processes.", min=1, max=64)] = 1,
    replay: Annotated[str | None, typer.Option("--replay", help="One history, as a failure was printed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play seeded histories of lag, crashes, partitions and retries; exit 1 if an invariant was broken."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True, markup=False)
    report = _replayed(replay, speed) if replay is not None else _played(histories, seed, speed, jobs, console)
    if as_json:
        typer.echo(json.dumps(report.document()))
    for failure in report.failures:
        _show(failure, console)
    if not report.failures:
        console.print(f"{report.histories} histories, {report.steps} steps, no invariant broken")
    raise typer.Exit(1 if report.failures else 0)


def _played(histories: int, seed: int, speed: Speed, jobs: int, console: Console) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"{speed}, from seed {seed}", total=histories)
        report = run(
            histories, seed, speed, jobs=jobs, tell=lambda found: progress.update(bar, completed=found.histories)
        )
    rate = report.document()["per_minute_of_one_core"]
    console.print(f"{speed}: from seed {seed}, {report.seconds:.0f} s, {rate} a minute of one core's time")
    return report


def _replayed(text: str, speed: Speed) -> Report:
    try:
        history = History.parse(text)
    except HistoryError as error:
        raise typer.BadParameter(str(error), param_hint="--replay") from None
    report = Report(speed, 0, histories=1, steps=len(history.steps))
    if faults := faults_of(history, speed):
        report.failures.append(Failure(0, speed, faults, str(history)))
    return report


def _show(failure: Failure, console: Console) -> None:
    console.print(f"seed {failure.seed} failed; the smallest part of it that does:")
    for fault in failure.faults[:5]:
        console.print(f"  {fault}")
    console.print(f"  {failure.replay}")
    console.print(f"  the whole of it: {failure.again}")
