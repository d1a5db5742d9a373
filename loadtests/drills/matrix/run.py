"""Runs the chaos matrix: sitting after sitting in one lab that stays up, with a verdict file that grows with each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loadtests import gate
from loadtests.drills.course import Course, utc_text
from loadtests.drills.judging import Judgement
from loadtests.drills.lab_access import LabAccess, LabError
from loadtests.drills.matrix.cells import Cell
from loadtests.drills.matrix.course import CellRun, SittingConductor, sitting_plan
from loadtests.drills.matrix.judge import CellResult, judge_cell
from loadtests.drills.matrix.report import write_matrix
from loadtests.drills.observers import Observers
from loadtests.drills.programs import ensure_lab, relevo
from loadtests.drills.run import Drill
from loadtests.drills.series import Seen
from loadtests.drills.verdict import Verdict, output_folder, write_verdict
from shared.slo import Timing

Results = dict[tuple[str, str, str], CellResult]


class MatrixBar:
    """One bar over all cells; without a terminal, a line per cell."""

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description:<48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task: TaskID = self._bar.add_task("starting", total=cells)

    def start(self) -> None:
        self._bar.start()

    def stop(self) -> None:
        self._bar.stop()

    def tell(self, text: str) -> None:
        self._bar.update(self._task, description=text)

    def done(self, run: CellRun) -> None:
        self._bar.advance(self._task)
        if not self._console.is_terminal:
            seconds = (run.ended or run.started) - run.started
            troubles = f"  {'; '.join(run.troubles)}" if run.troubles else ""
            self._console.print(
                f"{time.strftime('%H:%M:%S')}  {run.cell.name}: {seconds:.0f} s{troubles}", soft_wrap=True
            )


class Sitting(Drill):
    """The cells of one fault under one load, judged together and each for itself."""

    def __init__(self, timing: Timing, cells: list[Cell], folder: Path, console: Console, bar: MatrixBar) -> None:
        make = partial(self._make, cells=cells, on_cell=bar.done)
        super().__init__(sitting_plan(timing, cells[0].fault), make, folder, console, "half", LabAccess.read())
        self._bar = bar
        self._runs: list[CellRun] = []
        self.results: list[CellResult] = []

    def _make(self, *arguments: Any, cells: list[Cell], on_cell: Callable[[CellRun], None]) -> SittingConductor:
        conductor = SittingConductor(*arguments, cells=cells, on_cell=on_cell)
        self._runs = conductor.runs
        return conductor

    @contextmanager
    def _shown(self, observers: Observers) -> Iterator[Callable[[str], None]]:  # noqa: ARG002  # the bar shows the cells
        yield self._bar.tell

    def _conclude(self, course: Course, observers: Observers, judgement: Judgement, left: list[str]) -> Verdict:
        observers.feed.look()
        sightings = observers.sightings()
        commands = [tracker.commands for tracker in observers.trackers.values()]
        self.results = [
            judge_cell(
                run, judgement.evidence, ledger=observers.ledger, commands=commands, sightings=sightings,
                timing=self.plan.timing,
            )
            for run in self._runs
        ]  # fmt: skip
        slowest = [result.converged_seconds for result in self.results]
        achieved: dict[str, float | None] = {finding.name: float(finding.count) for finding in judgement.findings}
        achieved["cell_converged_seconds"] = (
            None if None in slowest else max((s for s in slowest if s is not None), default=None)
        )
        notes = [*filter(None, [judgement.trouble]), *course.notes, *left, *observers.troubles()]
        notes += [
            f"{result.fault} / {result.phase} / {result.region}: {text}"
            for result in self.results
            for text in result.troubles
        ]
        seen = Seen(
            ledger=observers.ledger,
            dns=observers.dns.answers,
            status=observers.status.samples,
            link_lag=observers.status.link_lag,
            sightings=sightings,
            regions_by_address=self.lab.addresses(),
        )
        promises = gate.judge_promises(achieved, self.plan.timing, self.plan.objectives)
        return write_verdict(
            self.plan, course, seen, promises, findings=judgement.findings, notes=notes, folder=self.folder,
            began=self.began, not_proved=self.lab.does_not_prove,
        )  # fmt: skip


def run_matrix(timing: Timing, cells: list[Cell], out: Path, console: Console, *, resume: bool) -> bool:
    """Run the cells that make sense, those of a fault together; return whether everything held.

    ``resume`` keeps the sittings of an earlier run that held. Raises ``LabError`` when the matrix could not be run.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "matrix.json"
    results, sittings = read_matrix(file, timing) if resume else ({}, {})
    sensible = [cell for cell in cells if cell.absent_because is None]
    todo = [(name, list(group)) for name, group in groupby(sensible, key=lambda cell: cell.fault.name)]
    held = {key for key, result in results.items() if result.passed and sittings.get(result.fault)}
    todo = [(name, group) for name, group in todo if not all(cell.key in held for cell in group)]
    bar = MatrixBar(console, sum(len(group) for _, group in todo))
    started_here = ensure_lab(timing == "quick")
    bar.start()
    try:
        for name, group in todo:
            sitting = Sitting(timing, group, output_folder(out / name), console, bar)
            try:
                sittings[name] = sitting.run().passed
            except LabError as error:  # the other sittings can be held all the same
                sittings[name] = False
                console.print(f"[red]{name}: {error}[/red]", soft_wrap=True)
            results |= {result.key: result for result in sitting.results}
            write_matrix(file, timing=timing, cells=cells, results=results, sittings=sittings, at=utc_text(time.time()))
    finally:
        bar.stop()
        if started_here:
            relevo("down")
    return write_matrix(file, timing=timing, cells=cells, results=results, sittings=sittings, at=utc_text(time.time()))


def read_matrix(file: Path, timing: Timing) -> tuple[Results, dict[str, bool]]:
    """What an earlier run with the same timing left; nothing if there was none."""
    if not file.exists():
        return {}, {}
    document = json.loads(file.read_text(encoding="utf-8"))
    if document["timing"] != timing:
        return {}, {}
    found = [CellResult(**{**cell, "troubles": tuple(cell["troubles"])}) for cell in document["cells"]]
    return {result.key: result for result in found}, dict(document["sittings"])
