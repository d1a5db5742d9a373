"""What exists once and belongs to no Region: the public hosted zone, and the watch over all Regions."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_route53 as route53
from constructs import Construct

from global_stack.dashboard import RegionsDashboard
from global_stack.watch import Watch
from shared.topology import Topology

# Route 53 is global and its control plane is here.
REGION = "us-east-1"


class GlobalStack(cdk.Stack):
    """The zone of the domain, whose id goes into topology for the Regions' stacks, and who is told when none serves."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(region=REGION),
            description="Relevo's hosted zone and the watch over its Regions",
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
        watch = Watch(self, "Watch", topology=topology)
        RegionsDashboard(self, "Dashboard", topology=topology, watch=watch)
        cdk.CfnOutput(self, "HostedZoneId", value=zone.hosted_zone_id)
        cdk.CfnOutput(self, "NameServers", value=cdk.Fn.join(" ", zone.hosted_zone_name_servers or []))
