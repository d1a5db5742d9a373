"""What a drill does and for how long, as a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadtests.shapes import Step
from shared.slo import Timing

Mode = Literal["freeze", "crash", "api"]


@dataclass(frozen=True)
class DrillPlan:
    """The course of a drill. Waits have a least and a most length, because they end when something is proved."""

    name: str
    hypothesis: str
    timing: Timing
    region: str  # the one that is lost
    mode: Mode
    warm_up: Step
    steady: tuple[Step, ...]
    lost_at_least_seconds: float
    lost_at_most_seconds: float
    caught_up_at_most_seconds: float
    together_seconds: float  # at the last step's multiple on both Regions, after readmission
    converge_at_most_seconds: float
    seed: str = "relevo"

    @property
    def peak(self) -> float:
        return self.steady[-1].multiple

    @property
    def at_most_seconds(self) -> float:
        """An upper bound for the whole course, for a progress bar."""
        steady = sum(step.seconds for step in self.steady)
        waits = self.lost_at_most_seconds + self.caught_up_at_most_seconds + self.converge_at_most_seconds
        return self.warm_up.seconds + steady + waits + self.together_seconds
