"""A drill from the command to the verdict: lab, accounts, observers, load, course, judgement. Always cleans up."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from loadtests import gate, last_drill
from loadtests.drills.conductor import Conductor
from loadtests.drills.course import Course
from loadtests.drills.judging import Judgement, Judging, Reader
from loadtests.drills.lab_access import LabAccess
from loadtests.drills.measures import measure
from loadtests.drills.observers import Observers
from loadtests.drills.plan import DrillPlan
from loadtests.drills.programs import LoadProcess, api_host, ensure_lab, make_accounts, relevo
from loadtests.drills.progress import Progress
from loadtests.drills.series import Seen
from loadtests.drills.verdict import Verdict, output_folder, write_verdict
from loadtests.lab.routing_policy import location_for
from loadtests.resolver import Resolver
from loadtests.shapes import Steering


def run_drill(
    plan: DrillPlan, conductor: type[Conductor], out: Path | None, console: Console, locations: str = "half"
) -> Verdict:
    """Run a drill; raises ``LabError`` when it could not be run at all."""
    folder = output_folder(out)
    started_here = ensure_lab(plan.timing == "quick")
    try:
        verdict = Drill(plan, conductor, folder, console, locations).run()
        last_drill.tell(verdict.document, (access.client("dynamodb") for access in LabAccess.read().regions.values()))
        return verdict
    finally:
        if started_here:
            relevo("down")


class Drill:
    """One drill in a lab that is up."""

    def __init__(
        self, plan: DrillPlan, conductor: type[Conductor], folder: Path, console: Console, locations: str
    ) -> None:
        self.plan = plan
        self._conductor = conductor
        self.folder = folder
        self.lab = LabAccess.read()
        self.began = time.time()
        self.run_id = f"D{int(self.began) % 0xFFFFFF:06x}"
        self._console = console
        self._locations = locations
        self._ledger_file = folder / "ledger.jsonl"
        self._accounts_file = folder / "accounts.json"

    def run(self) -> Verdict:
        """Make accounts, run the course under load, judge, write the verdict."""
        self._ledger_file.touch()
        try:
            accounts = make_accounts(self.run_id, self._accounts_file)
            reader = Reader(self.lab, accounts["operator"])
            sales_before = reader.sales()
            observers = Observers(
                self.lab,
                timing=self.plan.timing,
                run=self.run_id,
                ledger=self._ledger_file,
                token=reader.token,
                make_resolver=lambda place: Resolver(self.lab.dns, subnet=_subnet_near(place)),
            )
            progress = Progress(self._console, observers, f"{self.plan.name} ({self.plan.timing})")
            try:
                observers.start()
                progress.start()
                course = self._conductor(self.plan, observers, self._start_load(), progress.tell).run()
                progress.tell("judging")
                judging = Judging(self.lab, observers, self.run_id, self.began, reader.sales, sales_before)
                end = (course.stopped_at or time.time()) + self.plan.converge_at_most_seconds
                judgement = judging.until_equal(end)
            finally:
                progress.stop()
                left = observers.stop()
        finally:
            self._accounts_file.unlink(missing_ok=True)
        return self._conclude(course, observers, judgement, left)

    def _start_load(self) -> LoadProcess:
        return LoadProcess.start(
            host=api_host(self.lab),
            run=self.run_id,
            seed=self.plan.seed,
            accounts=self._accounts_file,
            ledger=self._ledger_file,
            lab=self.lab,
            subnets=",".join(f"{name}={_subnet_near(name)}" for name in self.lab.regions),
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
            regions_by_address={access.address: name for name, access in self.lab.regions.items()},
        )
        return write_verdict(
            self.plan,
            course,
            seen,
            gate.judge_promises(measures.achieved, self.plan.timing, self.plan.objectives),
            findings=judgement.findings,
            notes=notes,
            folder=self.folder,
            began=self.began,
        )


def _subnet_near(region: str) -> str:
    """The client subnet of a place that is nearer to a Region than to the other."""
    return str(location_for(region).prefix)
