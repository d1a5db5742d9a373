"""From the log's stream to effects: the relay, the event topic, and one queue and processor per status."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from regions.functions import ProductFunction, Surroundings
from regions.order_view import OrderView
from regions.queues import failure_destination, queue
from regions.replica import Replicas, allow, table_arn
from regions.transport import refuse_plain_http
from regions.webhooks import Webhooks, allow_on_settings
from shared.demand import RELAY_BATCH, RELAY_WINDOW_SECONDS
from shared.topology import STATUSES, dead_letter_queue_name, queue_name

RECEIVES_BEFORE_DEAD_LETTER = 5


@dataclass(frozen=True)
class Announcer:
    """Where events and effects are announced, and the right to do so."""

    topic: sns.Topic
    bus: events.EventBus

    def allow(self, grantee: ProductFunction) -> None:
        grantee.function.add_environment("EVENT_TOPIC_ARN", self.topic.topic_arn)
        grantee.function.add_environment("EFFECT_BUS_NAME", self.bus.event_bus_name)
        self.topic.grant_publish(grantee.function)
        self.bus.grant_put_events_to(grantee.function)


class Pipeline(Construct):
    """Everything between a record of the order log and its announced effect."""

    def __init__(
        self, scope: Construct, construct_id: str, *, surroundings: Surroundings, replicas: Replicas, view: OrderView
    ) -> None:
        super().__init__(scope, construct_id)
        topology = surroundings.topology
        topic = sns.Topic(
            self,
            "Events",
            topic_name=topology.event_topic,
            fifo=True,
            # Deduplication ids are ours (event and attempt); scope per order lifts the topic's 3,000 a second.
            fifo_throughput_scope=sns.FifoThroughputScope.MESSAGE_GROUP,
            enforce_ssl=True,
            # Events name couriers and towns. AWS's own key of this Region: whoever may publish needs no grant for it.
            master_key=kms.Alias.from_alias_name(self, "TopicKey", "alias/aws/sns"),
        )
        refuse_plain_http(topic, where=surroundings.on_aws)
        bus = events.EventBus(self, "Effects", event_bus_name=topology.effect_bus)
        self.announcer = Announcer(topic, bus)
        relay = Relay(self, "Relay", surroundings=surroundings, replicas=replicas, view=view, announcer=self.announcer)
        processors = [
            Processor(
                self, _construct_id(status), status=status, surroundings=surroundings, replicas=replicas, topic=topic
            )
            for status in STATUSES
        ]
        webhooks = Webhooks(self, "Webhooks", surroundings=surroundings, replicas=replicas, bus=bus)
        self.dead_letters = [*(it.dead_letters for it in processors), relay.failures, webhooks.dead_letters]


class Relay(Construct):
    """The one reader of the log's stream: projects every record, publishes what is its own Region's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        surroundings: Surroundings,
        replicas: Replicas,
        view: OrderView,
        announcer: Announcer,
    ) -> None:
        super().__init__(scope, construct_id)
        topology = surroundings.topology
        # It gets positions in the stream, not records.
        self.failures = failure_destination(self, "Failures", topology.relay_failures_queue, on_aws=surroundings.on_aws)
        self.function = ProductFunction(
            self,
            "Function",
            surroundings=surroundings,
            part="relay",
            module="relay",
            size=topology.relay,
            description="Projects every record of the order log and publishes this Region's own events and effects",
        )
        allow(replicas.order_log, self.function, "Query")
        allow_on_settings(replicas, self.function, "Query")
        view.allow(self.function, "GetItem", "BatchGetItem", "PutItem", "BatchWriteItem", "UpdateItem")
        announcer.allow(self.function)
        self.function.live.add_event_source(
            sources.DynamoEventSource(
                replicas.order_log,
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,  # LATEST can miss events of a deployment
                batch_size=RELAY_BATCH,
                # One invocation a second and shard instead of four, each for four times the records: an order still
                # shows within the 10 s that are promised, and the calls per order fall with the load.
                max_batching_window=cdk.Duration.seconds(RELAY_WINDOW_SECONDS),
                parallelization_factor=1,
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                # Outlasts an hour of a failing table; what fails for ever may not hold up its shard longer than that.
                retry_attempts=100,
                max_record_age=cdk.Duration.hours(6),
                on_failure=sources.SqsDlq(self.failures),
            )
        )


class Processor(Construct):
    """Queue, dead-letter queue and function of one status."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        status: str,
        surroundings: Surroundings,
        replicas: Replicas,
        topic: sns.Topic,
    ) -> None:
        super().__init__(scope, construct_id)
        topology = surroundings.topology
        self.dead_letters = queue(
            self, "DeadLetters", dead_letter_queue_name(status), on_aws=surroundings.on_aws, fifo=True
        )
        self.queue = queue(
            self,
            "Queue",
            queue_name(status),
            on_aws=surroundings.on_aws,
            fifo=True,
            worked_on_seconds=topology.processor.timeout_seconds,
            dead_letters=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=RECEIVES_BEFORE_DEAD_LETTER),
        )
        topic.add_subscription(
            subscriptions.SqsSubscription(
                self.queue,
                raw_message_delivery=True,
                filter_policy={"status": sns.SubscriptionFilter.string_filter(allowlist=[status])},
            )
        )
        self.function = ProductFunction(
            self,
            "Function",
            surroundings=surroundings,
            part=f"processor_{status}",
            module="processor",
            size=topology.processor,
            description=f"Computes the effect of every {status} event",
            environment={"STATUS": status},
        )
        allow(replicas.order_log, self.function, "GetItem", "PutItem")
        # An old message may have been worked on in the peer Region, which may have taken over.
        self.function.allow(["dynamodb:GetItem"], table_arn(self, topology.order_log_table, region=surroundings.peer))
        self.function.live.add_event_source(
            sources.SqsEventSource(
                self.queue,
                batch_size=10,
                # Above the reserved concurrency, throttled messages would use up their receives and be dead-lettered.
                max_concurrency=topology.processor.reserved_concurrency,
                report_batch_item_failures=True,
            )
        )


def _construct_id(status: str) -> str:
    return "".join(word.capitalize() for word in status.split("_"))
