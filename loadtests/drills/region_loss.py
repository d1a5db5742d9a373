"""The region-loss drill: steady load, one Region lost at 10x, brought back and readmitted.

Hypothesis: as in the growth drill, without the growth. It is the short rehearsal that `make test` runs in quick timing.
"""

from __future__ import annotations

import time

from loadtests.drills.conductor import Conductor
from loadtests.drills.plan import DrillPlan, Mode, alone_seconds
from loadtests.drills.probe import TROUBLE
from loadtests.drills.tracker import ReplicaTracker, recovery_point, takeover_of
from loadtests.shapes import Step
from shared.slo import LOSS, Timing
from shared.topology import TOPOLOGY, Consistency

HYPOTHESIS = "Losing one Region at full load costs clients only the time that DNS takes, and costs nobody an order."


def region_loss_plan(
    timing: Timing, region: str, mode: Mode, consistency: Consistency = TOPOLOGY.consistency
) -> DrillPlan:
    real = timing == "real"
    return DrillPlan(
        name="region-loss",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=region,
        mode=mode,
        warm_up=Step("warm-up", 10.0, 15.0),
        steady=(Step("5x", 5.0, 20.0 if real else 5.0), Step("10x", 10.0, 30.0 if real else 8.0)),
        lost_at_least_seconds=alone_seconds(timing),
        lost_at_most_seconds=175.0 if real else 45.0,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=30.0 if real else 5.0,
        converge_at_most_seconds=90.0 if real else 35.0,
        objectives=LOSS,
        consistency=consistency,
    )


class LossConductor(Conductor):
    """Loses a Region at the peak, waits until its work was taken over, and brings it back."""

    def _at_peak(self) -> None:
        self._lose_region()
        self._bring_back()

    def _lose_region(self) -> None:
        plan, course = self.plan, self.course
        self._enter("one Region lost", plan.peak, steady=False)
        course.fault_at = time.time()
        self._observers.lab.fault(kind="region-loss", region=plan.region, mode=plan.mode)
        course.struck_at = course.mark(plan.happening, "fault")
        survivor = self._observers.trackers[TOPOLOGY.peer_of(plan.region)]
        self._note_recovery_point(survivor, course.fault_at)
        self._watch(lambda: False, plan.lost_at_least_seconds)
        rest = plan.lost_at_most_seconds - plan.lost_at_least_seconds
        fault_at = course.fault_at
        self._watch(lambda: takeover_of(survivor, plan.region, fault_at).proved, rest)
        takeover = takeover_of(survivor, plan.region, fault_at)
        course.takeover_seconds = takeover.seconds
        if takeover.unreplicated:
            course.notes.append(
                f"{takeover.unreplicated} acknowledged commands had not left {plan.region} when it was lost; "
                "they count as lost unless they are in both logs at the end"
            )
        if takeover.waiting:
            course.notes.append(
                f"{takeover.waiting} replicated events were without effect until {plan.region} returned"
            )

    def _note_recovery_point(self, survivor: ReplicaTracker, fault_at: float) -> None:
        """Read what the survivor lacks, before anything else can bring it there."""
        try:
            self._observers.feed.look()
            point = recovery_point(survivor, fault_at)
        except TROUBLE as error:
            self.course.notes.append(f"RPO not measured: {error}"[:300])
            return
        self.course.achieved |= {"rpo_commands": float(point.commands), "rpo_seconds": point.seconds}

    def _bring_back(self) -> None:
        plan, course = self.plan, self.course
        self._enter("catching up", plan.returning, steady=False)
        self._observers.lab.heal()
        course.healed_at = course.mark(f"{plan.region} is back", "heal")
        healed_at = course.healed_at
        caught_up = self._watch(lambda: self._observers.complete_until(healed_at), plan.caught_up_at_most_seconds)
        if not caught_up:
            course.notes.append(
                f"{plan.region} had not caught up {plan.caught_up_at_most_seconds:.0f} s after its return"
            )
        self._readmit()
