"""What `relevo capacity` tells: demand at each growth step over both Regions and on one alone, against every quota.

Pure: the numbers come from `shared.demand` and `shared.quotas`, the same that a synth takes its sizes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from shared.demand import Demand, alone, demand_of, shared_by_all
from shared.durations import DURATIONS
from shared.quotas import QUOTAS, READ_IN, RED_ABOVE, Quota, is_red
from shared.sizing import (
    FIREWALL_WINDOW_SECONDS,
    disagreements,
    functions_of,
    needed_concurrency,
    reserved_in_all,
    sizes_of,
)
from shared.topology import Topology

Serving = Literal["all Regions", "one Region alone"]


@dataclass(frozen=True)
class Scenario:
    """One growth step, and which Regions serve it. A demand is that of each Region that serves."""

    multiple: int
    serving: Serving
    demand: Demand

    @property
    def name(self) -> str:
        return f"{self.multiple}x, {self.serving}"


@dataclass(frozen=True)
class Use:
    """How much of a quota one Region uses in a scenario."""

    quota: Quota
    region: str
    used: float

    @property
    def limit(self) -> float:
        return self.quota.limit(self.region)

    @property
    def share(self) -> float:
        return self.used / self.limit

    @property
    def is_red(self) -> bool:
        return is_red(self.used, self.limit)

    @property
    def headroom(self) -> float:
        """How many times this load fits under the limit; infinite where nothing is used."""
        return self.limit / self.used if self.used else math.inf

    @property
    def advice(self) -> str:
        """What to ask AWS for, or what to change where AWS raises nothing; empty while there is room."""
        if not self.is_red:
            return ""
        if not self.quota.can_be_raised:
            return self.quota.instead
        return f"ask AWS for {round_up(self.used / RED_ABOVE):,} {self.quota.unit} in {self.region}"


@dataclass(frozen=True)
class Reserve:
    """What a function needs in the hardest scenario, and what the topology gives it."""

    function: str
    needed: int
    reserved: int


@dataclass(frozen=True)
class Forecast:
    """Everything `relevo capacity` shows."""

    topology: Topology
    scenarios: tuple[Scenario, ...]

    @property
    def hardest(self) -> Scenario:
        """The largest step on one Region alone: it decides."""
        return max(
            (found for found in self.scenarios if found.serving == "one Region alone"), key=lambda it: it.multiple
        )

    def settings(self) -> dict[str, str]:
        """What a synth of this topology would set, in words."""
        sizes = sizes_of(self.topology)
        paces = {"writes": sizes.write, "reads": sizes.read, "logins": sizes.login, "health": sizes.health}
        warmths = {
            "order log": sizes.order_log, "order view": sizes.order_view, "index list": sizes.list_index,
            "index pending": sizes.pending_index,
        }  # fmt: skip
        return {
            **{f"throttle of {name}": f"{it.rate:,}/s, {it.burst:,} at once" for name, it in paces.items()},
            "firewall, one address": f"{sizes.requests_per_window:,} requests and {sizes.logins_per_window:,} logins "
            f"in {FIREWALL_WINDOW_SECONDS} s",
            **{
                f"usage plan {it.name}, one client": f"{it.requests_per_second:,}/s, {it.burst:,} at once, "
                f"{it.requests_a_day:,} a day"
                for it in self.topology.usage_plans
            },
            **{
                f"warm throughput of {name}": f"{it.reads:,} reads/s, {it.writes:,} writes/s"
                for name, it in warmths.items()
            },
        }

    def uses(self, scenario: Scenario) -> Iterator[Use]:
        for quota in QUOTAS:
            for region in self.topology.region_names:
                yield Use(quota, region, quota.used(scenario.demand))

    @property
    def red(self) -> list[Use]:
        return [use for use in self.uses(self.hardest) if use.is_red]

    @property
    def reserves(self) -> list[Reserve]:
        demand = self.hardest.demand
        return [
            Reserve(name, needed_concurrency(name, demand), size.reserved_concurrency)
            for name, size in functions_of(self.topology).items()
        ]

    @property
    def faults(self) -> list[str]:
        """Why a synth of this topology would refuse."""
        return list(disagreements(self.topology))

    @property
    def holds(self) -> bool:
        """Whether one Region alone carries the largest step with room to spare."""
        return not self.red and not self.faults


def forecast(topology: Topology) -> Forecast:
    """Work out every growth step of a topology's baseline."""
    growth, regions = topology.baseline, len(topology.regions)
    both = [Scenario(it, "all Regions", demand_of(shared_by_all(growth, it, regions), topology)) for it in growth.steps]
    one = [Scenario(it, "one Region alone", demand_of(alone(growth, it), topology)) for it in growth.steps]
    return Forecast(topology, (*both, *one))


