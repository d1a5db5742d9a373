"""The fail-open drill: every health check goes red while both Regions work, and traffic must go on to both.

Hypothesis: Route 53 answers with all when nothing is healthy, and no sentinel mistakes that for a loss, since the
heartbeats go on. Rollback: heal, which is the drill's own end.
"""

from __future__ import annotations

import time

from loadtests.drills.conductor import Conductor
from loadtests.drills.plan import DrillPlan
from loadtests.shapes import Step
from shared.slo import FAIL_OPEN, Timing
from shared.topology import TOPOLOGY

HYPOTHESIS = "With every health check red, clients of two working Regions notice nothing, and nothing is drained."


def fail_open_plan(timing: Timing) -> DrillPlan:
    real = timing == "real"
    return DrillPlan(
        name="fail-open",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=TOPOLOGY.region_names[0],
        mode="health",
        warm_up=Step("warm-up", 10.0, 15.0),
        steady=(Step("5x", 5.0, 20.0 if real else 5.0), Step("10x", 10.0, 30.0 if real else 8.0)),
        lost_at_least_seconds=150.0 if real else 20.0,  # longer than a loss needs to be drained and taken over
        lost_at_most_seconds=150.0 if real else 20.0,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=30.0 if real else 5.0,
        converge_at_most_seconds=90.0 if real else 35.0,
        objectives=FAIL_OPEN,
    )


class FailOpenConductor(Conductor):
    """Takes the health function of both Regions away for longer than a loss would need, and gives it back."""

    def _at_peak(self) -> None:
        plan, course, lab = self.plan, self.course, self._observers.lab
        self._enter("all checks red", plan.peak, steady=True)
        course.unnoticed_since = time.time()
        for region in TOPOLOGY.region_names:
            lab.fault(kind="region-loss", region=region, mode="health")
        course.mark("every health check goes red", "fault")
        try:
            self._watch(self._all_red, plan.caught_up_at_most_seconds)
            red_at = time.time()
            self._watch(lambda: False, plan.lost_at_least_seconds)
            samples = [sample for sample in self._observers.status.samples if sample.at >= red_at]
            course.drained_regions = len({sample.region for sample in samples if sample.drained})
            answers = [answer for answer in self._observers.dns.answers if answer.at >= red_at]
            course.regions_in_dns = len({answer.region for answer in answers if answer.region is not None})
        finally:
            lab.heal()
        course.readmitted_at = course.mark("every health check works again", "heal")

    def _all_red(self) -> bool:
        """Whether the lab's health checkers found both Regions unhealthy."""
        latest = {sample.region: sample.healthy for sample in list(self._observers.status.samples)[-4:]}
        return len(latest) == len(TOPOLOGY.region_names) and not any(latest.values())
