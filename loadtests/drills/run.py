"""A drill from the command to the verdict: lab, accounts, observers, load, course, judgement. Always cleans up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from loadtests import gate, last_drill
from loadtests.drills.conductor import MakeConductor, Tell
from loadtests.drills.course import Course
from loadtests.drills.judging import Judgement, Judging
from loadtests.drills.lab_access import LabAccess
from loadtests.drills.measures import measure
from loadtests.drills.observers import Observers
from loadtests.drills.plan import DrillPlan
from loadtests.drills.programs import LoadProcess, ensure_lab, make_accounts, relevo
from loadtests.drills.progress import Progress
from loadtests.drills.reader import Reader, Sales
from loadtests.drills.series import Seen
from loadtests.drills.target import DrillTarget
from loadtests.drills.verdict import Verdict, output_folder, write_verdict
from loadtests.shapes import Steering


def run_drill(
    plan: DrillPlan, conductor: MakeConductor, out: Path | None, console: Console, locations: str = "half",
    target: DrillTarget | None = None,
) -> Verdict:  # fmt: skip
    """Run a drill against a target, or else the lab; raises ``TargetError`` when it could not be run at all."""
    folder = output_folder(out)
    if target is not None:
        return _run_and_note(Drill(plan, conductor, folder, console, locations, target))
    started_here = ensure_lab(plan.timing == "quick", plan.consistency)
    try:
        return _run_and_note(Drill(plan, conductor, folder, console, locations, LabAccess.read()))
    finally:
        if started_here:
            relevo("down")


def _run_and_note(drill: Drill) -> Verdict:
    """Run it, and leave its outcome where the page's view for operators finds it."""
    verdict = drill.run()
    last_drill.tell(verdict.document, (region.client("dynamodb") for region in drill.lab.regions.values()))
    return verdict


class Drill:
    """One drill against a target that is up."""

    def __init__(
        self, plan: DrillPlan, conductor: MakeConductor, folder: Path, console: Console, locations: str,
        target: DrillTarget,
    ) -> None:  # fmt: skip
        self.plan = plan
        self._conductor = conductor
        self.folder = folder
        self.lab = target
        self.began = time.time()
        self.run_id = f"D{int(self.began) % 0xFFFFFF:06x}"
        self._console = console
        self._locations = locations
        self._ledger_file = folder / "ledger.jsonl"
        self._accounts_file = folder / "accounts.json"

    def run(self) -> Verdict:
        """Make accounts, run the course under load, judge, write the verdict."""
        self._ledger_file.touch()
        accounts: dict[str, tuple[str, str]] = {}
        try:
            accounts = make_accounts(self.run_id, self._accounts_file)
            reader = Reader(self.lab, accounts["operator"])
            sales_before = reader.sales()
            observers = Observers(
                self.lab,
                timing=self.plan.timing,
                run=self.run_id,
                ledger=self._ledger_file,
                reader=reader,
                make_resolver=self.lab.resolver,
            )
            try:
                observers.start()
                with self._shown(observers) as tell:
                    course = self._conductor(self.plan, observers, self._start_load(), tell).run()
                    tell("judging")
                    judgement = self._judge(course, observers, reader, sales_before)
            finally:
                left = observers.stop()
        finally:
            self._accounts_file.unlink(missing_ok=True)
            for text in self.lab.retire([name for name, _ in accounts.values()]):
                self._console.print(text, soft_wrap=True)
        return self._conclude(course, observers, judgement, left)

    @contextmanager
    def _shown(self, observers: Observers) -> Iterator[Tell]:
        """Show the drill while it runs; gives what tells of a new phase."""
        progress = Progress(self._console, observers, f"{self.plan.name} ({self.plan.timing})")
        progress.start()
        try:
            yield progress.tell
        finally:
            progress.stop()

    def _judge(self, course: Course, observers: Observers, reader: Reader, sales_before: Sales) -> Judgement:
        judging = Judging(self.lab, observers, self.run_id, self.began, reader.sales, sales_before)
        return judging.until_equal((course.stopped_at or time.time()) + self.plan.converge_at_most_seconds)

    def _start_load(self) -> LoadProcess:
        return LoadProcess.start(
            target=self.lab,
            run=self.run_id,
            seed=self.plan.seed,
            accounts=self._accounts_file,
            ledger=self._ledger_file,
            locations=self._locations,
            folder=self.folder,
            first=Steering(self.plan.warm_up.phase, self.plan.warm_up.multiple),
        )

    def _conclude(self, course: Course, observers: Observers, judgement: Judgement, left: list[str]) -> Verdict:
        fault_at = course.fault_at
        measures = measure(
            self.plan,
            course,
            observers.ledger,
            sightings=observers.sightings(),
            detection=None if fault_at is None else observers.dns.detected_after(self.plan.region, fault_at),
            findings=judgement.findings,
            converged_at=judgement.converged_at,
        )
        notes = [*measures.notes, *course.notes, *(f"probe: {text}" for text in [*left, *observers.troubles()])]
        if judgement.trouble:
            notes.insert(0, judgement.trouble)
        if not observers.ledger.commands:
            notes.append("no command was sent: the load did not run")
        seen = Seen(
            ledger=observers.ledger,
            dns=observers.dns.answers,
            status=observers.status.samples,
            link_lag=observers.status.link_lag,
            sightings=observers.sightings(),
            regions_by_address=self.lab.addresses(),
        )
        return write_verdict(
            self.plan,
            course,
            seen,
            gate.judge_promises(measures.achieved, self.plan.timing, self.plan.objectives, self.plan.unpromised),
            findings=judgement.findings,
            notes=notes,
            folder=self.folder,
            began=self.began,
            not_proved=self.lab.does_not_prove,
        )
