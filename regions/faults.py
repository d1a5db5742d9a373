"""Experiments of AWS FIS, for drills on AWS: templates, their roles, their log, and the gate that keeps them harmless.

Nothing here acts by itself. A template finds only what carries the tag of `shared.experiments`, its role may touch
nothing else, and nothing carries the tag unless the topology allows drills.
"""

from __future__ import annotations

import json
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_fis as fis
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from regions.functions import LOG_RETENTION, ProductFunction, Surroundings
from regions.region_loss import RegionLoss
from regions.replica import table_arn
from regions.signals import Signals
from shared.experiments import (
    DRILL_ALLOWED,
    DRILL_TAG,
    EXPERIMENT,
    EXPERIMENT_TAG,
    INVOCATIONS,
    INVOCATIONS_TAG,
    Experiment,
    Name,
)

TAGGED: Final = {f"aws:ResourceTag/{DRILL_TAG}": DRILL_ALLOWED}
# AWS publishes the extension's ARN for each Region under this name.
EXTENSION: Final = "{{resolve:ssm:/aws/service/fis/lambda-extension/AWS-FIS-extension-arm64/1.x.x}}"
WRAPPER: Final = "/opt/aws-fis/bootstrap"
FAULT_FOLDER: Final = "faults"  # where FIS tells the extension what to do
FAULT_DAYS: Final = 1
SHARE_PERCENT: Final = 50
DELAY_MS: Final = 3000
CLEAN_UP_MINUTES: Final = 5  # beyond the experiment's own end: noting, taking, giving back


