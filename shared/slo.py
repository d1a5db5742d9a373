"""Every promise of Relevo as a number. Alarms, the load gate and the drills read these and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Timing = Literal["real", "quick"]
Bound = Literal["at_most", "at_least"]


@dataclass(frozen=True)
class Objective:
    """A promise: what is measured, in which unit, and the bound in real and in quick timing.

    Quick timing shortens health checks, DNS TTL and every wait of the product (see ``QUICK``); bounds that follow from
    those waits shrink with it, counts do not.
    """

    name: str
    unit: str
    real: float
    quick: float
    bound: Bound = "at_most"

    def limit(self, timing: Timing) -> float:
        return self.real if timing == "real" else self.quick

    def holds(self, achieved: float | None, timing: Timing) -> bool:
        """Whether the measured value keeps the promise; what was not measured keeps none."""
        if achieved is None:
            return False
        limit = self.limit(timing)
        return achieved <= limit if self.bound == "at_most" else achieved >= limit


@dataclass(frozen=True)
class ClockScale:
    """How fast the lab's clock of waits runs: health checks, TTL, and the product's ``TimeScale``."""

    time_scale: float
    health_check_interval_seconds: float
    dns_ttl_seconds: float


REAL: Final = ClockScale(time_scale=1.0, health_check_interval_seconds=10.0, dns_ttl_seconds=60.0)
QUICK: Final = ClockScale(time_scale=0.1, health_check_interval_seconds=1.0, dns_ttl_seconds=2.0)

OBJECTIVES: Final[tuple[Objective, ...]] = (
    Objective("lost_orders", "commands", 0, 0),
    Objective("duplicate_effects", "events", 0, 0),
    Objective("announcements_missing", "effects", 0, 0),
    Objective("sales_differ_from_ledger", "COP", 0, 0),
    Objective("view_differs_from_log", "orders", 0, 0),
    Objective("replicas_differ", "items", 0, 0),
    Objective("freshness_p99_seconds", "s", 10, 10),
    Objective("error_rate_steady", "fraction", 0.001, 0.001),
    Objective("p95_ms_steady", "ms", 500, 500),
    Objective("achieved_rto_p95_seconds", "s", 100, 25),
    Objective("detection_seconds", "s", 30, 8),
    Objective("survivor_carries_10x", "fraction", 0.95, 0.95, "at_least"),
    Objective("takeover_seconds", "s", 150, 30),
    Objective("converged_seconds", "s", 60, 30),
)
# Evacuating a healthy Region costs nobody a request; there is nothing to detect and nothing to take over.
EVACUATION: Final[tuple[Objective, ...]] = (
    *OBJECTIVES[:9],
    Objective("failed_requests", "requests", 0, 0),
    Objective("evacuation_seconds", "s", 95, 20),
    *OBJECTIVES[-1:],
)
BY_NAME: Final = {objective.name: objective for objective in (*OBJECTIVES, *EVACUATION)}