def round_up(number: float) -> int:
    """A number that one asks for: the next with two digits that count, such as 4,286 -> 4,300."""
    if number <= 10:
        return math.ceil(number)
    step: int = 10 ** (math.floor(math.log10(number)) - 1)
    return math.ceil(number / step) * step


RATES: Final[Mapping[str, Callable[[Demand], float]]] = {
    "API Gateway requests": lambda d: d.gateway_requests,
    "order log, write units": lambda d: d.log_writes,
    "order log, read units": lambda d: d.log_reads,
    "order view, write units": lambda d: d.view_writes,
    "order view's indexes, write units": lambda d: d.list_index_writes + d.pending_index_writes,
    "order view, read units": lambda d: d.view_reads,
    "accounts, read units": lambda d: d.account_reads,
    "stream records": lambda d: d.stream_records,
    "SNS FIFO messages published": lambda d: d.events_published,
    "SQS FIFO SendMessage": lambda d: d.queue_sends,
    "SQS FIFO ReceiveMessage": lambda d: d.queue_receives,
    "SQS FIFO DeleteMessage": lambda d: d.queue_deletes,
    "SQS GetQueueAttributes": lambda d: d.queue_looks,
    "EventBridge events": lambda d: d.effects_announced,
}


def rates_of(demand: Demand) -> dict[str, float]:
    """Everything per second in one Region: requests, units and calls by service."""
    calls = {f"calls: {name}": rate for name, rate in demand.aws_calls.items()}
    return {**{name: rate(demand) for name, rate in RATES.items()}, **calls}


def document(found: Forecast) -> dict[str, Any]:
    """The forecast for machines."""
    growth = found.topology.baseline
    return {
        "baseline": {
            "orders_per_second": growth.orders_per_second, "reads_per_second": growth.reads_per_second,
            "viewers": growth.viewers,
        },
        "holds": found.holds,
        "decided_by": found.hardest.name,
        "red_above": RED_ABOVE,
        "quotas_from": READ_IN,
        "durations": {
            name: {"milliseconds": it.milliseconds, "basis": it.basis, "day": it.day, "source": it.source}
            for name, it in DURATIONS.items()
        },
        "scenarios": [
            {
                "multiple": scenario.multiple,
                "serving": scenario.serving,
                "per_second_in_a_region": rates_of(scenario.demand),
                "concurrency": {name: work.concurrency for name, work in scenario.demand.functions.items()},
                "quotas": [
                    {
                        "service": use.quota.service, "name": use.quota.name, "unit": use.quota.unit,
                        "region": use.region, "used": use.used, "limit": use.limit, "share": use.share,
                        "left": use.limit - use.used, "red": use.is_red, "advice": use.advice,
                        "source": use.quota.source,
                    }
                    for use in found.uses(scenario)
                ],
            }
            for scenario in found.scenarios
        ],
        "reserved_concurrency": {
            "functions": {it.function: {"needed": it.needed, "reserved": it.reserved} for it in found.reserves},
            "in_all": reserved_in_all(found.topology),
        },
        "settings": asdict(sizes_of(found.topology)),
        "ask": list(dict.fromkeys(use.advice for use in found.red)),
        "synth_refuses": found.faults,
    }  # fmt: skip
