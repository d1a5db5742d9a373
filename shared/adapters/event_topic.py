"""The Region's SNS FIFO topic: events on their way to the queue of their status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.adapters import items
from shared.adapters.silence import Silence
from shared.domain.orders import Event

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

MAX_BATCH: Final = 10
# PublishBatch takes 256 KiB in all; an event has at most 64 KiB of body, so a batch is cut by size too.
MAX_BATCH_BYTES: Final = 200 * 1024


@dataclass(frozen=True, slots=True)
class Publication:
    """One event to publish, for the ``attempt``-th time: a repeated deduplication id is swallowed for 5 minutes."""

    event: Event
    attempt: int = 0

    @property
    def lane(self) -> tuple[str, str]:
        """Within an order and a status, events keep their order."""
        return (self.event.order_id, self.event.status)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was published and what was not, with the reason."""

    published: tuple[Publication, ...]
    failed: tuple[Publication, ...]
    reason: str = ""


def message_of(event: Event) -> str:
    """The message that carries an event; the processor needs nothing else."""
    plain = {name: value for name, value in items.event_to_plain(event).items() if value is not None}
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def batches(publications: Iterable[Publication]) -> list[list[tuple[Publication, str]]]:
    """Cut publications into batches of one request each, never two of one lane in a batch, order kept.

    Entries of a batch succeed and fail on their own: with two events of a lane in one, the later could overtake.
    """
    found: list[list[tuple[Publication, str]]] = []
    last_batch: dict[tuple[str, str], int] = {}
    sizes: list[int] = []
    for publication in publications:
        message = message_of(publication.event)
        size = len(message.encode())
        index = last_batch.get(publication.lane, -1) + 1
        while index < len(found) and (len(found[index]) >= MAX_BATCH or sizes[index] + size > MAX_BATCH_BYTES):
            index += 1
        if index == len(found):
            found.append([])
            sizes.append(0)
        found[index].append((publication, message))
        sizes[index] += size
        last_batch[publication.lane] = index
    return found


class EventTopic:
    """Publishes events; tells what failed instead of raising, since the caller keeps it as pending work."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn
        self._silence = Silence()

    @property
    def is_silent(self) -> bool:
        """Whether nothing is tried just now, because the topic did not answer."""
        return self._silence.lasts

    def publish(self, publications: Sequence[Publication]) -> Outcome:
        """Publish in order within each order and status; after a failure, the rest of that lane is not tried."""
        published: list[Publication] = []
        failed: list[Publication] = []
        stopped: set[tuple[str, str]] = set()
        reason = ""
        for batch in batches(publications):
            if self._silence.lasts:
                failed.extend(publication for publication, _ in batch)
                reason = reason or "no answer a moment ago"
                continue
            tried = [(publication, message) for publication, message in batch if publication.lane not in stopped]
            failed.extend(publication for publication, _ in batch if publication.lane in stopped)
            if not tried:
                continue
            entries: list[PublishBatchRequestEntryTypeDef] = [
                {
                    "Id": str(index),
                    "Message": message,
                    "MessageGroupId": publication.event.order_id,
                    "MessageDeduplicationId": f"{publication.event.event_id}#{publication.attempt}",
                    "MessageAttributes": {"status": {"DataType": "String", "StringValue": publication.event.status}},
                }
                for index, (publication, message) in enumerate(tried)
            ]
            try:
                answer = self._client.publish_batch(TopicArn=self._topic_arn, PublishBatchRequestEntries=entries)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, BotoCoreError):
                    self._silence.begin()
                reason = f"{type(error).__name__}: {error}"
                refused = {entry["Id"] for entry in entries}
            else:
                refused = {entry["Id"] for entry in answer.get("Failed", [])}
                reason = reason or next((entry["Code"] for entry in answer.get("Failed", [])), "")
            for index, (publication, _) in enumerate(tried):
                if str(index) in refused:
                    failed.append(publication)
                    stopped.add(publication.lane)
                else:
                    published.append(publication)
        return Outcome(tuple(published), tuple(failed), reason)
