"""What a drill does and for how long, as a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadtests.shapes import Step
from shared.slo import BY_NAME, OBJECTIVES, RPO, Objective, Timing
from shared.topology import TOPOLOGY, Consistency

Mode = Literal["freeze", "crash", "api"]  # how a Region is lost


def alone_seconds(timing: Timing) -> float:
    """How long a Region stays lost: as long as clients may take to come back, and then long enough to measure."""
    return BY_NAME["achieved_rto_p95_seconds"].limit(timing) + (25.0 if timing == "real" else 6.0)


@dataclass(frozen=True)
class DrillPlan:
    """The course of a drill. Waits have a least and a most length, because they end when something is proved."""

    name: str
    hypothesis: str
    timing: Timing
    region: str  # the one that is lost
    mode: Mode | Literal["evacuate", "health", "keys", "release", "matrix", "functions off"]
    warm_up: Step
    steady: tuple[Step, ...]
    lost_at_least_seconds: float
    lost_at_most_seconds: float
    caught_up_at_most_seconds: float
    together_seconds: float  # at the last step's multiple on both Regions, after readmission
    converge_at_most_seconds: float
    seed: str = "relevo"
    objectives: tuple[Objective, ...] = OBJECTIVES
    consistency: Consistency = TOPOLOGY.consistency  # of the global tables

    @property
    def unpromised(self) -> frozenset[str]:
        """Objectives that are measured all the same: eventual tables promise no recovery point."""
        return frozenset() if self.consistency == "strong" else frozenset(objective.name for objective in RPO)

    @property
    def happening(self) -> str:
        """What happens to the Region, in words."""
        match self.mode:
            case "evacuate":
                return f"{self.region} evacuated"
            case "health":
                return "all health checks red"
            case "keys":
                return "the signing key rotated"
            case "release":
                return "a release in each Region"
            case "matrix":
                return "one fault in many situations"
            case mode:
                return f"{self.region} lost ({mode})"

    @property
    def peak(self) -> float:
        return self.steady[-1].multiple

    @property
    def returning(self) -> float:
        """The load while the Region that was lost works off what it missed: half, since two cores do both."""
        return self.peak / 2

    @property
    def usual_seconds(self) -> float:
        """How long the course lasts when every wait ends as soon as it may."""
        return (
            self.warm_up.seconds
            + sum(step.seconds for step in self.steady)
            + self.lost_at_least_seconds
            + self.together_seconds
        )
