"""Where alarms tell people: one topic that pages and one that opens tickets. Who listens is subscribed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from regions.transport import refuse_plain_http
from shared.alarms import PREFIX, Alarm, Channel


class Notices(Construct):
    """The topics ``<prefix>-page`` and ``<prefix>-ticket``; only alarms of this account publish to them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str = PREFIX,
        channels: Sequence[Channel] = ("page", "ticket"),
        on_aws: cdk.CfnCondition | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._topics = {
            channel: self._topic(channel.capitalize(), f"{prefix}-{channel}", on_aws) for channel in channels
        }

    def action(self, alarm: Alarm) -> actions.SnsAction:
        """What the alarm does when it starts and when it is over."""
        return actions.SnsAction(self._topics[alarm.channel])

    def _topic(self, construct_id: str, name: str, on_aws: cdk.CfnCondition | None) -> sns.Topic:
        topic = sns.Topic(self, construct_id, topic_name=name, enforce_ssl=True)
        alarms = cdk.Stack.of(self).format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=f"{PREFIX}-*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        # A topic with a policy of its own has lost the default one, by which alarms could publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": alarms},
                },
            )
        )
        if on_aws is not None:
            refuse_plain_http(topic, where=on_aws)
        return topic
