"""The dashboard of one Region: promises on top, then traffic, pipeline, replication and what costs money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from regions.objectives import API_NAMESPACE, STAGE, bad_share
from regions.signals import MINUTE, NAMESPACE, metric
from shared.alarms import ALARMS, PREFIX
from shared.slo import ALARM_LIMITS, BUDGET_OBJECTIVES, LATENCY_MS
from shared.topology import PARTS, STATUSES, Topology, function_name, queue_name

WIDTH = 24


class Dashboard(Construct):
    """``relevo-<region>``, the first place to look when something pages from here."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, region: str) -> None:
        super().__init__(scope, construct_id)
        rows: list[Sequence[cloudwatch.IWidget]] = [
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=self._alarms(), width=WIDTH, height=3)],
            heading("Promises"),
            _promises(),
            heading("Traffic"),
            _traffic(),
            heading("Pipeline"),
            _pipeline(topology),
            heading("Replication and peer"),
            _replication(topology, topology.peer_of(region)),
            heading("What costs money"),
            _cost_drivers(topology),
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=f"{PREFIX}-{region}",
            default_interval=cdk.Duration.hours(3),
            widgets=[list(row) for row in rows],
        )

    def _alarms(self) -> list[cloudwatch.IAlarm]:
        """By name: what is shown need not be there, and an emulator without composite alarms shows the rest."""
        return [cloudwatch.Alarm.from_alarm_name(self, alarm.name, alarm.alarm_name) for alarm in ALARMS]


def graph(
    title: str,
    metrics: Iterable[cloudwatch.IMetric],
    *,
    columns: int,
    limit: tuple[str, float] | None = None,
    region: str | None = None,
) -> cloudwatch.GraphWidget:
    """One graph of a row of ``columns``, with the promise drawn in."""
    limits = [cloudwatch.HorizontalAnnotation(label=limit[0], value=limit[1])] if limit else None
    return cloudwatch.GraphWidget(
        title=title,
        left=list(metrics),
        width=WIDTH // columns,
        height=6,
        left_annotations=limits,
        left_y_axis=cloudwatch.YAxisProps(min=0),
        region=region,
    )


def sentinel_metric(name: str, *, label: str | None = None, region: str | None = None) -> cloudwatch.Metric:
    of = {"service": "sentinel"}
    return metric(name, of=of, namespace=NAMESPACE, statistic="Maximum", region=region, label=label)


def heading(text: str) -> list[cloudwatch.IWidget]:
    return [cloudwatch.TextWidget(markdown=f"## {text}", width=WIDTH, height=1)]


def _promises() -> list[cloudwatch.IWidget]:
    shares = [
        graph(
            f"{objective.name.capitalize()}: share of bad requests",
            [bad_share(objective, cdk.Duration.minutes(5))],
            columns=4,
            limit=("error budget", objective.budget),
        )
        for objective in BUDGET_OBJECTIVES
    ]
    fresh = [sentinel_metric("FreshnessSeconds", label="own"), sentinel_metric("PeerFreshnessSeconds", label="peer's")]
    old = [
        sentinel_metric("OldestPendingSeconds", label="own"),
        sentinel_metric("PeerOldestPendingSeconds", label="peer's"),
    ]
    return [
        *shares,
        graph("Age of what is shown", fresh, columns=4, limit=("promise", ALARM_LIMITS.freshness_seconds)),
        graph("Oldest pending work", old, columns=4, limit=("alarm", ALARM_LIMITS.oldest_pending_seconds)),
    ]


def _traffic() -> list[cloudwatch.IWidget]:
    def stage(name: str, statistic: str, label: str) -> cloudwatch.Metric:
        return metric(name, of=STAGE, namespace=API_NAMESPACE, statistic=statistic, label=label)

    refused = [
        metric("ThrottledRequests", of={}, namespace=NAMESPACE, statistic="Sum", label="429"),
        stage("4XXError", "Sum", "4XX"),
        stage("5XXError", "Sum", "5XX"),
    ]
    times = [stage("Latency", statistic, statistic) for statistic in ("p50", "p95", "p99")]
    return [
        graph("Requests a minute, health checks included", [stage("Count", "Sum", "requests")], columns=3),
        graph("Refused and failed", refused, columns=3),
        graph("Latency, ms", times, columns=3, limit=("promise for p95", LATENCY_MS)),
    ]


