"""What one Region watches: its peer as its sentinel sees it, its own pipeline, and its own fitness to serve.

CloudWatch alarms see metrics of their own Region only, so a Region judges its peer by what its sentinel measures of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch

from regions.objectives import STAGE, gateway_metric
from regions.signals import (
    ABOVE,
    AT_LEAST,
    BELOW,
    FIVE_MINUTES,
    MINUTE,
    NAMESPACE,
    Signals,
    counter,
    gauge,
    metric,
    own_metric,
    sum_of,
)
from shared.alarms import ALARM, Alarm
from shared.slo import ALARM_LIMITS
from shared.topology import LIST_INDEX, PENDING_INDEX, RELAY, STATUSES, Topology, function_name

REGION_IMPAIRED = ALARM["region-impaired"]
PROCESSORS = tuple(f"processor_{status}" for status in STATUSES)
# What serves clients or their orders; a second sentinel and a second import at a time are refused by design, and
# deployments tell by themselves.
THROTTLED_PARTS = ("api", "authorizer", "health", "relay", "webhook", *PROCESSORS)
MINUTES_HELD = 3


@dataclass(frozen=True)
class Fitness:
    """Whether this Region serves and sees: what its own alarms about others are worth."""

    impaired: cloudwatch.Alarm
    drained: cloudwatch.Alarm
    no_looks: cloudwatch.Alarm


@dataclass(frozen=True)
class Peer:
    """The peer as the sentinel sees it."""

    not_serving: cloudwatch.Alarm
    lost: cloudwatch.Alarm
    silent: cloudwatch.Alarm


def fitness(signals: Signals) -> Fitness:
    """This Region's own fitness, by the answers to Route 53's checkers and by its sentinel's looks."""
    health = {**STAGE, "Method": "GET", "Resource": "/health"}
    return Fitness(
        impaired=signals.add(
            "impaired-here",
            part_of=REGION_IMPAIRED,
            watched=gateway_metric("5XXError", of=health, statistic="Average", period=MINUTE),
            threshold=ALARM_LIMITS.health_error_share,
            comparison=AT_LEAST,
            periods=MINUTES_HELD,
            breaching_periods=2,
            missing_breaches=True,  # checkers ask many times a minute: silence means that nobody gets here
        ),
        drained=signals.add(
            "drained-here",
            part_of=REGION_IMPAIRED,
            watched=gauge("DrainedHere"),
            threshold=1,
            comparison=AT_LEAST,
            missing_breaches=False,  # it only mutes others, and unknown is not drained
        ),
        no_looks=signals.add(
            "no-looks",
            part_of=ALARM["sentinel-silent"],
            watched=own_metric("Looks", part="sentinel", statistic="Sum"),
            threshold=1,
            comparison=BELOW,
            periods=MINUTES_HELD,
            missing_breaches=True,
        ),
    )


def peer(signals: Signals) -> Peer:
    """The peer's health endpoint and heartbeats. Missing data breaches: a Region that cannot look sees no health."""
    return Peer(
        not_serving=signals.add(
            "peer-not-serving",
            part_of=REGION_IMPAIRED,
            watched=gauge("PeerServing"),
            threshold=1,
            comparison=BELOW,
            periods=MINUTES_HELD,
            missing_breaches=True,
        ),
        lost=signals.add(
            "peer-lost",
            part_of=REGION_IMPAIRED,
            watched=gauge("PeerLostNow"),
            threshold=1,
            comparison=AT_LEAST,
            missing_breaches=False,  # it only makes the page come sooner; what silence means, peer-not-serving says
        ),
        silent=signals.add(
            "peer-silent",
            part_of=ALARM["replication-stalled"],
            watched=gauge("PeerHeartbeatAgeSeconds"),
            threshold=ALARM_LIMITS.heartbeat_age_seconds,
            comparison=ABOVE,
            periods=MINUTES_HELD,
            breaching_periods=2,
            missing_breaches=True,
        ),
    )


def stuck(signals: Signals) -> list[cloudwatch.Alarm]:
    """Pending work that grows old, and work that was given up."""
    alarm = ALARM["orders-stuck"]
    ages = (
        ("own-work-old", "OldestPendingSeconds", ALARM_LIMITS.oldest_pending_seconds),
        ("peer-work-old", "PeerOldestPendingSeconds", ALARM_LIMITS.peer_oldest_pending_seconds),
    )
    return [
        *(_age(signals, name, gauge(watched), limit, alarm) for name, watched, limit in ages),
        _happened(signals, "work-parked", counter("Parked", part="sentinel"), alarm),
    ]


def late(signals: Signals, topology: Topology) -> list[cloudwatch.Alarm]:
    """The projection is behind, or records of the stream were given up and show nowhere."""
    alarm = ALARM["view-late"]
    relay = {"FunctionName": function_name("relay")}
    return [
        *(
            _age(signals, name, gauge(watched), ALARM_LIMITS.freshness_seconds, alarm)
            for name, watched in (("own-view-late", "FreshnessSeconds"), ("peer-view-late", "PeerFreshnessSeconds"))
        ),
        # Missing breaches here too: heartbeats keep the stream flowing, so a relay that reads nothing stands still.
        _age(
            signals,
            "stream-behind",
            metric("IteratorAge", of=relay, namespace="AWS/Lambda", statistic="Maximum"),
            ALARM_LIMITS.iterator_age_seconds * 1000,
            alarm,
        ),
        _filled(signals, "relay-failures", topology.relay_failures_queue, alarm),
    ]


