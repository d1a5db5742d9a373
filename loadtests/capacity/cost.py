"""What `relevo cost` tells: a month's bill at each growth step, itemised, beside that of a design in one Region.

Pure: quantities come from `shared.demand`, prices from `prices`. An estimate to compare designs with: no free tier, no
discount, no tax, and nothing for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from loadtests.capacity.prices import MILLION, PRICES, REGION, Price
from shared.demand import CHECKS_PER_REGION, Demand, alone, demand_of, shared_by_all
from shared.sizing import functions_of
from shared.topology import Topology

MONTH_SECONDS: Final = 730 * 3600
KB_PER_GB: Final = 1_000_000.0

# Assumed, from typical items as the component tests write them.
LOG_KB: Final = 1.0  # event and effect of an order, with DynamoDB's overhead
VIEW_KB: Final = 0.5  # an event's part of the row and of its copy in the index; work done is forgotten after a week
MESSAGE_KB: Final = 1.0
WRITE_ANSWER_KB: Final = 1.0
READ_ANSWER_KB: Final = 8.0
LOG_LINE_KB: Final = 1.5  # of each invocation: one line of ours, metrics, and Lambda's own
ACCESS_LINE_KB: Final = 0.4
KEPT_MONTHS: Final = 12  # the log keeps everything: storage is what a year leaves
CUSTOM_METRICS: Final = 40
METRIC_ALARMS: Final = 70  # a test compares them with the templates
COMPOSITE_ALARMS: Final = 16
FIREWALL_RULES: Final = 5  # two of ours, three groups of AWS; likewise
TRACED_PER_SECOND, TRACED_SHARE = 1.0, 0.05  # X-Ray's default: one a second, and one in twenty of the rest
STREAM_POLLS_PER_SECOND: Final = 4

ASSUMPTIONS: Final = (
    f"storage is what {KEPT_MONTHS} months leave: {LOG_KB:g} KB an order in the log, {VIEW_KB:g} in the view",
    f"{CUSTOM_METRICS} custom metrics a Region, {LOG_LINE_KB:g} KB of log an invocation",
    f"answers of {WRITE_ANSWER_KB:g} KB to a write and {READ_ANSWER_KB:g} KB to a read",
    "an order is a command that is accepted: any change of status",
)

Design = Literal["all Regions", "one Region"]


@dataclass(frozen=True)
class Line:
    """One position of a month's bill."""

    service: str
    item: str
    quantity: float
    price: Price

    @property
    def dollars(self) -> float:
        return self.price.of_quantity(self.quantity)