def _pipeline(topology: Topology) -> list[cloudwatch.IWidget]:
    def depth(queue: str) -> cloudwatch.Metric:
        return metric(
            "ApproximateNumberOfMessagesVisible",
            of={"QueueName": queue},
            namespace="AWS/SQS",
            statistic="Maximum",
            label=queue,
        )

    given_up = [depth(queue) for queue in topology.dead_letter_queues.values()]
    behind = _of_function("IteratorAge", "relay", "Maximum")
    worked = [
        metric(name, of={"service": "sentinel"}, namespace=NAMESPACE, statistic="Sum", label=name)
        for name in ("Retried", "AnnouncedAgain", "WaitingForItems", "WorkFailed", "Parked")
    ]
    return [
        graph("Stream: age of the last record, ms", [behind], columns=4),
        graph(
            "Queues", [*(depth(queue_name(status)) for status in STATUSES), depth(topology.webhook_queue)], columns=4
        ),
        graph("Dead letters", given_up, columns=4),
        graph("What the sentinel did", worked, columns=4),
        graph("Errors of functions", [_of_function("Errors", part, "Sum") for part in PARTS], columns=2),
        graph("Throttles of functions", [_of_function("Throttles", part, "Sum") for part in PARTS], columns=2),
    ]


def _replication(topology: Topology, peer: str) -> list[cloudwatch.IWidget]:
    lag = metric(
        "ReplicationLatency",
        of={"TableName": topology.order_log_table, "ReceivingRegion": peer},
        namespace="AWS/DynamoDB",
        statistic="Maximum",
        label=f"to {peer}, ms",
    )
    seen = [sentinel_metric(name) for name in ("PeerServing", "PeerLostNow", "DrainedHere")]
    taken = [
        metric(name, of={"service": "sentinel"}, namespace=NAMESPACE, statistic="Sum", label=name)
        for name in ("TakenOver", "AnnouncedForPeer")
    ]
    age = ("alarm", ALARM_LIMITS.heartbeat_age_seconds)
    return [
        graph("Replication lag by AWS", [lag], columns=4),
        graph("Age of the peer's heartbeat", [sentinel_metric("PeerHeartbeatAgeSeconds")], columns=4, limit=age),
        graph("The peer as seen from here", seen, columns=4),
        graph("Done for the peer", taken, columns=4),
    ]


def _cost_drivers(topology: Topology) -> list[cloudwatch.IWidget]:
    def units(name: str, table: str) -> cloudwatch.Metric:
        return metric(
            name, of={"TableName": table}, namespace="AWS/DynamoDB", statistic="Sum", label=f"{table}: {name[8:13]}"
        )

    tables = (topology.order_log_table, topology.order_view_table)
    capacity = [
        units(name, table) for table in tables for name in ("ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits")
    ]
    published = metric(
        "NumberOfMessagesPublished",
        of={"TopicName": topology.event_topic},
        namespace="AWS/SNS",
        statistic="Sum",
        label="messages",
    )
    written = [
        metric(
            "IncomingBytes",
            of={"LogGroupName": f"/aws/lambda/{function_name(part)}"},
            namespace="AWS/Logs",
            statistic="Sum",
            label=part,
        )
        for part in PARTS
    ]
    return [
        graph("Capacity units", capacity, columns=4),
        graph("Lambda: milliseconds a minute", [_of_function("Duration", part, "Sum") for part in PARTS], columns=4),
        graph("Messages published", [published], columns=4),
        graph("Bytes logged", written, columns=4),
    ]


def _of_function(name: str, part: str, statistic: str) -> cloudwatch.Metric:
    of = {"FunctionName": function_name(part)}
    return metric(name, of=of, namespace="AWS/Lambda", statistic=statistic, period=MINUTE, label=part)
