"""Sends webhook calls that were given up back into their queue: each gets all its tries anew.

A message is deleted only after it was sent, so nothing is lost whenever this dies; receivers know a repeat by its
event.
"""

from __future__ import annotations

from typing import Any, Final

RECEIVE_SECONDS: Final = 1
HIDDEN_SECONDS: Final = 60


def send_back(sqs: Any, *, dead_letters: str, queue: str, at_most: int) -> int:
    """Send messages back, not more than were there at first, since a deaf receiver's may come again meanwhile."""
    sent = 0
    while sent < at_most:
        answer = sqs.receive_message(
            QueueUrl=dead_letters,
            MaxNumberOfMessages=min(10, at_most - sent),
            WaitTimeSeconds=RECEIVE_SECONDS,
            VisibilityTimeout=HIDDEN_SECONDS,
        )
        messages = answer.get("Messages", [])
        if not messages:
            break
        for message in messages:
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
            sent += 1
    return sent