@dataclass(frozen=True)
class Bill:
    """A month at one growth step in one design."""

    multiple: int
    design: Design
    orders: float
    lines: tuple[Line, ...]

    @property
    def dollars(self) -> float:
        return sum(line.dollars for line in self.lines)

    @property
    def per_million_orders(self) -> float:
        return self.dollars / self.orders * MILLION

    def by_service(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for line in self.lines:
            found[line.service] = found.get(line.service, 0.0) + line.dollars
        return found


@dataclass(frozen=True)
class Comparison:
    """One growth step in both designs: what is more is what resilience costs."""

    resilient: Bill
    single: Bill

    @property
    def resilience_dollars(self) -> float:
        return self.resilient.dollars - self.single.dollars

    @property
    def resilience_share(self) -> float:
        """The part of the bill that a design in one Region would not have."""
        return self.resilience_dollars / self.resilient.dollars


def compare(topology: Topology) -> tuple[Comparison, ...]:
    """The bills of every growth step."""
    return tuple(
        Comparison(bill(topology, multiple, "all Regions"), bill(topology, multiple, "one Region"))
        for multiple in topology.baseline.steps
    )


def bill(topology: Topology, multiple: int, design: Design) -> Bill:
    """A month at a growth step. One Region has neither replicas nor health checks nor a peer to look after."""
    growth = topology.baseline
    orders = growth.orders_per_second * multiple
    if design == "all Regions":
        regions = len(topology.regions)
        demand = demand_of(shared_by_all(growth, multiple, regions), topology)
    else:
        regions = 1
        demand = demand_of(alone(growth, multiple), replace(topology, health_checker_regions=()))
    return Bill(multiple, design, orders * MONTH_SECONDS, tuple(_Month(demand, topology, regions, orders).lines()))


@dataclass(frozen=True)
class _Month:
    """Makes positions; the demand is that of one Region, so its quantities count once for each."""

    demand: Demand
    topology: Topology
    regions: int
    orders: float  # per second, of all Regions

    @property
    def is_resilient(self) -> bool:
        return self.regions > 1

    def rate(self, service: str, item: str, per_second: float, price: str) -> Line:
        return Line(service, item, per_second * MONTH_SECONDS * self.regions, PRICES[price])

    def each(self, service: str, item: str, quantity: float, price: str) -> Line:
        return Line(service, item, quantity * self.regions, PRICES[price])

    def lines(self) -> Iterator[Line]:
        yield from self._compute()
        yield from self._tables()
        yield from self._messages()
        yield from self._front()
        yield from self._watching()
        yield from self._transfer()

    @property
    def _invocations(self) -> float:
        return sum(work.per_second for work in self.demand.functions.values())

    def _compute(self) -> Iterator[Line]:
        busy = sum(
            self.demand.functions[name].concurrency * size.memory_mb / 1024
            for name, size in functions_of(self.topology).items()
        )
        yield self.rate("API Gateway", "requests", self.demand.gateway_requests, "gateway request")
        yield self.rate("Lambda", "requests", self._invocations, "function request")
        yield self.rate("Lambda", "time", busy, "function time")

    def _tables(self) -> Iterator[Line]:
        demand = self.demand
        if self.is_resilient:
            yield self.rate("DynamoDB", "replicated writes of the log", demand.log_writes, "replicated write unit")
        else:
            yield self.rate("DynamoDB", "writes of the log", demand.log_writes, "write unit")
        yield self.rate("DynamoDB", "writes of the view", demand.view_writes, "write unit")
        indexes = demand.list_index_writes + demand.pending_index_writes
        yield self.rate("DynamoDB", "writes of the view's indexes", indexes, "write unit")
        yield self.rate("DynamoDB", "reads", demand.log_reads + demand.view_reads + demand.account_reads, "read unit")
        stored = self.orders * MONTH_SECONDS * KEPT_MONTHS * (LOG_KB + VIEW_KB) / KB_PER_GB
        yield self.each("DynamoDB", "storage", stored, "table storage")
        yield self.each("DynamoDB", "point-in-time recovery", stored, "point-in-time recovery")
        polls = STREAM_POLLS_PER_SECOND * demand.stream_shards
        yield self.rate("DynamoDB streams", "reads by the relay", polls, "stream read by Lambda")

    def _messages(self) -> Iterator[Line]:
        demand = self.demand
        volume = demand.events_published * MESSAGE_KB / KB_PER_GB
        yield self.rate("SNS", "FIFO messages published", demand.events_published, "topic publish")
        yield self.rate("SNS", "volume published", volume, "topic publish volume")
        yield self.rate("SNS", "FIFO messages delivered", demand.events_published, "topic delivery")
        yield self.rate("SNS", "volume delivered", volume, "topic delivery volume")
        requests = demand.queue_sends + demand.queue_receives + demand.queue_deletes + demand.queue_looks
        yield self.rate("SQS", "FIFO requests", requests, "queue request")
        yield self.rate("SQS", "requests of webhooks", demand.webhook_queue_requests, "queue request")
        yield self.rate("EventBridge", "effects announced", demand.effects_announced, "bus event")

    def _front(self) -> Iterator[Line]:
        yield Line("Route 53", "hosted zone", 1, PRICES["hosted zone"])
        if self.is_resilient:
            yield self.each("Route 53", "health checks", CHECKS_PER_REGION, "health check")
            yield self.each("Route 53", "calculated health checks", 1, "calculated health check")
        yield self.each("WAF", "web ACL", 1, "web ACL")
        yield self.each("WAF", "rules", FIREWALL_RULES, "firewall rule")
        yield self.rate("WAF", "requests", self.demand.gateway_requests, "firewall request")
        yield self.each("Secrets Manager", "keyring", 1, "secret")

    def _watching(self) -> Iterator[Line]:
        requests = self.demand.gateway_requests
        logs = (self._invocations * LOG_LINE_KB + requests * ACCESS_LINE_KB) / KB_PER_GB
        yield self.rate("CloudWatch", "logs", logs, "log volume")
        yield self.each("CloudWatch", "custom metrics", CUSTOM_METRICS, "custom metric")
        yield self.each("CloudWatch", "metric alarms", METRIC_ALARMS, "alarm")
        yield self.each("CloudWatch", "composite alarms", COMPOSITE_ALARMS, "composite alarm")
        # One for each Region, and one across them.
        dashboards = self.regions + 1 if self.is_resilient else 1
        yield Line("CloudWatch", "dashboards", dashboards, PRICES["dashboard"])
        traced = min(requests, TRACED_PER_SECOND) + max(requests - TRACED_PER_SECOND, 0.0) * TRACED_SHARE
        yield self.rate("X-Ray", "traces", traced, "trace")

    def _transfer(self) -> Iterator[Line]:
        load = self.demand.load
        if self.is_resilient:
            crossing = self.orders * (self.regions - 1) * LOG_KB * MONTH_SECONDS / KB_PER_GB
            yield Line("Data transfer", "replication", crossing, PRICES["transfer between Regions"])
        answers = (load.orders * WRITE_ANSWER_KB + load.every_read * READ_ANSWER_KB) / KB_PER_GB
        yield self.rate("Data transfer", "answers to clients", answers, "transfer to the Internet")


def document(topology: Topology) -> dict[str, Any]:
    """The comparison for machines."""
    growth = topology.baseline
    return {
        "baseline": {
            "orders_per_second": growth.orders_per_second,
            "reads_per_second": growth.reads_per_second,
            "viewers": growth.viewers,
        },
        "currency": "USD",
        "prices_of_region": REGION,
        "assumptions": list(ASSUMPTIONS),
        "steps": [
            {
                "multiple": found.resilient.multiple,
                "orders_per_month": found.resilient.orders,
                **{name: _plain(bill) for name, bill in (("resilient", found.resilient), ("single", found.single))},
                "resilience_dollars": found.resilience_dollars,
                "resilience_share": found.resilience_share,
            }
            for found in compare(topology)
        ],
    }


def _plain(found: Bill) -> dict[str, Any]:
    return {
        "design": found.design,
        "dollars_per_month": found.dollars,
        "dollars_per_million_orders": found.per_million_orders,
        "by_service": found.by_service(),
        "lines": [
            {
                "service": line.service, "item": line.item, "quantity": line.quantity, "unit": line.price.unit,
                "dollars": line.dollars, "price": line.price.dollars, "per": line.price.per, "price_of": line.price.of,
                "price_source": line.price.source,
            }
            for line in found.lines
        ],
    }  # fmt: skip
