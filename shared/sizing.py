"""The sizes that a synth sets, from the demand of the largest step on one Region alone; refuses sizes that disagree.

Throttles, firewall rates and warm throughput follow from the load. Reserved concurrency is chosen in the topology,
since it cuts an account's pool into parts, and is checked here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from shared.demand import (
    NEW_TABLE_READS,
    NEW_TABLE_WRITES,
    PARTITION_WRITES,
    Demand,
    Load,
    alone,
    demand_of,
    imported_at_most,
    peak_alone,
)
from shared.durations import DURATIONS
from shared.hot_keys import DAY_SECONDS
from shared.quotas import (
    ACCOUNT_CONCURRENCY,
    GATEWAY_REQUESTS,
    QUEUE_SOURCE_CONCURRENCY,
    QUOTAS,
    TABLE_UNITS,
    UNRESERVED,
    allowed,
    is_red,
)
from shared.topology import STATUSES, TOPOLOGY, Function, Topology

# Room of a throttle above the largest step: it stops a runaway client, never a busy day.
THROTTLE_HEADROOM: Final = 10
# scrypt makes a login costly, and tokens last half an hour. Health checkers come about twice a second.
LOGINS_PER_SECOND: Final = 50
HEALTH_PER_SECOND: Final = 50
# Little's law gives the average; arrivals come in bursts, and durations are of a lab.
CONCURRENCY_MARGIN: Final = 2.0
FIREWALL_WINDOW_SECONDS: Final = 300
# Couriers share addresses behind their carrier's NAT, and a client system is one address: one alone may send all that
# the largest growth step expects, and half as much again.
FIREWALL_MARGIN: Final = 1.5
LEAST_LOGINS_PER_WINDOW: Final = 300
LEAST_PER_WINDOW: Final = 10  # WAF takes no lower limit
# Lambda ends a chain in which a function calls itself some 16 times; an import must be over before.
MOST_HAND_OVERS: Final = 12
WARM_MARGIN: Final = 2.0
WARM_STEP: Final = 1000.0
_OF_LOAD: Final = ("api", "authorizer", "health", "relay", "processor", "webhook", "importer", "sentinel")


class SizingError(ValueError):
    """The topology's sizes do not carry its growth, or do not fit into an account."""


@dataclass(frozen=True)
class Pace:
    """A throttle: requests per second, and how many may come at once."""

    rate: int
    burst: int


@dataclass(frozen=True)
class Warmth:
    """Units per second that a table or an index takes at once, without growing first."""

    reads: int
    writes: int


@dataclass(frozen=True)
class Sizes:
    """What a synth sets, beside the functions' own sizes in the topology."""

    write: Pace
    read: Pace
    login: Pace
    health: Pace
    requests_per_window: int
    logins_per_window: int
    order_log: Warmth
    order_view: Warmth
    list_index: Warmth
    pending_index: Warmth


def sizes_of(topology: Topology = TOPOLOGY) -> Sizes:
    """The sizes of either Region: one has to carry the other's load too."""
    demand = demand_of(_busiest(topology), topology)
    load = demand.load
    return Sizes(
        write=_pace(load.orders * THROTTLE_HEADROOM),
        read=_pace(load.every_read * THROTTLE_HEADROOM),
        login=_pace(LOGINS_PER_SECOND),
        health=_pace(HEALTH_PER_SECOND),
        requests_per_window=max(LEAST_PER_WINDOW, _per_window(load.orders + load.every_read)),
        logins_per_window=max(LEAST_LOGINS_PER_WINDOW, _per_window(load.logins)),
        order_log=_warm_for(demand.stream_shards, _warm(demand.log_reads, demand.log_writes)),
        order_view=_warm(demand.view_reads, demand.view_writes),
        list_index=_warm(demand.view_reads, demand.list_index_writes),
        pending_index=_warm(demand.view_reads, demand.pending_index_writes),
    )


def check(topology: Topology = TOPOLOGY) -> None:
    """Raise ``SizingError`` with everything that disagrees."""
    faults = list(disagreements(topology))
    if faults:
        raise SizingError(
            "sizes disagree with the load of `relevo capacity`:\n" + "\n".join(f"- {it}" for it in faults)
        )


def disagreements(topology: Topology) -> Iterator[str]:
    """Name what the largest step on one Region alone needs and does not get."""
    demand = demand_of(_busiest(topology), topology)
    step = f"{max(topology.baseline.steps)}x on one Region"
    for name, size in functions_of(topology).items():
        needed = needed_concurrency(name, demand)
        if size.reserved_concurrency < needed:
            yield f"{name} reserves {size.reserved_concurrency} at once, but {step} needs {needed}"
    total = reserved_in_all(topology)
    if total > ACCOUNT_CONCURRENCY - UNRESERVED:
        yield (
            f"all functions reserve {total} at once, but an account has {ACCOUNT_CONCURRENCY} by default and keeps "
            f"{UNRESERVED} of them unreserved"
        )
    polled = topology.processor.reserved_concurrency * len(STATUSES) + topology.webhook.reserved_concurrency
    if polled > QUEUE_SOURCE_CONCURRENCY:
        yield f"the queues' functions may be {polled} at once, but Lambda polls for {QUEUE_SOURCE_CONCURRENCY}"
    yield from _imports(topology)
    yield from _hot_keys(topology)
    sizes = sizes_of(topology)
    for what, pace, rate in (
        ("logins", sizes.login, demand.load.logins),
        ("health checks", sizes.health, demand.health_requests),
    ):
        if is_red(rate, pace.rate):
            yield f"{what} are throttled at {pace.rate}/s, but {step} makes {rate:.1f}/s"
    if is_red(demand.gateway_requests, GATEWAY_REQUESTS):
        yield (
            f"the gateway takes {GATEWAY_REQUESTS} requests/s in a Region by default, but {step} makes "
            f"{demand.gateway_requests:.0f}; at most {allowed(GATEWAY_REQUESTS):.0f} are planned for"
        )
    yield from _plans(topology, sizes)
    for table, warmth in (("order log", sizes.order_log), ("order view", sizes.order_view)):
        if max(warmth.reads, warmth.writes) > TABLE_UNITS:
            yield f"the {table} would be warm for {warmth.reads} reads and {warmth.writes} writes, above {TABLE_UNITS}"


