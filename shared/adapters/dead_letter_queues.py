"""Counts what lies in this Region's dead-letter queues: of each status, the stream's failures, and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.topology import STATUSES, TOPOLOGY, dead_letter_queue_name

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

RELAY: Final = "relay"
WEBHOOKS: Final = "webhooks"
DEPTH: Final = "ApproximateNumberOfMessages"


class DeadLetterQueues:
    """Looks up each queue's address once."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client
        self._urls: dict[str, str] = {}

    def depths(self) -> dict[str, int]:
        """Messages by status, those that the relay gave up, and webhooks; about, as SQS counts."""
        names = {
            **{status: dead_letter_queue_name(status) for status in STATUSES},
            RELAY: TOPOLOGY.relay_failures_queue,
            WEBHOOKS: TOPOLOGY.webhook_dead_letter_queue,
        }
        return {queue: self._depth(name) for queue, name in names.items()}

    def _depth(self, name: str) -> int:
        if name not in self._urls:
            self._urls[name] = self._client.get_queue_url(QueueName=name)["QueueUrl"]
        answer = self._client.get_queue_attributes(QueueUrl=self._urls[name], AttributeNames=[DEPTH])
        return int(answer["Attributes"][DEPTH])
