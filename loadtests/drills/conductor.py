"""Leads a drill: load, what happens at its peak, readmission, convergence. Always cleans up.

It only drives and watches; what the measurements mean is decided by the gate and the judge.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from loadtests.drills.course import Course
from loadtests.drills.observers import Observers
from loadtests.drills.plan import DrillPlan
from loadtests.drills.programs import LoadProcess, last_line, relevo
from loadtests.drills.target import TargetError
from loadtests.gate import Phase

WATCH_SECONDS = 0.5
LOAD_STARTS_SECONDS = 20.0
READMIT_TRIES = 3
READMIT_SECONDS = 180.0

Tell = Callable[[str], None]


class Conductor(ABC):
    """Leads one drill over a target that is up, with observers that run; what happens at the peak is its own."""

    def __init__(self, plan: DrillPlan, observers: Observers, load: LoadProcess, tell: Tell) -> None:
        self.plan = plan
        self.course = Course()
        self._observers = observers
        self._load = load
        self._tell = tell
        self._phase: tuple[str, float, float, bool] | None = None

    def run(self) -> Course:
        """Lead the whole course; heals the Region and stops the load whatever happens."""
        plan = self.plan
        try:
            self._enter(plan.warm_up.phase, plan.warm_up.multiple, steady=False)
            self._watch(lambda: bool(self._observers.ledger.arrivals), LOAD_STARTS_SECONDS)
            self._watch(lambda: False, plan.warm_up.seconds)
            for step in plan.steady:
                self._hold(step.phase, step.multiple, step.seconds, steady=True)
            self._at_peak()
            self._serve_together()
        finally:
            self._close_phase()
            if self.course.fault_at is not None and self.course.healed_at is None:
                self._observers.lab.heal()
            self._load.end()
            self.course.stopped_at = self.course.mark("load stopped")
        self._enter("converging", 0.0, steady=False)
        self._converge()
        self._close_phase()
        return self.course

    @abstractmethod
    def _at_peak(self) -> None:
        """Do to the Region what the drill is about, and bring it back."""

    def _enter(self, name: str, multiple: float, *, steady: bool) -> None:
        self._close_phase()
        self._phase = (name, multiple, time.time(), steady)
        if multiple:
            self._load.steer(name, multiple)
        self._tell(name)

    def _close_phase(self) -> None:
        if self._phase is not None:
            name, multiple, started, steady = self._phase
            self.course.phases.append(Phase(name, multiple, started, time.time(), steady))
            self._phase = None

    def _hold(self, name: str, multiple: float, seconds: float, *, steady: bool) -> None:
        self._enter(name, multiple, steady=steady)
        self._watch(lambda: False, seconds)

    def _watch(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true, at most for so long; a load that ended by itself ends the drill."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if done():
                return True
            if self._phase is not None and self._phase[1] and not self._load.running:
                raise TargetError("the load ended by itself; see locust.log in the output folder")
            self._observers.lab.check()
            time.sleep(min(WATCH_SECONDS, max(0.0, end - time.monotonic())))
        return done()

    def _readmit(self, region: str | None = None) -> None:
        """Readmit a Region, by default the plan's, as on-call would: again, if the command fails."""
        plan, course = self.plan, self.course
        region = region or plan.region
        for _ in range(READMIT_TRIES):
            done = relevo(
                "readmit", region, "--reason", f"end of the {plan.name} drill", "--yes", seconds=READMIT_SECONDS
            )
            if done.returncode == 0:
                break
            course.notes.append(f"`relevo readmit {region}` failed: {last_line(done)}")
        course.readmitted_at = course.mark(f"{region} readmitted", "heal")
        if "nothing to do" in done.stdout:
            course.notes.append(f"{region} had not been drained when it was readmitted")

    def _serve_together(self) -> None:
        """Load both Regions again, and note when what was acknowledged before readmission is in both."""
        plan, course = self.plan, self.course
        readmitted_at = course.readmitted_at or time.time()
        self._enter("both again", plan.peak, steady=False)
        began = time.monotonic()
        if self._watch(lambda: self._observers.complete_until(readmitted_at), plan.together_seconds):
            course.settled_at = course.mark("both Regions hold all that was acknowledged before readmission")
        self._watch(lambda: False, plan.together_seconds - (time.monotonic() - began))

    def _converge(self) -> None:
        """Wait until everything that was acknowledged is complete in both logs and nothing is left to announce."""
        course = self.course
        if course.settled_at is None and self._watch(
            lambda: self._observers.complete_until(course.readmitted_at or 0.0), self.plan.converge_at_most_seconds
        ):
            course.settled_at = course.mark("both Regions hold all that was acknowledged before readmission")
        if self._watch(lambda: self._observers.complete_until(time.time()), self.plan.converge_at_most_seconds):
            course.complete_at = course.mark("all acknowledged commands complete in both Regions")


MakeConductor = Callable[[DrillPlan, Observers, LoadProcess, Tell], Conductor]
