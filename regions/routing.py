"""How Route 53 finds this Region and when it leaves it. Each Region makes its own records in the one hosted zone.

The verdict is: my own `/health` says that I serve, AND my peer does not say that I am drained. So recovery changes no
record and no check, only an item in the peer's table.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from shared.topology import Topology

# What the handlers answer, byte for byte (compact JSON).
SERVING = '"serving":true'
DRAINED = '"drained":true'


def hosted_zone(scope: Construct, topology: Topology) -> route53.IHostedZone:
    """The zone of the domain, which the global stack owns."""
    return route53.HostedZone.from_hosted_zone_attributes(
        scope, "Zone", hosted_zone_id=topology.hosted_zone_id, zone_name=topology.domain
    )


class Routing(Construct):
    """Latency record of the one hostname, plain record of this Region's own, and the health checks between them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        region: str,
        zone: route53.IHostedZone,
        everyones_name: apigateway.DomainName,
        own_name: apigateway.DomainName,
    ) -> None:
        super().__init__(scope, construct_id)
        self._topology = topology
        peer = topology.peer_of(region)
        serving = self._search("Serving", region, path="/health", text=SERVING)
        # Inverted: healthy while the text is not found, so a peer that cannot answer drains nobody.
        drained = self._search("Drained", peer, path=f"/control/drained/{region}", text=DRAINED, inverted=True)
        healthy = route53.HealthCheck(
            self,
            "Healthy",
            type=route53.HealthCheckType.CALCULATED,
            child_health_checks=[serving, drained],
            health_threshold=2,
        )
        for check, name in ((serving, "serving"), (drained, "not-drained"), (healthy, "healthy")):
            cdk.Tags.of(check).add("Name", f"relevo-{region}-{name}")
        route53.ARecord(
            self,
            "Latency",
            zone=zone,
            record_name=topology.api_name,
            target=route53.RecordTarget.from_alias(targets.ApiGatewayDomain(everyones_name)),
            region=region,
            set_identifier=region,
            health_check=healthy,
        )
        route53.ARecord(
            self,
            "Own",
            zone=zone,
            record_name=topology.region_api_name(region),
            target=route53.RecordTarget.from_alias(targets.ApiGatewayDomain(own_name)),
        )

    def _search(
        self, construct_id: str, asked_region: str, *, path: str, text: str, inverted: bool = False
    ) -> route53.HealthCheck:
        topology = self._topology
        return route53.HealthCheck(
            self,
            construct_id,
            type=route53.HealthCheckType.HTTPS_STR_MATCH,
            # A Region's own name, never the record's: what that resolves to depends on this very check.
            fqdn=topology.region_api_name(asked_region),
            port=443,
            resource_path=path,
            search_string=text,
            inverted=inverted,
            request_interval=cdk.Duration.seconds(topology.health_check_interval_seconds),
            failure_threshold=topology.health_check_failure_threshold,
            regions=list(topology.health_checker_regions),
        )
