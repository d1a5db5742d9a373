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
# What strong global tables promise of a Region that is lost at once; eventual ones say how far behind they were.
RPO: Final[tuple[Objective, ...]] = (
    Objective("rpo_commands", "commands", 0, 0),
    Objective("rpo_seconds", "s", 0, 0),
)
LOSS: Final = (*OBJECTIVES, *RPO)
# Evacuating a healthy Region costs nobody a request; there is nothing to detect and nothing to take over.
EVACUATION: Final[tuple[Objective, ...]] = (
    *OBJECTIVES[:9],
    Objective("failed_requests", "requests", 0, 0),
    Objective("evacuation_seconds", "s", 95, 20),
    *OBJECTIVES[-1:],
)
# With both health checks red Route 53 serves all: nobody notices, and nothing is drained or taken over.
FAIL_OPEN: Final[tuple[Objective, ...]] = (
    *OBJECTIVES[:9],
    Objective("failed_requests", "requests", 0, 0),
    Objective("regions_drained", "Regions", 0, 0),
    Objective("regions_in_dns", "Regions", 2, 2, "at_least"),
    *OBJECTIVES[-1:],
)
# A rotation of the signing key: every token is good until it expires, in both Regions, and none of a retired key is.
KEY_ROTATION: Final[tuple[Objective, ...]] = (
    *OBJECTIVES[:9],
    Objective("failed_requests", "requests", 0, 0),
    Objective("rejected_tokens", "tokens", 0, 0),
    Objective("steps_taken_early", "steps", 0, 0),
    Objective("retired_key_accepted", "tokens", 0, 0),
    *OBJECTIVES[-1:],
)
# A release, and the way back: two versions side by side on one log, and nobody notices which one answers.
RELEASE: Final[tuple[Objective, ...]] = (
    *OBJECTIVES[:9],
    Objective("failed_requests", "requests", 0, 0),
    Objective("items_not_understood", "items", 0, 0),
    Objective("regions_drained", "Regions", 0, 0),
    Objective("versions_side_by_side_seconds", "s", 60, 8, "at_least"),
    *OBJECTIVES[-1:],
)
# A fault of the chaos matrix, in whatever situation: nothing lost, nothing doubled, and all equal again. A message
# whose processing failed comes again after its visibility timeout, 90 s in every timing.
CELL: Final[tuple[Objective, ...]] = (
    *(objective for objective in OBJECTIVES[:6]),
    Objective("cell_converged_seconds", "s", 150, 120),
)
BY_NAME: Final = {
    objective.name: objective for objective in (*LOSS, *EVACUATION, *FAIL_OPEN, *KEY_ROTATION, *RELEASE, *CELL)
}


# What users get on AWS, as error budgets. The bounds are those of the drills' steady state.


@dataclass(frozen=True)
class BudgetObjective:
    """A share of requests that has to be good over ``days``; the rest is the error budget."""

    name: str
    good_share: float
    days: int = 30

    @property
    def budget(self) -> float:
        return round(1 - self.good_share, 9)


AVAILABILITY: Final = BudgetObjective("availability", 1 - BY_NAME["error_rate_steady"].real)
LATENCY: Final = BudgetObjective("latency", 0.95)
LATENCY_MS: Final = BY_NAME["p95_ms_steady"].real  # what 95 of 100 requests keep below
BUDGET_OBJECTIVES: Final = (AVAILABILITY, LATENCY)


@dataclass(frozen=True)
class BurnWindow:
    """Alarm when ``budget_share`` of the budget went in the long window, and the short one says that it goes on."""

    name: str
    long_seconds: int
    short_seconds: int
    budget_share: float
    pages: bool

    def rate(self, objective: BudgetObjective) -> float:
        """How many times faster than evenly the budget goes: 14.4 empties one of 30 days in two days."""
        return round(self.budget_share * objective.days * 86_400 / self.long_seconds, 6)


HOUR: Final = 3600
BURN_WINDOWS: Final = (
    BurnWindow("1h", HOUR, HOUR // 12, 0.02, pages=True),  # 14.4 times
    BurnWindow("6h", 6 * HOUR, HOUR // 2, 0.05, pages=True),  # 6 times
    BurnWindow("3d", 72 * HOUR, 6 * HOUR, 0.10, pages=False),  # once: the budget will just be gone
)
# At night a handful of requests is a large share of an hour's: so many bad ones make a burn.
LEAST_BAD_REQUESTS: Final = 10


@dataclass(frozen=True)
class AlarmLimits:
    """What a Region may reach before an alarm; each is followed for some minutes, so that one bad look wakes nobody."""

    freshness_seconds: float = BY_NAME["freshness_p99_seconds"].real
    heartbeat_age_seconds: float = 120.0  # a peer without health is lost after 45; this is replication alone
    oldest_pending_seconds: float = 600.0  # the tries after 1 and 5 minutes did not help
    # The Region itself has tried, parked (after an hour) and paged long before; this asks why nobody acted.
    peer_oldest_pending_seconds: float = 4200.0
    iterator_age_seconds: float = 60.0
    dead_letters: int = 0
    health_error_share: float = 0.5  # of the answers to Route 53's own questions
    throttled_requests: int = 50  # answers 429 in five minutes: one client that does not slow down


ALARM_LIMITS: Final = AlarmLimits()


@dataclass(frozen=True)
class ReleaseLimits:
    """What takes a new version back. A canary has a tenth of the calls: shares are of all of them."""

    of_minutes: int = 5  # how far alarms look back: the length of the canary
    error_minutes: int = 2  # one bad minute happens
    slow_minutes: int = 3  # cold starts of a new version are over by then
    error_share: float = 10 * AVAILABILITY.budget
    health_error_share: float = 0.05  # of the answers to the checkers; a canary that fails them all makes 0.1
    latency_ms: float = LATENCY_MS
    bake_minutes: float = 10.0  # longer than alarms look back, and ten runs of the sentinel
    order_seconds: float = 60.0  # between two synthetic orders
    shown_seconds: float = BY_NAME["freshness_p99_seconds"].real  # within which an order has its effect
    failed_orders: int = 0


RELEASE_LIMITS: Final = ReleaseLimits()
