"""What exists once and belongs to no Region: the public hosted zone."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_route53 as route53
from constructs import Construct

from shared.topology import Topology

# Route 53 is global and its control plane is here; CloudFront takes certificates from here only.
REGION = "us-east-1"


class GlobalStack(cdk.Stack):
    """The zone of the domain. Its id goes into topology, where the Regions' stacks find it."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(region=REGION),
            description="Relevo's hosted zone",
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
            termination_protection=True,
        )
        zone = route53.PublicHostedZone(
            self,
            "Zone",
            zone_name=topology.domain,
            # Changes of records stay possible while us-east-1 is down. A safety net: recovery needs no such change.
            accelerated_recovery_enabled=True,
        )
        zone.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        cdk.CfnOutput(self, "HostedZoneId", value=zone.hosted_zone_id)
        cdk.CfnOutput(self, "NameServers", value=cdk.Fn.join(" ", zone.hosted_zone_name_servers or []))