class Faults(Construct):
    """One template for each experiment, and the point where faults come into the API's function."""

    def __init__(
        self, scope: Construct, construct_id: str, *, surroundings: Surroundings, signals: Signals, api: ProductFunction
    ) -> None:
        super().__init__(scope, construct_id)
        self._surroundings = surroundings
        self._signals = signals
        self._log = logs.LogGroup(
            self,
            "Log",
            log_group_name="/aws/vendedlogs/fis/relevo-experiments",
            retention=LOG_RETENTION,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self._bucket = self._fault_bucket()
        if surroundings.topology.drills_allowed:
            self._let_faults_in(api)
        self._replication_pause()
        self._lambda_faults(api)
        self._region_loss()

    def _replication_pause(self) -> None:
        topology = self._surroundings.topology
        role = self._role("ReplicationPause")
        log = table_arn(self, topology.order_log_table)
        actions = ["GetResourcePolicy", "PutResourcePolicy", "DeleteResourcePolicy"]
        # FIS asks this of replicas with strong consistency only.
        on_table = [*actions, "DescribeTable", *(["InjectError"] if topology.consistency == "strong" else [])]
        self._allow(role, [f"dynamodb:{name}" for name in on_table], log, conditions=TAGGED)
        # A stream does not inherit the tag of its table; it is harmed only together with the table, which has it.
        self._allow(role, [f"dynamodb:{name}" for name in actions], f"{log}/stream/*")
        self._find_by_tag(role)
        self._acknowledge(role, f"{self._spoken(log)}/stream/*", "A stream's label is the moment that it was made at.")
        self._template(
            EXPERIMENT["replication-pause"],
            role,
            action_id="aws:dynamodb:global-table-pause-replication",
            target_key="Tables",
            resource_type="aws:dynamodb:global-table",
            tags={DRILL_TAG: DRILL_ALLOWED},
        )

    def _lambda_faults(self, api: ProductFunction) -> None:
        role = self._role("LambdaFaults")
        self._allow(role, ["lambda:GetFunction"], api.function.function_arn, conditions=TAGGED)
        written = self._bucket.arn_for_objects(f"{FAULT_FOLDER}/*")
        self._allow(role, ["s3:PutObject", "s3:DeleteObject"], written)
        self._acknowledge(
            role, f"{self._spoken(written)}", "FIS names the object of each fault; the folder is its own."
        )
        self._find_by_tag(role)
        share = {"invocationPercentage": str(SHARE_PERCENT)}
        lambda_actions: tuple[tuple[Name, str, dict[str, str]], ...] = (
            # Executed and then answered with an error: harder on clients and on the log than work that was not done.
            ("lambda-errors", "aws:lambda:invocation-error", {**share, "preventExecution": "false"}),
            ("lambda-delays", "aws:lambda:invocation-add-delay", {**share, "startupDelayMilliseconds": str(DELAY_MS)}),
        )
        for name, action_id, parameters in lambda_actions:
            self._template(
                EXPERIMENT[name],
                role,
                action_id=action_id,
                parameters=parameters,
                target_key="Functions",
                resource_type="aws:lambda:function",
                tags={DRILL_TAG: DRILL_ALLOWED, INVOCATIONS_TAG: INVOCATIONS},
            )

    def _region_loss(self) -> None:
        surroundings, experiment = self._surroundings, EXPERIMENT["region-loss"]
        loss = RegionLoss(self, "RegionLoss", topology=surroundings.topology, region=surroundings.region)
        role = self._role("RegionLossStarter")
        self._allow(role, ["ssm:StartAutomationExecution"], loss.definition_arn, loss.arn)
        self._allow(role, ["ssm:GetAutomationExecution", "ssm:StopAutomationExecution"], loss.execution_arn)
        self._allow(role, ["iam:PassRole"], loss.role.role_arn, conditions={"iam:PassedToService": "ssm.amazonaws.com"})
        for resource, reason in (
            (loss.definition_arn, "Any version of this one document."),
            (loss.execution_arn, "The id of an execution is made when it starts."),
        ):
            self._acknowledge(role, self._spoken(resource), reason)
        template = self._template(
            experiment,
            role,
            action_id="aws:ssm:start-automation-execution",
            duration="maxDuration",
            minutes=experiment.minutes + CLEAN_UP_MINUTES,
            parameters={"documentArn": loss.arn, "documentParameters": json.dumps({})},
        )
        template.node.add_dependency(loss.document)

    def _template(
        self,
        experiment: Experiment,
        role: iam.Role,
        *,
        action_id: str,
        parameters: dict[str, str] | None = None,
        duration: str = "duration",
        minutes: int | None = None,
        target_key: str = "",
        resource_type: str = "",
        tags: dict[str, str] | None = None,
    ) -> fis.CfnExperimentTemplate:
        action: dict[str, Any] = {
            "actionId": action_id,
            "parameters": {duration: f"PT{minutes or experiment.minutes}M", **(parameters or {})},
            **({"targets": {target_key: target_key}} if target_key else {}),
        }
        targets: dict[str, Any] = {
            target_key: {"resourceType": resource_type, "resourceTags": tags, "selectionMode": "ALL"}
        }
        template = fis.CfnExperimentTemplate(
            self,
            "".join(word.capitalize() for word in experiment.name.split("-")) + "Template",
            description=f"Drill: {experiment.summary}",
            role_arn=role.role_arn,
            actions={"Harm": action},
            targets=targets if target_key else {},
            stop_conditions=[
                {"source": "aws:cloudwatch:alarm", "value": self._signals.by_name[name].alarm_arn}
                for name in experiment.stop_signals
            ],
            # Without a target nothing may seem to have been rehearsed.
            experiment_options={"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"},
            log_configuration={
                "logSchemaVersion": 2,
                "cloudWatchLogsConfiguration": {"LogGroupArn": self._log.log_group_arn},
            },
            tags={"Name": experiment.full_name, EXPERIMENT_TAG: experiment.name},
        )
        template.node.add_dependency(role)
        return template

    def _role(self, construct_id: str) -> iam.Role:
        """A role that FIS takes for experiments of this account and Region, and that may write their log."""
        stack = cdk.Stack.of(self)
        role = iam.Role(
            self,
            f"{construct_id}Role",
            assumed_by=iam.ServicePrincipal(
                "fis.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(service="fis", resource="experiment", resource_name="*")
                    },
                },
            ),
        )
        self._allow(
            role,
            [
                "logs:CreateLogDelivery",
                "logs:PutResourcePolicy",
                "logs:DescribeResourcePolicies",
                "logs:DescribeLogGroups",
            ],
            "*",
        )
        self._acknowledge(role, "*", "Log deliveries and looking up by tag take no resource: AWS offers only '*'.")
        return role

    @staticmethod
    def _find_by_tag(role: iam.Role) -> None:
        role.add_to_policy(iam.PolicyStatement(actions=["tag:GetResources"], resources=["*"]))

    @staticmethod
    def _allow(role: iam.Role, actions: list[str], *resources: str, conditions: dict[str, str] | None = None) -> None:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=actions,
                resources=list(resources),
                conditions={"StringEquals": conditions} if conditions else None,
            )
        )

    def _spoken(self, arn: str) -> str:
        """An ARN as cdk-nag writes it in its findings."""
        return _as_text(cdk.Stack.of(self).resolve(arn))

    @staticmethod
    def _acknowledge(role: iam.Role, resource: str, reason: str) -> None:
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
        )

    def _fault_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "FaultBucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(FAULT_DAYS))],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        cdk.Validations.of(bucket).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-S1",
                reason="It holds which fault is on, for the minutes of an experiment whose own log says the same.",
            )
        )
        return bucket

    def _let_faults_in(self, api: ProductFunction) -> None:
        """Put FIS's extension before the function, on AWS alone: an emulator has no such layer."""
        on_aws = self._surroundings.on_aws.logical_id

        def if_aws(value: object) -> cdk.IResolvable:
            return cdk.Fn.condition_if(on_aws, value, cdk.Aws.NO_VALUE)

        location = f"{self._bucket.bucket_arn}/{FAULT_FOLDER}/"
        for name, value in (("AWS_LAMBDA_EXEC_WRAPPER", WRAPPER), ("AWS_FIS_CONFIGURATION_LOCATION", location)):
            api.function.add_environment(name, cdk.Token.as_string(if_aws(value)))
        function = api.function.node.default_child
        assert isinstance(function, cdk.CfnResource)
        function.add_property_override("Layers", if_aws([EXTENSION]))
        cdk.Tags.of(api.function).add(INVOCATIONS_TAG, INVOCATIONS)
        api.function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self._bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{FAULT_FOLDER}/*"]}},
            )
        )
        read = self._bucket.arn_for_objects(f"{FAULT_FOLDER}/*")
        api.allow(["s3:GetObject"], read)
        assert api.function.role is not None
        cdk.Validations.of(api.function.role).acknowledge(
            cdk.Acknowledgment(
                id=f"AwsSolutions-IAM5[Resource::{self._spoken(read)}]",
                reason="FIS names the object of each fault; the folder is its own.",
            )
        )


def _as_text(value: Any) -> str:
    """A resolved token as cdk-nag prints it: references in angle brackets."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_as_text(part) for part in parts)
    raise TypeError(f"cannot write {value} as text")
