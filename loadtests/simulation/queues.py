"""A FIFO queue and its dead-letter queue as SQS keeps them: groups in order, receives counted, duplicates swallowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

RECEIVES_BEFORE_DEAD_LETTER: Final = 5
SWALLOWS: Final = timedelta(minutes=5)


@dataclass(slots=True)
class Message:
    """A message; ``group`` is its order."""

    group: str
    body: str
    sent_at: datetime
    receives: int = 0


@dataclass(slots=True)
class Queue:
    """One status's queue in one Region."""

    messages: list[Message] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)  # groups that are being worked on
    _sent: dict[str, datetime] = field(default_factory=dict)

    def send(self, group: str, body: str, *, deduplication_id: str, now: datetime) -> None:
        """Take a message, unless one of this id came within five minutes."""
        known = self._sent.get(deduplication_id)
        if known is None or abs(now - known) > SWALLOWS:
            self._sent[deduplication_id] = now
            self.messages.append(Message(group, body, now))

    def receive(self, first: int, most: int) -> list[Message]:
        """A batch: messages of up to two groups that nobody works on, each group in order."""
        groups = list(dict.fromkeys(message.group for message in self.messages if message.group not in self.busy))
        if not groups:
            return []
        chosen = {groups[first % len(groups)], groups[(first + 1) % len(groups)]} if most > 2 else {
            groups[first % len(groups)]
        }  # fmt: skip
        batch = [message for message in self.messages if message.group in chosen][:most]
        for message in batch:
            message.receives += 1
            self.busy.add(message.group)
        return batch

    def settle(self, batch: list[Message], done: Callable[[int], bool]) -> None:
        """Delete what was done; what failed too often becomes a dead letter, the rest comes again."""
        for place, message in enumerate(batch):
            self.busy.discard(message.group)
            if done(place):
                self.messages.remove(message)
            elif message.receives >= RECEIVES_BEFORE_DEAD_LETTER:
                self.messages.remove(message)
                self.dead.append(message)
