"""The region-loss drill: steady load, one Region lost at 10x, brought back and readmitted.

Hypothesis: as in the growth drill, without the growth. It is the short rehearsal that `make test` runs in quick timing.
"""

from __future__ import annotations

from loadtests.drills.plan import DrillPlan, Mode, alone_seconds
from loadtests.shapes import Step
from shared.slo import Timing

HYPOTHESIS = "Losing one Region at full load costs clients only the time that DNS takes, and costs nobody an order."


def region_loss_plan(timing: Timing, region: str, mode: Mode) -> DrillPlan:
    real = timing == "real"
    return DrillPlan(
        name="region-loss",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=region,
        mode=mode,
        warm_up=Step("warm-up", 10.0, 15.0 if real else 8.0),
        steady=(Step("5x", 5.0, 20.0 if real else 5.0), Step("10x", 10.0, 30.0 if real else 8.0)),
        lost_at_least_seconds=alone_seconds(timing),
        lost_at_most_seconds=175.0 if real else 40.0,
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=30.0 if real else 5.0,
        converge_at_most_seconds=90.0 if real else 35.0,
    )