def _plans(topology: Topology, sizes: Sizes) -> Iterator[str]:
    """Name what a plan promises that the throttles of all clients, or the firewall, would not let through."""
    for plan in topology.usage_plans:
        for what, pace in (("writes", sizes.write), ("reads", sizes.read)):
            if is_red(plan.requests_per_second, pace.rate) or is_red(plan.burst, pace.burst):
                yield (
                    f"plan {plan.name} lets one client make {plan.requests_per_second} requests/s, {plan.burst} at "
                    f"once, but all clients together have {pace.rate} and {pace.burst} for their {what}"
                )
        if plan.requests_per_second * FIREWALL_WINDOW_SECONDS > sizes.requests_per_window:
            yield (
                f"plan {plan.name} lets one client make {plan.requests_per_second} requests/s, but the firewall blocks "
                f"an address at {sizes.requests_per_window} in {FIREWALL_WINDOW_SECONDS} s"
            )
        if plan.requests_a_day > plan.requests_per_second * DAY_SECONDS:
            yield f"plan {plan.name} cannot use up {plan.requests_a_day} requests a day at its rate"


def _busiest(topology: Topology) -> Load:
    """All clients on one Region, and a file being imported beside them."""
    return replace(peak_alone(topology), imported=imported_at_most(topology))


def _imports(topology: Topology) -> Iterator[str]:
    """Name an import that would never come to its end."""
    takes = topology.imports.rows / topology.imports.orders_per_second / DURATIONS["import take"].seconds
    if takes > MOST_HAND_OVERS:
        yield f"{topology.imports.rows} rows take {takes:.0f} invocations of the importer, but Lambda stops such chains"


def _hot_keys(topology: Topology) -> Iterator[str]:
    """Name what one key has to carry too much of, at 100x or at the largest step on one Region alone.

    What files of orders add in all Regions, for hours at most, may use the room that is otherwise kept free.
    """
    growth = topology.baseline
    multiple = max(topology.keys_carry / growth.orders_per_second, *growth.steps)
    load = alone(growth, multiple)
    with_files = replace(load, imported=imported_at_most(topology) * len(topology.regions))
    demand, busiest = demand_of(load, topology), demand_of(with_files, topology)
    for quota in QUOTAS:
        used, most, limit = quota.used(demand), quota.used(busiest), min(quota.limits.values())
        if quota.is_of_key and (is_red(used, limit) or most > limit):
            yield (
                f"{quota.name}: {used:,.1f} of {limit:,.1f} {quota.unit} at {load.orders:g} orders/s, {most:,.1f} with "
                f"files of orders; {quota.instead}"
            )


def functions_of(topology: Topology) -> dict[str, Function]:
    """The functions whose work follows from the load, by the names that a demand uses."""
    return {name: getattr(topology, name) for name in _OF_LOAD}


def reserved_in_all(topology: Topology) -> int:
    """What all functions reserve of an account; there is a processor for each status."""
    return topology.stream_arn.reserved_concurrency + sum(
        size.reserved_concurrency * (len(STATUSES) if name == "processor" else 1)
        for name, size in functions_of(topology).items()
    )


def needed_concurrency(name: str, demand: Demand) -> int:
    """What a function has to reserve: Little's law with a margin, and a place for each shard of the stream."""
    if name in ("sentinel", "importer"):
        return 1  # alone by design, and busy nearly all the time
    needed = math.ceil(demand.functions[name].concurrency * CONCURRENCY_MARGIN)
    return max(needed, demand.stream_shards) if name == "relay" else needed


def _pace(rate: float) -> Pace:
    at_least_one = max(1, math.ceil(rate))  # a throttle of none would close the route
    return Pace(at_least_one, 2 * at_least_one)


def _per_window(per_second: float) -> int:
    # Rounded first: a third of a second is no whole number, and its last digit would make a request more.
    return math.ceil(round(per_second * FIREWALL_WINDOW_SECONDS * FIREWALL_MARGIN, 6))


def _warm_for(shards: int, warmth: Warmth) -> Warmth:
    """As many partitions, and so shards of its stream, as the relay needs to keep up."""
    return Warmth(warmth.reads, max(warmth.writes, int(shards * PARTITION_WRITES)))


def _warm(reads: float, writes: float) -> Warmth:
    """As a new table is, which is free, or in whole thousands what is needed twice over."""

    def thousands(units: float) -> int:
        return int(math.ceil(units * WARM_MARGIN / WARM_STEP) * WARM_STEP)

    return Warmth(max(int(NEW_TABLE_READS), thousands(reads)), max(int(NEW_TABLE_WRITES), thousands(writes)))