def dead_letters(signals: Signals, topology: Topology) -> list[cloudwatch.Alarm]:
    alarm = ALARM["dead-letters"]
    return [
        *(
            _filled(signals, f"dead-letters-{part}".replace("_", "-"), queue, alarm)
            for part, queue in topology.dead_letter_queues.items()
            if part != RELAY  # that one makes the view late, and is watched there
        ),
        _happened(
            signals,
            "import-given-up",
            # However it ended: tried too often, no right to write its result, or a chain that Lambda stopped. Beside
            # the queue's depth, since it is counted too when the event could not be put into the queue.
            metric(
                "AsyncEventsDropped",
                of={"FunctionName": function_name("importer")},
                namespace="AWS/Lambda",
                statistic="Sum",
                period=FIVE_MINUTES,
            ),
            alarm,
        ),
    ]


def drifted(signals: Signals) -> list[cloudwatch.Alarm]:
    """What should not be in a log that is written right, and effects that are no function of their event."""
    alarm = ALARM["view-drifted"]
    changed = [counter("EffectContentDiffers", part=part) for part in PROCESSORS]
    return [
        _happened(signals, "conflicts", counter("Conflicts", part="relay"), alarm),
        _happened(signals, "quarantined", counter("Quarantined", part="relay"), alarm),
        # One failed projection is delivered again; a quarter of an hour of them is a fault.
        _happened(signals, "projection-failing", counter("ProjectionFailed", part="relay"), alarm, periods=3),
        _happened(signals, "effect-changed", sum_of(changed, label="effects that would have changed"), alarm),
    ]


def takeover(signals: Signals) -> list[cloudwatch.Alarm]:
    alarm = ALARM["takeover-in-progress"]
    return [
        _happened(signals, "taken-over", counter("TakenOver", part="sentinel"), alarm),
        _happened(signals, "announced-for-peer", counter("AnnouncedForPeer", part="sentinel"), alarm),
    ]


def throttled(signals: Signals, topology: Topology) -> list[cloudwatch.Alarm]:
    """Functions and tables beyond what is reserved or provisioned, and clients beyond what they may (429)."""
    alarm = ALARM["throttled"]
    clients = metric("ThrottledRequests", of={}, namespace=NAMESPACE, statistic="Sum", period=FIVE_MINUTES)
    return [
        *(
            _happened(
                signals,
                f"throttled-{part}".replace("_", "-"),
                metric(
                    "Throttles",
                    of={"FunctionName": function_name(part)},
                    namespace="AWS/Lambda",
                    statistic="Sum",
                    period=FIVE_MINUTES,
                ),
                alarm,
            )
            for part in THROTTLED_PARTS
        ),
        # Alarms on DynamoDB's metrics alone ignore how missing data is to be treated, and would never be over.
        _happened(signals, "throttled-tables", sum_of(_table_throttles(topology), label="throttled calls"), alarm),
        _happened(signals, "throttled-clients", clients, alarm, at_least=ALARM_LIMITS.throttled_requests),
    ]


def _table_throttles(topology: Topology) -> list[cloudwatch.Metric]:
    """At most ten metrics make an alarm. A full index holds up the writes of its table, and is counted by itself."""
    tables = (topology.order_log_table, topology.order_view_table, topology.accounts_table, topology.control_table)
    view = {"TableName": topology.order_view_table}
    indexes = [{**view, "GlobalSecondaryIndexName": name} for name in (LIST_INDEX, PENDING_INDEX)]
    watched = [
        *(("ReadThrottleEvents", {"TableName": table}) for table in tables),
        *(("WriteThrottleEvents", of) for of in (*({"TableName": table} for table in tables), *indexes)),
    ]
    return [metric(name, of=of, namespace="AWS/DynamoDB", statistic="Sum", period=FIVE_MINUTES) for name, of in watched]


def _age(signals: Signals, name: str, watched: cloudwatch.Metric, limit: float, part_of: Alarm) -> cloudwatch.Alarm:
    """A gauge that is above its limit, or missing, for minutes."""
    return signals.add(
        name,
        part_of=part_of,
        watched=watched,
        threshold=limit,
        comparison=ABOVE,
        periods=MINUTES_HELD,
        missing_breaches=True,
    )


def _happened(
    signals: Signals,
    name: str,
    watched: cloudwatch.IMetric,
    part_of: Alarm,
    *,
    at_least: int = 1,
    periods: int = 1,
) -> cloudwatch.Alarm:
    """A counter that is written only when something happened."""
    return signals.add(
        name,
        part_of=part_of,
        watched=watched,
        threshold=at_least,
        comparison=AT_LEAST,
        periods=periods,
        missing_breaches=False,
    )


def _filled(signals: Signals, name: str, queue: str, part_of: Alarm) -> cloudwatch.Alarm:
    """A queue that should be empty is not. SQS is silent about queues that were idle for hours: that is no breach."""
    depth = metric(
        "ApproximateNumberOfMessagesVisible",
        of={"QueueName": queue},
        namespace="AWS/SQS",
        statistic="Maximum",
        period=FIVE_MINUTES,
    )
    return signals.add(
        name,
        part_of=part_of,
        watched=depth,
        threshold=ALARM_LIMITS.dead_letters,
        comparison=ABOVE,
        missing_breaches=False,
    )
