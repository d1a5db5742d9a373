"""The sentinel: one look after the other. It beats, measures, publishes again, and takes over a lost peer's work."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from regions.functions import ProductFunction, Surroundings
from regions.order_view import OrderView
from regions.pipeline import Announcer
from regions.replica import Replicas, allow
from regions.webhooks import allow_on_settings
from shared.topology import PENDING_INDEX


class Sentinel(Construct):
    """A function of concurrency 1, started every minute; it looks several times before it ends."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        surroundings: Surroundings,
        replicas: Replicas,
        view: OrderView,
        announcer: Announcer,
        dead_letters: Sequence[sqs.Queue],
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = ProductFunction(
            self,
            "Function",
            surroundings=surroundings,
            part="sentinel",
            module="sentinel",
            size=surroundings.topology.sentinel,
            description="Beats, measures, publishes again what is pending, and takes over a lost peer's work",
        )
        allow(replicas.order_log, self.function, "GetItem", "Query", "PutItem")
        allow(replicas.control, self.function, "GetItem", "PutItem")
        allow_on_settings(replicas, self.function, "Query")
        view.allow(self.function, "GetItem", "BatchGetItem", "Query", "PutItem", "BatchWriteItem", "UpdateItem")
        view.allow_query(self.function, PENDING_INDEX)
        announcer.allow(self.function)
        self.function.allow(["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], *(queue.queue_arn for queue in dead_letters))
        # A look that could not start is not made up for: the next minute brings a fresh one.
        self.function.live.configure_async_invoke(retry_attempts=0, max_event_age=cdk.Duration.minutes(1))
        events.Rule(
            self,
            "EveryMinute",
            description="Starts the sentinel",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            targets=[
                targets.LambdaFunction(self.function.live, retry_attempts=0, max_event_age=cdk.Duration.minutes(1))
            ],
        )
