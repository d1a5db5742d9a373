"""One Region's topic, bus and dead letters as AWS clients, with the calls that the adapters and `redrive` make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ConnectTimeoutError

from loadtests.simulation.queues import Message
from loadtests.simulation.shore import Shore
from loadtests.simulation.world import START
from shared.adapters.effect_bus import WEBHOOK
from shared.domain.effects import Effect
from shared.topology import TOPOLOGY, dead_letter_queue_name


class MemoryTopic:
    """SNS: hands messages to the queue of their status, as the filter policies do."""

    def __init__(self, shore: Shore) -> None:
        self._shore = shore

    def publish_batch(
        self, *, TopicArn: str, PublishBatchRequestEntries: Sequence[Mapping[str, Any]]  # noqa: N803
    ) -> dict[str, Any]:  # fmt: skip
        del TopicArn
        shore = self._shore
        shore.step()
        successful: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in PublishBatchRequestEntries:
            event_id, _, attempt = entry["MessageDeduplicationId"].partition("#")
            origin = json.loads(entry["Message"])["origin_region"]
            shore.world.note_published(shore, event_id, origin=origin, attempt=int(attempt))
            if not shore.takes():
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            shore.enqueue(
                status=entry["MessageAttributes"]["status"]["StringValue"],
                group=entry["MessageGroupId"],
                body=entry["Message"],
                deduplication_id=entry["MessageDeduplicationId"],
            )
            successful.append({"Id": entry["Id"]})
        shore.step()
        return {"Successful": successful, "Failed": failed}


class MemoryBus:
    """EventBridge: whoever listens hears it at once."""

    def __init__(self, shore: Shore) -> None:
        self._shore = shore

    def put_events(self, *, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self._shore.step()
        results: list[dict[str, Any]] = []
        for entry in Entries:
            if not self._shore.takes():
                results.append({"ErrorCode": "InternalFailure"})
                continue
            said = json.loads(entry["Detail"])
            is_wanted = said.pop(WEBHOOK, False)
            if self._shore.calling is not None:
                self._shore.calling.announce(said["event_id"], body=entry["Detail"] if is_wanted else None)
            effect = Effect(**said, recorded_at=START)
            self._shore.world.note_announced(effect.event_id, effect.content_hash)
            results.append({"EventId": str(len(results))})
        self._shore.step()
        return {"Entries": results, "FailedEntryCount": sum("ErrorCode" in result for result in results)}


class MemoryQueues:
    """SQS for one status: the dead letters, and sending them back into their queue."""

    def __init__(self, shore: Shore, status: str) -> None:
        self._shore, self._status = shore, status
        self._queue = shore.queues[status]
        self._hidden: set[int] = set()

    def receive_message(self, *, MaxNumberOfMessages: int, **_: object) -> dict[str, Any]:  # noqa: N803
        found = [message for message in self._queue.dead if id(message) not in self._hidden][:MaxNumberOfMessages]
        self._hidden |= {id(message) for message in found}
        return {
            "Messages": [
                {"Body": found.body, "Attributes": {"MessageGroupId": found.group}, "ReceiptHandle": str(id(found))}
                for found in found
            ]
        }

    def send_message(
        self, *, QueueUrl: str, MessageBody: str, MessageGroupId: str, MessageDeduplicationId: str, **_: object  # noqa: N803
    ) -> None:  # fmt: skip
        del QueueUrl
        self._queue.send(MessageGroupId, MessageBody, deduplication_id=MessageDeduplicationId, now=self._shore.clock())

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        del QueueUrl
        self._queue.dead[:] = [message for message in self._queue.dead if str(id(message)) != ReceiptHandle]

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        del QueueUrl
        if not VisibilityTimeout:
            self._hidden.discard(int(ReceiptHandle))


class RegionQueues:
    """SQS as the functions ask it: how many dead letters there are, and to hide a call. A URL is the queue's name."""

    def __init__(self, shore: Shore) -> None:
        self._shore = shore
        self._dead: dict[str, list[Any]] = {
            dead_letter_queue_name(status): queue.dead for status, queue in shore.queues.items()
        }
        if shore.calling is not None:
            self._dead[TOPOLOGY.webhook_dead_letter_queue] = shore.calling.queue.dead

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": dict.fromkeys(AttributeNames, str(len(self._dead.get(QueueUrl, ()))))}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        assert self._shore.calling is not None
        self._shore.step()
        self._shore.calling.queue.hide(QueueUrl, ReceiptHandle, VisibilityTimeout, self._shore.world.now)
        self._shore.step()


class PeerDynamoDB:
    """The peer's data plane, which stays up when its compute is lost, and is out of reach in a partition."""

    def __init__(self, shore: Shore, there: Any) -> None:
        self._shore, self._there = shore, there

    def get_item(self, **request: Any) -> Any:
        self._shore.step()
        if self._shore.world.partitioned:
            raise ConnectTimeoutError(endpoint_url="https://peer")
        return self._there().get_item(**request)


def sqs_record(message: Message, number: int) -> dict[str, Any]:
    """A message as Lambda passes it to a processor."""
    return {
        "messageId": str(number), "receiptHandle": str(number), "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives), "SentTimestamp": str(milliseconds(message.sent_at)),
            "SenderId": "sns", "ApproximateFirstReceiveTimestamp": str(milliseconds(message.sent_at)),
            "MessageGroupId": message.group, "MessageDeduplicationId": str(number), "SequenceNumber": str(number),
        },
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:relevo-created.fifo",
    }  # fmt: skip


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
