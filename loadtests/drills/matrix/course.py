"""Leads one sitting of the chaos matrix: the cells of one fault, one after the other, under one load.

Hypotheses are the faults' own. Stop condition: nobody is served any more; then the fault is healed at once and the cell
is red. Rollback: heal, and readmit whom the sentinels have drained.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtests.drills.conductor import Conductor, Tell
from loadtests.drills.lab_access import LabError
from loadtests.drills.matrix.cells import STOP_SECONDS, Cell, Fault
from loadtests.drills.observers import Observers
from loadtests.drills.plan import DrillPlan
from loadtests.drills.probe import TROUBLE
from loadtests.drills.programs import LoadProcess
from loadtests.lab.faults.poison import STILL_THERE
from loadtests.shapes import Step
from shared.adapters.control import Control
from shared.domain.takeover import NOBODY
from shared.slo import CELL, Timing
from shared.topology import TOPOLOGY

QUIET_LOAD, USUAL_LOAD, FULL_LOAD = 3.0, 5.0, 10.0
RETURNING_SHARE = 0.5  # of the load, while a Region works off what it missed: two cores do both (see DrillPlan)


@dataclass(frozen=True)
class Lengths:
    """How long the parts of a cell last. Real ones follow the product's waits, ten times the quick ones."""

    fault: float  # factor to the fault's own seconds
    before_takeover: float  # from the loss of the Region to the fault
    takeover_at_most: float
    calm_at_most: float


LENGTHS: dict[Timing, Lengths] = {
    "quick": Lengths(fault=1.0, before_takeover=4.0, takeover_at_most=25.0, calm_at_most=45.0),
    "real": Lengths(fault=10.0, before_takeover=40.0, takeover_at_most=200.0, calm_at_most=150.0),
}


@dataclass
class CellRun:
    """What happened in a cell, in epoch seconds."""

    cell: Cell
    started: float
    struck_at: float | None = None
    healed_at: float | None = None  # its own fault
    well_at: float | None = None  # nothing is broken any more, the Region that was lost besides included
    ended: float | None = None
    troubles: list[str] = field(default_factory=list)  # each makes the cell red


def sitting_plan(timing: Timing, fault: Fault) -> DrillPlan:
    real = timing == "real"
    return DrillPlan(
        name=f"matrix {fault.name}",
        hypothesis=fault.hypothesis,
        timing=timing,
        region=TOPOLOGY.region_names[0],
        mode="matrix",
        warm_up=Step("warm-up", USUAL_LOAD, 15.0 if real else 6.0),
        steady=(Step("settled", USUAL_LOAD, 2.0),),
        lost_at_least_seconds=0.0,
        lost_at_most_seconds=0.0,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=2.0,
        converge_at_most_seconds=180.0 if real else 130.0,
        objectives=CELL,
    )


