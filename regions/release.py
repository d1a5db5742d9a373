"""How a new version of a function comes into service in one Region, and what takes it back. All of it is here.

Everybody calls a function by its alias ``live``, which names a published version (see ``ProductFunction``). Who has a
canary gets a tenth of the calls for five minutes, then all of them, unless an alarm of this very Region comes first:
CodeDeploy then moves the alias back, and CloudFormation rolls the stack back. `relevo release` goes Region by Region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from regions.functions import ProductFunction
from regions.objectives import STAGE, gateway_metric
from regions.signals import AT_LEAST, MINUTE, metric
from shared.alarms import RELEASE_PREFIX, RELEASE_RUNBOOK
from shared.slo import RELEASE_LIMITS
from shared.topology import LIVE, function_name

# Everything else has a canary, also what looks delicate:
# - health: a bad version spoils a tenth of the answers. Two in a row make a checker of Route 53 turn, and two good ones
#   turn it back, so few of them see the Region ill, and 18 % of them suffice for healthy. All at once it would be out.
# - relay and processors: what a bad version fails is delivered again, nine times of ten to the old one.
WITHOUT_CANARY: Final = {
    "sentinel": "It runs once a minute: most canaries of five minutes would see no run of the new version. The two "
    "never run side by side, since one concurrent run is reserved. `relevo release` bakes it and takes it back.",
    "stream_arn": "Only CloudFormation calls it, while it deploys, and wants the version that it has just deployed.",
}
CANARY: Final = codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES
HEALTH: Final = {**STAGE, "Method": "GET", "Resource": "/health"}


class Release(Construct):
    """A deployment group for the alias of every function not in ``WITHOUT_CANARY``, and the alarms that they obey.

    The alarms watch this Region's own metrics, at the alias, so they see both versions: a release begins with all
    alarms quiet, and what turns bad in it is either its fault or no moment for it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, functions: Sequence[ProductFunction]) -> None:
        super().__init__(scope, construct_id)
        everyones = self._gateway_alarms()
        errors = {function.part: self._errors(function.part) for function in functions}
        application = codedeploy.LambdaApplication(self, "Application", application_name="relevo")
        role = self._role()
        for function in functions:
            if function.part in WITHOUT_CANARY:
                continue
            codedeploy.LambdaDeploymentGroup(
                self,
                f"{_construct_id(function.part)}Group",
                application=application,
                deployment_group_name=function_name(function.part),
                alias=function.live,
                role=role,
                deployment_config=CANARY,
                alarms=[errors[function.part], *everyones],
                auto_rollback=codedeploy.AutoRollbackConfig(
                    failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
                ),
            )

    def _role(self) -> iam.Role:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"))
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AWSCodeDeployRoleForLambdaLimited]",
                reason="The CDK attaches AWS's own policy for this service: it moves aliases and reads alarms, and may "
                "invoke nothing but hooks, of which there are none.",
            )
        )
        return role

    def _gateway_alarms(self) -> list[cloudwatch.Alarm]:
        """What clients and Route 53's checkers get, whichever function is the cause."""
        limits = RELEASE_LIMITS
        errors = gateway_metric("5XXError", of=STAGE, statistic="Average", period=MINUTE)
        # Asked for by itself: among ten times today's requests, a tenth of the checkers' would not show.
        health = gateway_metric("5XXError", of=HEALTH, statistic="Average", period=MINUTE)
        # A tenth of the calls shows in the 95th percentile. The cold starts of a version are over within two minutes.
        latency = gateway_metric("Latency", of=STAGE, statistic="p95", period=MINUTE)
        return [
            self._alarm("errors", errors, limits.error_share, breaching=limits.error_minutes),
            self._alarm("health", health, limits.health_error_share, breaching=limits.error_minutes),
            self._alarm("latency", latency, limits.latency_ms, breaching=limits.slow_minutes),
        ]

    def _errors(self, part: str) -> cloudwatch.Alarm:
        """Invocations by the alias that ended in an error or a time-out."""
        name = function_name(part)
        errors = metric(
            "Errors",
            of={"FunctionName": name, "Resource": f"{name}:{LIVE}"},
            namespace="AWS/Lambda",
            statistic="Sum",
            period=MINUTE,
        )
        return self._alarm(f"errors-{part}", errors, 1, breaching=RELEASE_LIMITS.error_minutes)

    def _alarm(self, name: str, watched: cloudwatch.Metric, threshold: float, *, breaching: int) -> cloudwatch.Alarm:
        """An alarm for CodeDeploy and `relevo release` alone: it tells nobody, since users' alarms do."""
        name = name.replace("_", "-")
        return cloudwatch.Alarm(
            self,
            _construct_id(name),
            alarm_name=f"{RELEASE_PREFIX}{name}",
            alarm_description=f"Stops a release and takes it back, tells nobody. Runbook: {RELEASE_RUNBOOK}",
            metric=watched,
            threshold=threshold,
            comparison_operator=AT_LEAST,
            evaluation_periods=RELEASE_LIMITS.of_minutes,
            datapoints_to_alarm=breaching,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,  # written only when there are calls
        )


def _construct_id(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace("_", "-").split("-"))
