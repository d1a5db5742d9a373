"""Watches from outside whether any Region serves. When none does, Route 53 fails open and nobody else would say so.

It lives in us-east-1 because the metrics of health checks exist nowhere else, and it shares nothing with the Regions:
checks of its own by their hostnames, a topic of its own. Each Region says the same of what it sees by itself.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_route53 as route53
from constructs import Construct

from regions.notices import Notices
from regions.routing import SERVING
from regions.signals import MINUTE, metric
from shared.alarms import ALARM, PREFIX
from shared.topology import Topology

MINUTES_HELD = 3
CHECK_SECONDS = 30  # traffic moves by the Regions' own, faster checks; this one only tells people


class Watch(Construct):
    """A slow check of every Region's `/health`, one that is healthy while any of them is, and the alarm on it."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(scope, construct_id)
        self.serving = {region: self._check(topology, region) for region in topology.region_names}
        any_serves = route53.HealthCheck(
            self,
            "AnyServes",
            type=route53.HealthCheckType.CALCULATED,
            child_health_checks=list(self.serving.values()),
            health_threshold=1,
        )
        cdk.Tags.of(any_serves).add("Name", f"{PREFIX}-any-region-serves")
        alarm = ALARM["all-regions-impaired"]
        self.alarm = cloudwatch.Alarm(
            self,
            "AllRegionsImpaired",
            alarm_name=alarm.global_alarm_name,
            alarm_description=f"{alarm.severity}: {alarm.summary} (seen from outside). Runbook: {alarm.runbook}",
            metric=status_of(any_serves),
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=MINUTES_HELD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,  # Route 53 writes it every minute
        )
        notice = Notices(self, "Notices", prefix=f"{PREFIX}-global", channels=["page"]).action(alarm)
        self.alarm.add_alarm_action(notice)
        self.alarm.add_ok_action(notice)

    def _check(self, topology: Topology, region: str) -> route53.HealthCheck:
        check = route53.HealthCheck(
            self,
            f"Serving-{region}",
            type=route53.HealthCheckType.HTTPS_STR_MATCH,
            fqdn=topology.region_api_name(region),
            port=443,
            resource_path="/health",
            search_string=SERVING,
            request_interval=cdk.Duration.seconds(CHECK_SECONDS),
            failure_threshold=topology.health_check_failure_threshold,
            regions=list(topology.health_checker_regions),
        )
        cdk.Tags.of(check).add("Name", f"{PREFIX}-{region}-serving-for-people")
        return check


def status_of(check: route53.HealthCheck, *, label: str | None = None) -> cloudwatch.Metric:
    """1 while the check is healthy."""
    return metric(
        "HealthCheckStatus",
        of={"HealthCheckId": check.health_check_id},
        namespace="AWS/Route53",
        statistic="Minimum",
        period=MINUTE,
        label=label,
    )
