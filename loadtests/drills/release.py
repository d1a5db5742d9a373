"""The release drill: another version takes over function by function, Region by Region, under load, and gives back.

Hypothesis: while a Region runs one version and its peer another, each understands what the other writes, and replacing
code costs no client a request. Rollback: the version that was there is put back, which is the drill's second half.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from loadtests.drills.conductor import Conductor, Tell
from loadtests.drills.observers import Observers
from loadtests.drills.packages import MARK, Package
from loadtests.drills.plan import DrillPlan
from loadtests.drills.programs import LoadProcess
from loadtests.drills.rollout import Rollout
from loadtests.gate import Phase
from loadtests.ledger import Arrival
from loadtests.shapes import Step
from shared.slo import BY_NAME, RELEASE, Timing
from shared.topology import TOPOLOGY

HYPOTHESIS = "A release under load, and the way back, costs no client a request: two versions work on one log."
RELEASE_SECONDS = 300.0  # of one Region, before it counts as stuck


def release_plan(timing: Timing) -> DrillPlan:
    """Real timing takes some six minutes, quick timing three."""
    real = timing == "real"
    return DrillPlan(
        name="release",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=TOPOLOGY.owner_region,  # released first, as `make deploy` does
        mode="release",
        warm_up=Step("warm-up", 5.0, 15.0 if real else 8.0),
        steady=(Step("5x", 5.0, 20.0 if real else 8.0),),
        lost_at_least_seconds=BY_NAME["versions_side_by_side_seconds"].limit(timing) + (10.0 if real else 4.0),
        lost_at_most_seconds=4 * RELEASE_SECONDS,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=30.0 if real else 5.0,
        converge_at_most_seconds=90.0 if real else 35.0,
        objectives=RELEASE,
    )


class ReleaseConductor(Conductor):
    """Releases the other version in one Region and then in its peer, and then this one again in the same way."""

    def __init__(
        self, plan: DrillPlan, observers: Observers, load: LoadProcess, tell: Tell, *, packages: tuple[Package, Package]
    ) -> None:
        super().__init__(plan, observers, load, tell)
        self._this, self._other = packages
        self._rollouts = {name: Rollout(region) for name, region in observers.lab.regions.items()}

    def _at_peak(self) -> None:
        course = self.course
        course.unnoticed_since = began = time.time()
        course.notes.append(f"{self._this.name} is {self._this.words}; {self._other.name} is {self._other.words}")
        quarantined = self._quarantined()
        try:
            mixed = [self._release(self._this, self._other), self._release(self._other, self._this)]
        finally:
            for rollout in self._rollouts.values():
                if not rollout.runs(self._this):
                    rollout.put(self._this)
        course.readmitted_at = course.mark(f"{self._this.name} is back in both Regions", "heal")
        course.notes.append(
            f"{self._marked()} items in both logs carry {MARK!r}, which {self._this.name} does not know"
        )
        course.achieved["items_not_understood"] = self._quarantined() - quarantined
        drained = {sample.region for sample in self._observers.status.samples if sample.at >= began and sample.drained}
        course.achieved["regions_drained"] = len(drained)
        self._observers.feed.look()
        arrivals = self._observers.ledger.arrivals
        course.achieved["versions_side_by_side_seconds"] = min(
            side_by_side_seconds(arrivals, phase, tuple(self._rollouts)) for phase in mixed
        )

    def _release(self, old: Package, new: Package) -> Phase:
        """Replace one version by another, first in one Region; return the phase in which both served side by side."""
        first, second = self.plan.region, TOPOLOGY.peer_of(self.plan.region)
        self._put(first, new)
        name = f"{new.name} and {old.name}"
        self._hold(name, self.plan.peak, self.plan.lost_at_least_seconds, steady=True)
        self._put(second, new)
        return next(phase for phase in reversed(self.course.phases) if phase.name == name)

    def _put(self, region: str, package: Package) -> None:
        """Release in one Region while the load goes on. Cold starts make this phase slow, so it is not a steady one."""
        self._enter(f"{package.name} to {region}", self.plan.peak, steady=False)
        with ThreadPoolExecutor(1) as pool:
            rollout = pool.submit(self._rollouts[region].put, package)
            self._watch(rollout.done, RELEASE_SECONDS)
            rollout.result()
        self.course.mark(f"{region} runs {package.name}")

    def _marked(self) -> int:
        """How many items the Regions' logs hold of the version that marks what it writes."""
        return sum(
            page["Count"]
            for region in self._observers.lab.regions.values()
            for page in region.client("dynamodb", RELEASE_SECONDS)
            .get_paginator("scan")
            .paginate(TableName=TOPOLOGY.order_log_table, Select="COUNT", FilterExpression=f"attribute_exists({MARK})")
        )

    def _quarantined(self) -> int:
        """How many items the Regions' views have set aside because a version could not read them."""
        count = 0
        for region in self._observers.lab.regions.values():
            pages = region.client("dynamodb").get_paginator("query").paginate(
                TableName=TOPOLOGY.order_view_table, Select="COUNT", KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": "QUARANTINE"}},
            )  # fmt: skip
            count += sum(page["Count"] for page in pages)
        return count


def side_by_side_seconds(arrivals: list[Arrival], phase: Phase, regions: tuple[str, ...]) -> float:
    """How long every Region served in a phase: from the last one's first good answer to the first one's last."""
    served = {
        region: [
            attempt.at
            for arrival in arrivals
            for attempt in arrival.tries
            if attempt.ok and attempt.region == region and phase.holds(attempt.at)
        ]
        for region in regions
    }
    if not all(served.values()):
        return 0.0
    return round(max(0.0, min(max(at) for at in served.values()) - max(min(at) for at in served.values())), 2)
