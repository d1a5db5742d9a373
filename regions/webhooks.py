"""Webhooks of client systems: announcements that somebody subscribed to, their queue, and the function that calls.

An announcement without a subscriber matches no rule, so it costs nothing here.
"""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from regions.functions import ProductFunction, Surroundings
from regions.queues import queue
from regions.replica import Replicas, allow
from shared.adapters.effect_bus import DETAIL_TYPE, SOURCE, WEBHOOK
from shared.adapters.webhooks import WEBHOOKS


class Webhooks(Construct):
    """Rule, queue, dead-letter queue and function, in each Region for the effects that it announces."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        surroundings: Surroundings,
        replicas: Replicas,
        bus: events.EventBus,
    ) -> None:
        super().__init__(scope, construct_id)
        topology = surroundings.topology
        self.dead_letters = queue(self, "DeadLetters", topology.webhook_dead_letter_queue, on_aws=surroundings.on_aws)
        calls = queue(
            self,
            "Queue",
            topology.webhook_queue,
            on_aws=surroundings.on_aws,
            worked_on_seconds=topology.webhook.timeout_seconds,
            dead_letters=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=len(topology.webhook_retry_seconds) + 1
            ),
        )
        events.Rule(
            self,
            "Wanted",
            description="Effects that a client system subscribed to",
            event_bus=bus,
            event_pattern=events.EventPattern(source=[SOURCE], detail_type=[DETAIL_TYPE], detail={WEBHOOK: [True]}),
            targets=[targets.SqsQueue(calls, message=events.RuleTargetInput.from_event_path("$.detail"))],
        )
        self.function = ProductFunction(
            self,
            "Function",
            surroundings=surroundings,
            part="webhook",
            module="webhook",
            size=topology.webhook,
            description="Tells client systems what happened to their orders",
            environment={"WEBHOOK_QUEUE_URL": calls.queue_url},
        )
        allow(replicas.order_log, self.function, "Query")
        allow(replicas.accounts, self.function, "Query")
        self.function.live.add_event_source(
            sources.SqsEventSource(
                calls,
                batch_size=10,
                # Above the reserved concurrency, throttled messages would use up their tries.
                max_concurrency=topology.webhook.reserved_concurrency,
                report_batch_item_failures=True,
            )
        )


def allow_on_settings(replicas: Replicas, grantee: ProductFunction, *actions: str) -> None:
    """Grant actions on subscriptions and secrets, and never on the accounts that lie in the same table."""
    grantee.function.add_to_role_policy(
        iam.PolicyStatement(
            actions=[f"dynamodb:{action}" for action in actions],
            resources=[replicas.accounts.table_arn],
            conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [WEBHOOKS]}},
        )
    )
