"""The growth drill: 1x -> 5x -> 10x over both Regions, one of them lost at 10x, brought back and readmitted.

Hypothesis: clients notice a lost Region for as long as DNS takes and no longer; nothing acknowledged is lost or done
twice; the survivor alone carries 10x. Rollback: heal the fault and readmit the Region, which is the drill's own end.
"""

from __future__ import annotations

from loadtests.drills.plan import DrillPlan, Mode, alone_seconds
from loadtests.shapes import Step
from shared.slo import LOSS, Timing
from shared.topology import TOPOLOGY, Consistency

HYPOTHESIS = (
    "Ten times today's load survives the loss of one Region: nothing lost, nothing doubled, clients back in time."
)


def growth_plan(timing: Timing, region: str, mode: Mode, consistency: Consistency = TOPOLOGY.consistency) -> DrillPlan:
    """Real timing ends within 8.5 minutes, quick within two minutes."""
    names = [(f"{multiple}x", float(multiple)) for multiple in TOPOLOGY.baseline.steps]
    seconds = (25.0, 30.0, 50.0) if timing == "real" else (4.0, 6.0, 10.0)
    steady = tuple(Step(name, multiple, length) for (name, multiple), length in zip(names, seconds, strict=True))
    real = timing == "real"
    return DrillPlan(
        name="growth",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=region,
        mode=mode,
        # Shorter than a lone loss needs: 1x and 5x come before the peak and warm it further.
        warm_up=Step("warm-up", steady[-1].multiple, 12.0),
        steady=steady,
        lost_at_least_seconds=alone_seconds(timing),
        lost_at_most_seconds=175.0 if real else 45.0,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=40.0 if real else 6.0,
        converge_at_most_seconds=90.0 if real else 35.0,
        objectives=LOSS,
        consistency=consistency,
    )
