"""Decides how a queue's messages are delivered: the event, what failed, which groups are busy, how many side by side.

No I/O. ``GroupsInFlight`` and ``Concurrency`` are the only state, both for use by several threads.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypedDict

from loadtests.lab.polling.invocation import reported_failures

FIRST_CONCURRENCY: Final = 2  # every further one is a new worker process in the local Region


class Message(TypedDict, total=False):
    """A message as ReceiveMessage gives it."""

    MessageId: str
    ReceiptHandle: str
    Body: str
    MD5OfBody: str
    MD5OfMessageAttributes: str
    Attributes: Mapping[str, str]
    MessageAttributes: Mapping[str, Mapping[str, object]]


def queue_event(messages: Sequence[Message], queue_arn: str) -> dict[str, object]:
    """The event that Lambda makes of a batch of messages."""
    return {"Records": [queue_record(message, queue_arn) for message in messages]}


def queue_record(message: Message, queue_arn: str) -> dict[str, object]:
    """One message as it stands in Lambda's event."""
    record: dict[str, object] = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {
                **{key[0].lower() + key[1:]: value for key, value in attribute.items()},
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def filtered_form(record: Mapping[str, object]) -> Mapping[str, object]:
    """A record as filters see it: into a JSON body they look."""
    try:
        return {**record, "body": json.loads(str(record["body"]))}
    except ValueError:
        return record


def failed_messages(response: object, messages: Sequence[Message], *, reports_failures: bool) -> frozenset[str]:
    """Ids of the messages that a function which returned did not do; an unknown id fails the whole batch."""
    if not reports_failures:
        return frozenset()
    everything = frozenset(message["MessageId"] for message in messages)
    identifiers = reported_failures(response)
    if identifiers is None or not everything.issuperset(identifiers):
        return everything
    return frozenset(identifiers)


def groups_of(messages: Sequence[Message]) -> frozenset[str]:
    """The message groups in a batch; none on a standard queue."""
    groups = (message.get("Attributes", {}).get("MessageGroupId") for message in messages)
    return frozenset(group for group in groups if group is not None)


class GroupsInFlight:
    """Lets one batch of a message group through at a time.

    The queue itself hides a group while a message of it is in flight, but only until the visibility timeout: after a
    freeze longer than that a group's messages come again while their first delivery is still at work.
    """

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, groups: Collection[str]) -> Iterator[None]:
        """Wait until no other batch holds any of these groups, and hold them all meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._busy.isdisjoint(groups))
            self._busy.update(groups)
        try:
            yield
        finally:
            with self._changed:
                self._busy.difference_update(groups)
                self._changed.notify_all()


@dataclass
class Concurrency:
    """How many batches may be at work: more while all are busy, fewer after a throttle, the first few when idle.

    Lambda starts with five and adds several a second; here each step is a process on a small machine, so it starts
    with two. Never above MaximumConcurrency.
    """

    maximum: int
    allowed: int = field(init=False)
    busy: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def __post_init__(self) -> None:
        self.allowed = min(FIRST_CONCURRENCY, self.maximum)

    def take(self, patience_seconds: float) -> bool:
        """Take a place; after ``patience_seconds`` without a free one allow one more. False if there is none yet."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.busy < self.allowed, patience_seconds):
                self.allowed = min(self.allowed + 1, self.maximum)
                if self.busy >= self.allowed:
                    return False
            self.busy += 1
            return True

    def free(self) -> None:
        with self._changed:
            self.busy -= 1
            self._changed.notify()

    def note_throttle(self) -> None:
        with self._changed:
            self.allowed = max(1, self.allowed // 2)

    def note_idle(self) -> None:
        with self._changed:
            self.allowed = min(FIRST_CONCURRENCY, self.maximum)
