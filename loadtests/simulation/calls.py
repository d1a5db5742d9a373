"""The webhooks' queue of a Region and its dead letters, as SQS keeps them without an order: what is read is hidden.

The calls of an SQS client are those that the function and `relevo redrive REGION webhooks` make; a URL is a name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from loadtests.simulation.queues import Message
from shared.topology import TOPOLOGY

CALLS: Final = TOPOLOGY.webhook_queue
DEAD: Final = TOPOLOGY.webhook_dead_letter_queue
TRIES: Final = len(TOPOLOGY.webhook_retry_seconds) + 1
# As the queue is made: six times as long as the function may take.
HIDDEN: Final = timedelta(seconds=6 * TOPOLOGY.webhook.timeout_seconds)


@dataclass(slots=True)
class Letter(Message):
    """An announcement that waits for its call."""

    handle: str = ""
    visible_at: datetime = datetime.min  # noqa: DTZ901  # always set when it is sent


class CallQueue:
    """Announcements that wait for a call, and those that were given up."""

    def __init__(self) -> None:
        self.waiting: list[Letter] = []
        self.dead: list[Letter] = []
        self._numbers = count()

    def send(self, body: str, now: datetime) -> None:
        self.waiting.append(Letter("", body, now, handle=str(next(self._numbers)), visible_at=now))

    def receive(self, first: int, most: int, now: datetime) -> list[Letter]:
        """A batch of what can be seen, from any place on; what was received too often is a dead letter instead."""
        visible = [letter for letter in self.waiting if letter.visible_at <= now]
        for letter in visible:
            if letter.receives >= TRIES:
                self.waiting.remove(letter)
                self.dead.append(letter)
        left = [letter for letter in visible if letter.receives < TRIES]
        batch = [left[(first + place) % len(left)] for place in range(min(most, len(left)))]
        for letter in batch:
            letter.receives += 1
            letter.visible_at = now + HIDDEN
        return batch

    def delete(self, handles: set[str]) -> None:
        self.waiting[:] = [letter for letter in self.waiting if letter.handle not in handles]

    def hide(self, url: str, handle: str, seconds: int, now: datetime) -> None:
        for letter in self._of(url):
            if letter.handle == handle:
                letter.visible_at = now + timedelta(seconds=seconds)

    def tire(self, now: datetime) -> None:
        """What waits has failed so often that it is given up, in the hours that no history has, and can be read."""
        for letter in self.waiting:
            letter.visible_at = now
        self.dead += self.waiting
        self.waiting.clear()

    def due_at(self) -> datetime | None:
        """When the next one can be seen."""
        return min((letter.visible_at for letter in self.waiting), default=None)

    def _of(self, url: str) -> list[Letter]:
        return {CALLS: self.waiting, DEAD: self.dead}[url]


class OperatorQueues:
    """SQS as an operator's command asks it, which may die between any two calls."""

    def __init__(self, queue: CallQueue, step: Callable[[], None], clock: Callable[[], datetime]) -> None:
        self._queue, self._step, self._clock = queue, step, clock

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": QueueName}

    def receive_message(
        self, *, QueueUrl: str, MaxNumberOfMessages: int, VisibilityTimeout: int, **_: object  # noqa: N803
    ) -> dict[str, Any]:  # fmt: skip
        assert QueueUrl == DEAD  # nothing else is read from outside
        self._step()
        found = [letter for letter in self._queue.dead if letter.visible_at <= self._clock()][:MaxNumberOfMessages]
        for letter in found:
            self._queue.hide(DEAD, letter.handle, VisibilityTimeout, self._clock())
        return {"Messages": [{"Body": letter.body, "ReceiptHandle": letter.handle} for letter in found]}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803
        assert QueueUrl == CALLS  # as above
        self._step()
        self._queue.send(MessageBody, self._clock())
        self._step()

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        assert QueueUrl == DEAD  # as above
        self._step()
        self._queue.dead[:] = [letter for letter in self._queue.dead if letter.handle != ReceiptHandle]
        self._step()
