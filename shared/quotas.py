"""AWS's default quotas for each Region, and what of a demand each one limits. Data, with where it was read.

An account may have others, new ones above all: look at Service Quotas before you believe these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.demand import PARTITION_READS, PARTITION_WRITES, Demand, littles_law, relay_records_per_second
from shared.hot_keys import LARGEST_ITEM_BYTES, moves_at_most
from shared.topology import STATUSES, TOPOLOGY

RED_ABOVE: Final = 0.70  # of a quota, at the largest step on one Region
READ_IN: Final = "AWS's documentation of 2025 and 2026"
# Lambda keeps a hundred of an account's concurrency for functions that reserve none.
ACCOUNT_CONCURRENCY: Final = 1000
UNRESERVED: Final = 100
GATEWAY_REQUESTS: Final = 10_000
TABLE_UNITS: Final = 40_000
QUEUE_SOURCE_CONCURRENCY: Final = 1250
SMALL_REGION, LARGE_REGION = "us-east-2", "us-east-1"


class UnknownRegionError(LookupError):
    """A Region whose quotas nobody has looked up."""


@dataclass(frozen=True)
class Quota:
    """A limit of AWS, and how much of it a demand uses in the same unit."""

    service: str
    name: str
    unit: str
    limits: Mapping[str, float]
    used: Callable[[Demand], float] = field(repr=False)
    source: str
    instead: str = ""  # what to do where AWS raises nothing
    is_of_key: bool = False  # of one key or item, so it is the topology's numbers of keys that decide

    @property
    def can_be_raised(self) -> bool:
        return not self.instead

    def limit(self, region: str) -> float:
        """The default in a Region; raises ``UnknownRegionError``."""
        try:
            return self.limits[region]
        except KeyError:
            raise UnknownRegionError(f"no quota {self.name!r} for {region} in shared/quotas.py") from None


def _both(limit: float) -> dict[str, float]:
    return {LARGE_REGION: limit, SMALL_REGION: limit}


def _fifo_calls(name: str, used: Callable[[Demand], float]) -> Quota:
    return Quota(
        "SQS", f"FIFO {name} calls, high throughput", "calls/s", {LARGE_REGION: 70_000, SMALL_REGION: 19_000}, used,
        "SQS developer guide, quotas of messages",
    )  # fmt: skip


def _of_key(
    what: str, limit: float, unit: str, used: Callable[[Demand], float], instead: str,
    source: str = "DynamoDB developer guide, partitions", service: str = "DynamoDB",
) -> Quota:  # fmt: skip
    return Quota(service, what, unit, _both(limit), used, source, f"no quota: {instead}", is_of_key=True)


MORE_KPI_ITEMS: Final = "more kpi_items in the topology (100 are read in one call); then cells"


def _most_started(demand: Demand) -> float:
    """A failover may start every environment of a function anew."""
    return max(work.concurrency for work in demand.functions.values())


QUOTAS: Final = (
    Quota("API Gateway", "requests of all APIs", "requests/s", _both(GATEWAY_REQUESTS),
          lambda d: d.gateway_requests, "API Gateway developer guide, limits"),
    Quota("API Gateway", "requests at once (burst)", "requests", _both(5_000),
          lambda d: d.gateway_requests, "API Gateway developer guide, limits",
          instead="the burst follows the rate: ask for a higher rate"),
    Quota("API Gateway", "usage plans of the account", "plans", _both(300),
          lambda _: len(TOPOLOGY.usage_plans) + 1.0, "API Gateway developer guide, limits"),
    Quota("Lambda", "concurrency of the account", "at once", _both(ACCOUNT_CONCURRENCY),
          lambda d: d.concurrency, "Lambda developer guide, limits; new accounts have less"),
    Quota("Lambda", "new environments of one function in 10 s", "environments", _both(1_000),
          _most_started, "Lambda developer guide, scaling",
          instead="keep environments warm: provisioned concurrency"),
    Quota("Lambda", "concurrency of queue event sources", "at once", _both(QUEUE_SOURCE_CONCURRENCY),
          lambda d: d.functions["processor"].concurrency, "Lambda developer guide, SQS event sources"),
    Quota("DynamoDB", "write units of the order log", "WCU", _both(TABLE_UNITS),
          lambda d: d.log_writes, "DynamoDB developer guide, limits"),
    Quota("DynamoDB", "read units of the order log", "RCU", _both(TABLE_UNITS),
          lambda d: d.log_reads, "DynamoDB developer guide, limits"),
    Quota("DynamoDB", "write units of the order view", "WCU", _both(TABLE_UNITS),
          lambda d: d.view_writes, "DynamoDB developer guide, limits"),
    Quota("DynamoDB", "read units of the order view", "RCU", _both(TABLE_UNITS),
          lambda d: d.view_reads, "DynamoDB developer guide, limits"),
    _of_key("write units of a KPI item of orders", PARTITION_WRITES, "WCU",
            lambda d: d.kpi.order.writes, MORE_KPI_ITEMS),
    _of_key("write units of a KPI item of products", PARTITION_WRITES, "WCU",
            lambda d: d.kpi.product.writes, MORE_KPI_ITEMS),
    _of_key("write units of a KPI item of couriers", PARTITION_WRITES, "WCU",
            lambda d: d.kpi.courier.writes, MORE_KPI_ITEMS),
    _of_key("size of a KPI item of couriers", LARGEST_ITEM_BYTES, "bytes",
            lambda d: d.kpi.courier.item_bytes, MORE_KPI_ITEMS, "DynamoDB developer guide, limits"),
    _of_key("transactions on a KPI item of orders", moves_at_most(), "transactions/s",
            lambda d: d.kpi.order.moves, MORE_KPI_ITEMS, "shared/hot_keys.py: 15 of 100 lose a race", "Relevo"),
    _of_key("transactions on a KPI item of products", moves_at_most(), "transactions/s",
            lambda d: d.kpi.product.moves, MORE_KPI_ITEMS, "shared/hot_keys.py: 15 of 100 lose a race", "Relevo"),
    _of_key("write units of a key of the pending index", PARTITION_WRITES, "WCU",
            lambda d: d.pending_key_writes, "more pending_keys in the topology"),
    _of_key("write units of a key of the list's newest bucket", PARTITION_WRITES, "WCU",
            lambda d: d.list_key_writes, "more list_keys in the topology"),
    _of_key("write units of a day's freshness marks", PARTITION_WRITES, "WCU",
            lambda d: d.freshness_writes, "cells"),
    _of_key("read units of the drain register", PARTITION_READS, "RCU",
            lambda d: d.register_reads, "fewer health checks"),
    _of_key("read units of one account that sends everything", PARTITION_READS, "RCU",
            lambda d: d.account_reads, "several accounts for that client"),
    Quota("Relevo", "stream records of a shard (the relay's batches)", "records/s", _both(relay_records_per_second(1)),
          lambda d: d.stream_records / d.stream_shards, "shared/durations.py: no quota of AWS, a limit of ours",
          instead="no quota: a warmer log has more shards"),
    Quota("SNS", "FIFO publishes", "messages/s", {LARGE_REGION: 30_000, SMALL_REGION: 3_000},
          lambda d: d.events_published, "AWS general reference, SNS quotas"),
    Quota("SNS", "filter policies of a topic", "policies", _both(200),
          lambda _: float(len(STATUSES)), "AWS general reference, SNS quotas"),
    Quota("SNS", "subscriptions of a FIFO topic", "subscriptions", _both(100),
          lambda _: float(len(STATUSES)), "AWS general reference, SNS quotas"),
    _fifo_calls("SendMessage", lambda d: d.queue_sends),
    _fifo_calls("ReceiveMessage", lambda d: d.queue_receives),
    _fifo_calls("DeleteMessage", lambda d: d.queue_deletes),
    Quota("SQS", "FIFO messages in flight in a queue", "messages", _both(120_000),
          lambda d: littles_law(d.load.accepted, d.functions["processor"].seconds), "botocore's service model of SQS",
          instead="no quota: raise the processor's concurrency"),
    Quota("EventBridge", "PutEvents calls", "calls/s", {LARGE_REGION: 10_000, SMALL_REGION: 2_400},
          lambda d: d.effects_announced, "EventBridge user guide, quotas"),
    Quota("Route 53", "health checks of the account", "checks", _both(200),
          lambda _: 3.0 * len(TOPOLOGY.regions), "from memory: look at Service Quotas"),
)  # fmt: skip


def allowed(limit: float) -> float:
    """How much of a limit may be used before it is red."""
    return limit * RED_ABOVE


def is_red(used: float, limit: float) -> bool:
    return used > allowed(limit)
