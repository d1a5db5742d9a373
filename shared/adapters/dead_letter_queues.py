"""Counts what lies in this Region's dead-letter queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DEPTH: Final = "ApproximateNumberOfMessages"


class DeadLetterQueues:
    """Looks up each queue's address once."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client
        self._urls: dict[str, str] = {}

    def depths(self) -> dict[str, int]:
        """Messages by what they are, as `Topology.dead_letter_queues` has them; about, as SQS counts."""
        return {queue: self._depth(name) for queue, name in TOPOLOGY.dead_letter_queues.items()}

    def _depth(self, name: str) -> int:
        if name not in self._urls:
            self._urls[name] = self._client.get_queue_url(QueueName=name)["QueueUrl"]
        answer = self._client.get_queue_attributes(QueueUrl=self._urls[name], AttributeNames=[DEPTH])
        return int(answer["Attributes"][DEPTH])
