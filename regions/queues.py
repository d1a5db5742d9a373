"""The queues of a Region: encrypted, refusing plain HTTP, and keeping messages as long as SQS does."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from regions.transport import refuse_plain_http

# SQS hides a message from others this many function timeouts long, so that a retried batch is not worked on twice.
VISIBILITY_TIMEOUTS = 6
RETENTION = cdk.Duration.days(14)  # SQS's maximum: time for people to look


def queue(
    scope: Construct,
    construct_id: str,
    name: str,
    *,
    on_aws: cdk.CfnCondition,
    worked_on_seconds: int | None = None,
    dead_letters: sqs.DeadLetterQueue | None = None,
    fifo: bool = False,
) -> sqs.Queue:
    """Make a queue; ``worked_on_seconds`` is the time limit of the function that reads it, if one does."""
    # High throughput: as many messages as there are groups for, not 300 a second for all.
    kind: dict[str, Any] = {
        "fifo": True,
        "deduplication_scope": sqs.DeduplicationScope.MESSAGE_GROUP,
        "fifo_throughput_limit": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    }
    made = sqs.Queue(
        scope,
        construct_id,
        queue_name=name,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=RETENTION,
        visibility_timeout=cdk.Duration.seconds(VISIBILITY_TIMEOUTS * worked_on_seconds) if worked_on_seconds else None,
        dead_letter_queue=dead_letters,
        **(kind if fifo else {}),
    )
    refuse_plain_http(made, where=on_aws)
    return made


def failure_destination(scope: Construct, construct_id: str, name: str, *, on_aws: cdk.CfnCondition) -> sqs.Queue:
    """Make the queue for what Lambda gave up; it takes no FIFO queue."""
    made = queue(scope, construct_id, name, on_aws=on_aws)
    cdk.Validations.of(made).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions-SQS3", reason="This is where Lambda puts what it gave up; nothing consumes it."
        )
    )
    return made