class SittingConductor(Conductor):
    """Goes through the cells of one fault; those that share an outage share it."""

    def __init__(
        self, plan: DrillPlan, observers: Observers, load: LoadProcess, tell: Tell, *, cells: list[Cell],
        on_cell: Callable[[CellRun], None],
    ) -> None:  # fmt: skip
        super().__init__(plan, observers, load, tell)
        self._cells = cells
        self._on_cell = on_cell
        self._lengths = LENGTHS[plan.timing]
        self.runs: list[CellRun] = []

    def _at_peak(self) -> None:
        try:
            for load, phase in ((QUIET_LOAD, "steady"), (FULL_LOAD, "10x")):
                for cell in (cell for cell in self._cells if cell.phase == phase):
                    self._alone(cell, load)
            for lost in TOPOLOGY.region_names:
                beside = [cell for cell in self._cells if cell.lost == lost]
                if beside:
                    self._beside_an_outage(lost, beside)
        finally:
            self._observers.lab.heal()
        self.course.readmitted_at = self.course.mark("every cell is over", "heal")

    def _alone(self, cell: Cell, load: float) -> None:
        run = self._begin(cell, load)
        self._strike(run, load)
        run.well_at = run.healed_at
        self._finish([run])

    def _beside_an_outage(self, lost: str, cells: list[Cell]) -> None:
        """Lose a Region; the fault hits its peer while that takes over, and then the Region when it returns."""
        takeover = next((cell for cell in cells if cell.phase == "takeover"), None)
        return_ = next((cell for cell in cells if cell.phase == "return"), None)
        runs = []
        self._enter(f"outage of {lost}", USUAL_LOAD, steady=False)
        if takeover is not None:
            runs.append(self._begin(takeover, USUAL_LOAD))
        lab = self._observers.lab
        lab.fault(kind="region-loss", region=lost, mode="freeze")
        self.course.mark(f"{lost} is lost", "fault")
        self._watch(lambda: False, self._lengths.before_takeover)
        if takeover is not None:
            self._strike(runs[0], USUAL_LOAD)
        survivor = TOPOLOGY.peer_of(lost)
        if not self._watch(lambda: lost in self._drained(survivor), self._lengths.takeover_at_most) and runs:
            runs[0].troubles.append(f"{lost} was never found lost: there was no takeover")
        if takeover is not None:
            runs[0].ended = time.time()
        if return_ is not None:
            runs.append(self._begin(return_, USUAL_LOAD))
        self._load.steer(f"{lost} returns", USUAL_LOAD * RETURNING_SHARE)
        lab.heal("region-loss")
        self.course.mark(f"{lost} is back", "heal")
        if return_ is not None:
            self._strike(runs[-1], USUAL_LOAD)
        for run in runs:
            run.well_at = time.time()
        self._finish(runs)

    def _begin(self, cell: Cell, load: float) -> CellRun:
        self._enter(cell.name, load, steady=False)
        run = CellRun(cell, time.time())
        self.runs.append(run)
        return run

    def _strike(self, run: CellRun, load: float) -> None:
        """Let the fault happen for its time, or until nobody is served; a lost Region returns to half of the load."""
        lab, fault = self._observers.lab, run.cell.fault
        try:
            for request in fault.requests_for(run.cell.region):
                lab.fault(**request)
            run.struck_at = self.course.mark(f"{fault.name} in {run.cell.region}", "fault")
            if self._watch(self._nobody_served, fault.seconds * self._lengths.fault):
                run.troubles.append(f"stopped: {fault.stop}")
        except LabError as error:
            run.troubles.append(f"the fault could not be injected: {error}")
        finally:
            if fault.loses_region:
                self._load.steer(run.cell.name, load * RETURNING_SHARE)
            for kind in fault.kinds:
                self._heal(run, kind)
            run.healed_at = self.course.mark(f"{fault.name} is over", "heal")

    def _heal(self, run: CellRun, kind: str) -> None:
        """End one kind of fault; what cannot be ended is no reason to leave the others."""
        try:
            told = str(self._observers.lab.heal(kind)["what"])
        except LabError as error:
            told = f"not healed: {error}"
        if STILL_THERE in told or told.startswith("not healed"):
            run.troubles.append(told)

    def _nobody_served(self) -> bool:
        since = time.time() - STOP_SECONDS
        for arrival in reversed(self._observers.ledger.arrivals):
            if arrival.ok:
                return arrival.finished < since
        return False

    def _finish(self, runs: list[CellRun]) -> None:
        """Readmit whom the sentinels have drained; before the next cell all is complete and both Regions serve."""
        drained = self._readmit_all()
        ended = time.time()
        for run in runs:
            run.ended = run.ended or ended
        self._enter("calm", QUIET_LOAD, steady=False)
        self._watch(lambda: self._all_well() and self._observers.complete_until(ended), self._lengths.calm_at_most)
        drained |= self._readmit_all()  # a sentinel may have found out late
        for run in runs:
            if run.cell.drains_nobody:
                run.troubles += [f"{region} was drained, and had never gone" for region in sorted(drained)]
            self._on_cell(run)

    def _readmit_all(self) -> set[str]:
        drained = self._drained(*TOPOLOGY.region_names)
        for region in drained:
            self._readmit(region)
        return drained

    def _all_well(self) -> bool:
        """Whether health checks found every Region healthy the last time."""
        latest = {sample.region: sample.healthy for sample in list(self._observers.status.samples)[-4:]}
        return len(latest) == len(TOPOLOGY.region_names) and all(latest.values())

    def _drained(self, *asked: str) -> set[str]:
        """Who is drained, as the replicas of the register in these Regions say: health checks learn it later."""
        found = set()
        for name in asked:
            client = self._observers.lab.regions[name].client("dynamodb")
            with contextlib.suppress(*TROUBLE):  # whoever is slow is asked again, and its peer knows too
                found.add(Control(client, TOPOLOGY.control_table).register().draining)
        return found - {NOBODY}
