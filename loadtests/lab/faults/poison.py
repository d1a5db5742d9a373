"""The fault of a poison message: one that no version can read, in a queue between good ones.

Queues hide a failed message for 90 seconds, so that it would take eight minutes to a dead-letter queue; while the fault
lasts they hide it for two.
"""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import uuid4

from loadtests.lab.deploy import client
from loadtests.lab.layout import Seat
from loadtests.lab.polling.queue_poller import LONG_POLL_SECONDS
from shared.topology import dead_letter_queue_name, queue_name

BODY: Final = "poison: not JSON, and no order's"
HIDDEN_SECONDS: Final = 2
REMOVE_SECONDS: Final = 15.0
STILL_THERE: Final = "has not been given up: it is still in its queue"
VISIBILITY: Final = "VisibilityTimeout"


class Poison:
    """One poison message in the queue of one status."""

    def __init__(self, seat: Seat, status: str) -> None:
        self._sqs = client(seat, "sqs", timeout_seconds=5.0)
        self._queue = self._sqs.get_queue_url(QueueName=queue_name(status))["QueueUrl"]
        self._dead = self._sqs.get_queue_url(QueueName=dead_letter_queue_name(status))["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=[VISIBILITY])["Attributes"]
        self._hidden_seconds = str(attributes[VISIBILITY])
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={VISIBILITY: str(HIDDEN_SECONDS)})
        # A receive that waits already hides what it gets for as long as the queue said when it began.
        time.sleep(LONG_POLL_SECONDS + 0.5)
        name = f"poison-{uuid4().hex}"
        self._sqs.send_message(QueueUrl=self._queue, MessageBody=BODY, MessageGroupId=name, MessageDeduplicationId=name)

    def remove(self) -> bool:
        """Wait until the message was given up, delete it, and make the queue as it was; whether it was found."""
        try:
            end = time.monotonic() + REMOVE_SECONDS
            while time.monotonic() < end:
                if self._delete_from(self._dead):
                    return True
                time.sleep(0.25)
            return False
        finally:
            self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={VISIBILITY: self._hidden_seconds})

    def _delete_from(self, queue: str) -> bool:
        messages: list[Any] = self._sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
        ).get("Messages", [])
        poison = [message for message in messages if message["Body"] == BODY]
        for message in poison:
            self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bool(poison)
