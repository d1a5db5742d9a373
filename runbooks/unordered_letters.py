"""Sends back dead letters that need no order: webhook calls into their queue, events of files to the importer.

A message is deleted only after it was taken, so nothing is lost whenever this dies; what comes twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from shared.topology import live_function

RECEIVE_SECONDS: Final = 1
HIDDEN_SECONDS: Final = 60
Send = Callable[[str], object]  # takes a message's body, and raises if it is not accepted


class UnreadableLetterError(Exception):
    """A message that Lambda did not write."""


def send_back(sqs: Any, *, dead_letters: str, send: Send, at_most: int) -> int:
    """Send messages back, not more than were there at first: what fails once more may come again meanwhile."""
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
            send(message["Body"])
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
            sent += 1
    return sent


def to_queue(sqs: Any, queue: str) -> Send:
    """Send a message as it is into a queue."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    return lambda body: sqs.send_message(QueueUrl=url, MessageBody=body)


def to_importer(functions: Any) -> Send:
    """Let the importer be called with the event that it was called with, in its turn and with all its tries."""
    return lambda body: functions.invoke(
        FunctionName=live_function("importer"), InvocationType="Event", Payload=json.dumps(event_of(body)).encode()
    )


def event_of(body: str) -> dict[str, Any]:
    """The event in what Lambda tells a failure destination; raises ``UnreadableLetterError``."""
    try:
        event: dict[str, Any] = json.loads(body)["requestPayload"]
        return {"Records": event["Records"]}
    except (ValueError, LookupError, TypeError) as error:
        raise UnreadableLetterError(f"a message is no event of a file: {body[:200]!r}") from error
