"""The one construct for product functions: same runtime, logging, tracing and environment, sized from topology.

Its role starts with nothing but its own log group; every construct grants what its function needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from shared.experiments import DRILL_ALLOWED, DRILL_TAG
from shared.topology import LIVE, Function, Topology, function_name

LOG_RETENTION = logs.RetentionDays.ONE_MONTH


@dataclass(frozen=True)
class Surroundings:
    """What every function of one Region has in common."""

    topology: Topology
    region: str
    peer: str
    code: lambda_.Code
    on_aws: cdk.CfnCondition  # false where an emulator plays AWS
    environment: Mapping[str, str]


class ProductFunction(Construct):
    """One Lambda function named ``relevo-<part>``, running ``regions.handlers.<module>.handler``.

    Rights and environment go to ``function``. Whoever calls it calls ``live``, the alias of its published version.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        surroundings: Surroundings,
        part: str,
        module: str,
        size: Function,
        description: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.part = part
        name = function_name(part)
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=LOG_RETENTION,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=description,
            code=surroundings.code,
            handler=f"regions.handlers.{module}.handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=size.memory_mb,
            timeout=cdk.Duration.seconds(size.timeout_seconds),
            reserved_concurrent_executions=size.reserved_concurrency,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=log_group,
            role=role,
            environment={
                **surroundings.environment,
                "POWERTOOLS_SERVICE_NAME": part.replace("_", "-"),
                **(environment or {}),
            },
            # Kept when a newer one comes, so that there is one to go back to; one that failed to deploy is not.
            current_version_options=lambda_.VersionOptions(removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE),
        )
        if surroundings.topology.drills_allowed:
            cdk.Tags.of(self.function).add(DRILL_TAG, DRILL_ALLOWED)
        self.live = lambda_.Alias(self, "Live", alias_name=LIVE, version=self.function.current_version)
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="X-Ray's PutTraceSegments and PutTelemetryRecords take no resource: AWS offers only '*'.",
            )
        )
        cdk.Validations.of(self.function).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-L1",
                reason="Python 3.13 is pinned on purpose: both Regions and the tests run what was tried together.",
            )
        )

    def allow(self, actions: Sequence[str], *resources: str) -> None:
        """Grant exactly ``actions`` on exactly ``resources``."""
        self.function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
