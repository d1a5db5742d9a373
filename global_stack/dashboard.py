"""The dashboard across Regions: the same promise of both side by side, and what goes between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from global_stack.watch import Watch, status_of
from regions.dashboard import WIDTH, graph, heading, sentinel_metric
from regions.objectives import API_NAMESPACE, STAGE, bad_share
from regions.signals import metric
from shared.alarms import PREFIX
from shared.slo import ALARM_LIMITS, BUDGET_OBJECTIVES, LATENCY_MS
from shared.topology import Topology


class RegionsDashboard(Construct):
    """``relevo``: every graph has one line for each Region. Alarms of the Regions stand on their own dashboards."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, watch: Watch) -> None:
        super().__init__(scope, construct_id)
        regions = topology.region_names

        def each(
            title: str, line: Callable[[str], cloudwatch.IMetric], limit: float | None = None
        ) -> cloudwatch.IWidget:
            limits = ("promise", limit) if limit is not None else None
            return graph(title, [line(region) for region in regions], columns=4, limit=limits)

        def seen(title: str, name: str, limit: float | None = None) -> cloudwatch.IWidget:
            return each(title, lambda region: sentinel_metric(name, label=f"in {region}", region=region), limit)

        def stage(title: str, name: str, statistic: str, limit: float | None = None) -> cloudwatch.IWidget:
            return each(
                title,
                lambda region: metric(
                    name, of=STAGE, namespace=API_NAMESPACE, statistic=statistic, region=region, label=region
                ),
                limit,
            )

        def of_table(title: str, name: str, statistic: str, receiving: bool = False) -> cloudwatch.IWidget:
            def line(region: str) -> cloudwatch.IMetric:
                of = {"TableName": topology.order_log_table}
                if receiving:
                    of["ReceivingRegion"] = topology.peer_of(region)
                return metric(
                    name, of=of, namespace="AWS/DynamoDB", statistic=statistic, region=region, label=f"from {region}"
                )

            return each(title, line)

        serving = [status_of(check, label=region) for region, check in watch.serving.items()]
        promises: Sequence[cloudwatch.IWidget] = [
            graph("Regions that serve", serving, columns=4),
            seen("Age of what is shown", "FreshnessSeconds", ALARM_LIMITS.freshness_seconds),
            seen("Age of the peer's orders shown", "PeerFreshnessSeconds", ALARM_LIMITS.freshness_seconds),
            stage("Latency p95, ms", "Latency", "p95", LATENCY_MS),
            *(
                graph(
                    f"{objective.name.capitalize()} in {region}: share of bad requests",
                    [bad_share(objective, cdk.Duration.minutes(5), region=region)],
                    columns=4,
                    limit=("error budget", objective.budget),
                    region=region,
                )
                for objective in BUDGET_OBJECTIVES
                for region in regions
            ),
        ]
        widgets: list[Sequence[cloudwatch.IWidget]] = [
            [cloudwatch.AlarmStatusWidget(title="From outside", alarms=[watch.alarm], width=WIDTH, height=2)],
            heading("Promises"),
            promises,
            heading("Traffic"),
            [stage("Requests a minute", "Count", "Sum"), stage("Failed", "5XXError", "Sum")],
            heading("Pipeline"),
            [
                seen("Pending work", "PendingWork"),
                seen("Oldest pending work", "OldestPendingSeconds", ALARM_LIMITS.oldest_pending_seconds),
            ],
            heading("Replication"),
            [
                of_table("Replication lag by AWS, ms", "ReplicationLatency", "Maximum", receiving=True),
                seen("Age of the peer's heartbeat", "PeerHeartbeatAgeSeconds", ALARM_LIMITS.heartbeat_age_seconds),
                seen("Peer lost", "PeerLostNow"),
                seen("Drained", "DrainedHere"),
            ],
            heading("What costs money"),
            [of_table("Write units of the log", "ConsumedWriteCapacityUnits", "Sum")],
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=PREFIX,
            default_interval=cdk.Duration.hours(3),
            widgets=[list(row) for row in widgets],
        )
