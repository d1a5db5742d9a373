"""Plays Lambda's poller of an SQS queue: one receiver, and a thread for each batch at work.

A failed message is left alone until its visibility timeout runs out, the slowest that Lambda's documentation allows: it
says that failed messages become visible again, promises no moment, and its managed policy for queues has no right to
change visibility. The queue holds back the later messages of a group meanwhile, and fills its dead-letter queue itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.lab.polling.event_filter import passes
from loadtests.lab.polling.event_sources import QueueSource
from loadtests.lab.polling.invocation import Verdict, invoke
from loadtests.lab.polling.queue_batches import (
    Concurrency,
    GroupsInFlight,
    Message,
    failed_messages,
    filtered_form,
    groups_of,
    queue_event,
    queue_record,
)
from loadtests.lab.polling.region_clients import RegionClients
from loadtests.lab.polling.stream_batches import LONGEST_UNREACHED_SECONDS, backoff_seconds

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef

RECEIVE_LIMIT: Final = 10  # of ReceiveMessage
# Long enough that six idle queues cost next to nothing, short enough that a stop can wait for its end: the local Region
# gives messages even to a receive whose caller has gone, and they would be hidden for their visibility timeout.
LONG_POLL_SECONDS: Final = 2
PATIENCE_SECONDS: Final = 0.25
SILENT_RETRY_SECONDS: Final = 0.5

log = logging.getLogger("relevo.pollers")


@dataclass(frozen=True)
class Queue:
    """A queue as deployed."""

    url: str
    arn: str
    visibility_seconds: float


class QueuePoller:
    """Delivers one queue to one function until told to stop."""

    def __init__(
        self, source: QueueSource, clients: RegionClients, stop: threading.Event, *, time_scale: float = 1.0
    ) -> None:
        self._source = source
        self._clients = clients
        self._stop = stop
        self._time_scale = time_scale
        self._groups = GroupsInFlight()
        self.concurrency = Concurrency(source.maximum_concurrency)

    def parts(self) -> dict[str, Callable[[], None]]:
        """What runs side by side, by name; each part returns after the stop."""
        return {f"{self._source.function} receiver": self._receive}

    def close(self) -> None:
        """Nothing to wake: the receiver looks at the stop after each long poll."""

    def _receive(self) -> None:
        queue: Queue | None = None
        while not self._stop.is_set():
            # First a place, then a message: a message that waits here would use up its visibility timeout.
            if not self.concurrency.take(PATIENCE_SECONDS):
                continue
            messages: list[Message] = []
            try:
                if queue is None:
                    queue = self._find_queue()
                answer = self._clients.receiving.receive_message(
                    QueueUrl=queue.url,
                    MaxNumberOfMessages=min(self._source.batch_size, RECEIVE_LIMIT),
                    WaitTimeSeconds=LONG_POLL_SECONDS,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
                messages = cast("list[Message]", answer.get("Messages", []))
            except (BotoCoreError, ClientError, OSError) as error:
                log.info("%s: %s", self._source.queue, error)
                self._stop.wait(SILENT_RETRY_SECONDS)
            if not messages or queue is None:
                self.concurrency.free()
                self.concurrency.note_idle()
            elif self._stop.is_set():
                self._put_back(queue, messages)
            else:
                work = threading.Thread(target=self._work, args=(queue, messages, time.monotonic()), daemon=True)
                work.start()

    def _find_queue(self) -> Queue:
        url = self._clients.queues.get_queue_url(QueueName=self._source.queue)["QueueUrl"]
        found = self._clients.queues.get_queue_attributes(
            QueueUrl=url, AttributeNames=["QueueArn", "VisibilityTimeout"]
        )
        attributes = found["Attributes"]
        return Queue(url, attributes["QueueArn"], float(attributes["VisibilityTimeout"]))

    def _put_back(self, queue: Queue, messages: Sequence[Message]) -> None:
        try:
            self._clients.queues.change_message_visibility_batch(
                QueueUrl=queue.url, Entries=[{**entry, "VisibilityTimeout": 0} for entry in _entries(messages)]
            )
        except (BotoCoreError, ClientError, OSError) as error:
            log.info("%s: not put back: %s", self._source.queue, error)

    def _work(self, queue: Queue, messages: list[Message], received_at: float) -> None:
        hidden_until = received_at + queue.visibility_seconds
        try:
            with self._groups.hold(groups_of(messages)):
                self._delete(queue, self._deliver(queue, messages, hidden_until), hidden_until)
        except Exception:
            log.exception("%s: a batch was left to its visibility timeout", self._source.queue)
        finally:
            self.concurrency.free()

    def _deliver(self, queue: Queue, messages: list[Message], hidden_until: float) -> list[Message]:
        """Invoke the function with what passes the filters; returns the messages that are done."""
        wanted = [message for message in messages if self._passes(message, queue)]
        refused = [message for message in messages if message not in wanted]
        if not wanted:
            return refused
        unreached = 0
        while time.monotonic() < hidden_until and not self._stop.is_set():
            answer = invoke(self._clients.functions, self._source.function, queue_event(wanted, queue.arn))
            match answer.verdict:
                case Verdict.SUCCEEDED:
                    failed = failed_messages(answer.response, wanted, reports_failures=self._source.reports_failures)
                    if failed:
                        log.warning("%s: %d of %d messages failed", self._source.queue, len(failed), len(wanted))
                    return refused + [message for message in wanted if message["MessageId"] not in failed]
                case Verdict.FAILED:
                    log.warning("%s: %d messages failed: %s", self._source.queue, len(wanted), answer.reason)
                    return refused
                case Verdict.NOT_REACHED:
                    # As on AWS: with backoff and less concurrency, until the visibility timeout.
                    unreached += 1
                    self.concurrency.note_throttle()
                    log.info("%s: not reached (%s)", self._source.function, answer.reason)
                    self._stop.wait(backoff_seconds(unreached, self._time_scale, LONGEST_UNREACHED_SECONDS))
        log.warning("%s: %d messages left to their visibility timeout", self._source.queue, len(wanted))
        return refused

    def _passes(self, message: Message, queue: Queue) -> bool:
        return not self._source.filters or passes(self._source.filters, filtered_form(queue_record(message, queue.arn)))

    def _delete(self, queue: Queue, done: Sequence[Message], hidden_until: float) -> None:
        """Delete what is done; what cannot be deleted before it reappears is delivered again."""
        tries = 0
        while done:
            try:
                answer = self._clients.queues.delete_message_batch(QueueUrl=queue.url, Entries=_entries(done))
            except (BotoCoreError, ClientError, OSError) as error:
                tries += 1
                log.info("%s: delete: %s", self._source.queue, error)
                if time.monotonic() > hidden_until or self._stop.wait(backoff_seconds(tries, self._time_scale)):
                    return
            else:
                for failure in answer.get("Failed", []):
                    log.info("%s: delete: %s", self._source.queue, failure.get("Code"))
                return


def _entries(messages: Sequence[Message]) -> list[DeleteMessageBatchRequestEntryTypeDef]:
    return [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)]
