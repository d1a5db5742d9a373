"""The evacuation drill: a healthy Region is drained under full load, found empty, and readmitted.

Hypothesis: whoever honours the TTL notices nothing at all. Rollback: `relevo readmit`, which is the drill's own end.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from loadtests.drills.conductor import Conductor
from loadtests.drills.plan import DrillPlan
from loadtests.drills.programs import last_line, relevo
from loadtests.drills.target import TargetError
from loadtests.shapes import Step
from shared.slo import EVACUATION, Timing

HYPOTHESIS = "Evacuating a Region at full load costs clients that honour the TTL not one request, and nobody an order."
COMMAND_SECONDS = 240.0


def evacuation_plan(timing: Timing, region: str) -> DrillPlan:
    real = timing == "real"
    return DrillPlan(
        name="evacuation",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=region,
        mode="evacuate",
        warm_up=Step("warm-up", 10.0, 15.0),
        steady=(Step("5x", 5.0, 20.0 if real else 5.0), Step("10x", 10.0, 30.0 if real else 8.0)),
        lost_at_least_seconds=20.0 if real else 5.0,
        lost_at_most_seconds=20.0 if real else 5.0,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=90.0 if real else 8.0,
        converge_at_most_seconds=90.0 if real else 35.0,
        objectives=EVACUATION,
    )


class EvacuationConductor(Conductor):
    """Evacuates a Region by the operators' own command while the load goes on, and readmits it."""

    def _at_peak(self) -> None:
        plan, course = self.plan, self.course
        self._enter("evacuating", plan.peak, steady=True)
        course.unnoticed_since = course.mark(f"{plan.region} is being evacuated", "fault")
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            command = pool.submit(
                relevo, "evacuate", plan.region, "--reason", "evacuation drill", "--yes", seconds=COMMAND_SECONDS
            )
            self._watch(command.done, COMMAND_SECONDS)
            done = command.result()
        if done.returncode != 0:
            raise TargetError(f"`relevo evacuate {plan.region}` failed: {last_line(done)}")
        course.evacuation_seconds = round(time.monotonic() - began, 2)
        course.mark(f"{plan.region} is evacuated")
        self._hold("evacuated", plan.peak, plan.lost_at_least_seconds, steady=True)
        self._readmit()
