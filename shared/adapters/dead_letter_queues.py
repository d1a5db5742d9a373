"""Counts what lies in this Region's dead-letter queues: one for each status, and the stream's failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.topology import STATUSES, TOPOLOGY, dead_letter_queue_name

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

RELAY: Final = "relay"
DEPTH: Final = "ApproximateNumberOfMessages"


class DeadLetterQueues:
    """Looks up each queue's address once."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client
        self._urls: dict[str, str] = {}

    def depths(self) -> dict[str, int]:
        """Messages by status, and those that the relay gave up; about, as SQS counts."""
        names = {status: dead_letter_queue_name(status) for status in STATUSES}
        return {queue: self._depth(name) for queue, name in {**names, RELAY: TOPOLOGY.relay_failures_queue}.items()}

    def _depth(self, name: str) -> int:
        if name not in self._urls:
            self._urls[name] = self._client.get_queue_url(QueueName=name)["QueueUrl"]
        answer = self._client.get_queue_attributes(QueueUrl=self._urls[name], AttributeNames=[DEPTH])
        return int(answer["Attributes"][DEPTH])
