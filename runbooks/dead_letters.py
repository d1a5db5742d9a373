"""Takes a dead-letter queue back into its queue, in order within each message group.

A message stays in the dead-letter queue, hidden, until its effect is in the log. So nothing is lost whenever this dies,
and one that fails again is still the first of its group; sent twice it changes nothing: effects are keyed by event.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from botocore.exceptions import ClientError

from shared.adapters.items import MalformedItemError, event_from_plain
from shared.adapters.order_log import OrderLog
from shared.domain.effects import ItemsUnknownError, effect_of

GROUPS_SIDE_BY_SIDE: Final = 8
MESSAGES_A_ROUND: Final = 80
LOOK_SECONDS: Final = 0.5
# How long SQS hides what is being worked on beyond the wait for one effect; extended before each message.
HIDDEN_SECONDS: Final = 60
# Empty answers in a row after which the queue is taken to be empty, each asked of all of SQS's servers.
EMPTY_RECEIVES: Final = 2
RECEIVE_SECONDS: Final = 1

Move = Literal["delete", "send", "wait", "stop"]


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the dead-letter queue; ``fault`` tells why no event could be read from it."""

    body: str
    group: str
    receipt: str
    attributes: dict[str, Any]
    order_id: str = ""
    event_id: str = ""
    fault: str = ""


def letter_of(message: dict[str, Any]) -> Letter:
    """Read a received message; what cannot succeed however often it is tried has a ``fault``."""
    order_id = event_id = fault = ""
    try:
        event = event_from_plain(json.loads(message["Body"]))
        order_id, event_id = event.order_id, event.event_id
        effect_of(event, origin_region=event.origin_region, recorded_at=event.recorded_at)
    except (MalformedItemError, ItemsUnknownError, ValueError, TypeError) as error:
        fault = f"{type(error).__name__}: {error}"
    return Letter(
        body=message["Body"],
        group=message["Attributes"]["MessageGroupId"],
        receipt=message["ReceiptHandle"],
        attributes={
            name: {key: value for key, value in attribute.items() if key in ("DataType", "StringValue", "BinaryValue")}
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        order_id=order_id,
        event_id=event_id,
        fault=fault,
    )


def next_move(letter: Letter, *, effect_is_there: bool, sent_for: float | None, wait: float) -> Move:
    """What to do with the first message of a group; behind ``wait`` and ``stop`` the group's other messages stay put.

    ``sent_for`` are the seconds since it was sent, ``None`` before that.
    """
    if effect_is_there:
        return "delete"
    if letter.fault:
        return "stop"
    if sent_for is None:
        return "send"
    return "wait" if sent_for < wait else "stop"


@dataclass
class Tally:
    """What became of the messages."""

    redriven: int = 0
    already_done: int = 0
    stopped: dict[str, str] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)


@dataclass
class Redrive:
    """One dead-letter queue on its way back."""

    sqs: Any
    log: OrderLog
    queue: str
    dead_letters: str
    wait: float
    tell: Callable[[int], None] = lambda _done: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    tally: Tally = field(default_factory=Tally)
    _held: dict[str, list[Letter]] = field(default_factory=dict, init=False)

    def run(self) -> Tally:
        """Work through the queue until nothing comes any more; what stays is visible again at the end."""
        try:
            with ThreadPoolExecutor(GROUPS_SIDE_BY_SIDE) as pool:
                while groups := self._receive():
                    for done in pool.map(self._work_group, groups.values()):
                        self.tally.redriven += done["redriven"]
                        self.tally.already_done += done["already done"]
        finally:
            self._release()
        return self.tally

    def _receive(self) -> dict[str, list[Letter]]:
        """The next messages, by group and in order; those of a stopped group are put aside."""
        groups: dict[str, list[Letter]] = {}
        found = empty = 0
        while found < MESSAGES_A_ROUND and empty < EMPTY_RECEIVES:
            answer = self.sqs.receive_message(
                QueueUrl=self.dead_letters,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=0 if found else RECEIVE_SECONDS,
                VisibilityTimeout=int(self.wait) + HIDDEN_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            letters = [letter_of(message) for message in answer.get("Messages", [])]
            if not letters:
                if found:
                    break
                empty += 1
            for letter in letters:
                if letter.group in self.tally.stopped:
                    self._hold(letter)
                else:
                    groups.setdefault(letter.group, []).append(letter)
                    found += 1
        return groups

    def _work_group(self, letters: Sequence[Letter]) -> Counter[str]:
        """Bring messages of one group through, the next only after the one before."""
        done: Counter[str] = Counter()
        for index, letter in enumerate(letters):
            outcome = self._work(letter)
            if outcome not in ("redriven", "already done"):
                self.tally.stopped[letter.group] = outcome
                for left in letters[index:]:
                    self._hold(left)
                break
            done[outcome] += 1
            self.tell(1)
        return done

    def _work(self, letter: Letter) -> str:
        """Bring one message through; returns what was done, or why its group stops here."""
        self._hide(letter)
        sent_at: float | None = None
        while True:
            try:
                is_there = bool(letter.event_id) and self.log.effect(letter.order_id, letter.event_id) is not None
            except MalformedItemError as error:
                return f"the effect of event {letter.event_id} cannot be read ({error})"
            sent_for = None if sent_at is None else self.clock() - sent_at
            match next_move(letter, effect_is_there=is_there, sent_for=sent_for, wait=self.wait):
                case "delete":
                    self._delete(letter)
                    return "already done" if sent_at is None else "redriven"
                case "send":
                    self._send(letter)
                    sent_at = self.clock()
                case "wait":
                    self.sleep(LOOK_SECONDS)
                case "stop" if letter.fault:
                    return f"it cannot be processed ({letter.fault})"
                case "stop":
                    return f"no effect of event {letter.event_id} within {self.wait:.0f} s of sending it"

    def _send(self, letter: Letter) -> None:
        self.sqs.send_message(
            QueueUrl=self.queue,
            MessageBody=letter.body,
            MessageGroupId=letter.group,
            # A new id: SQS swallows one that it has seen within five minutes.
            MessageDeduplicationId=f"{letter.event_id}#redrive-{secrets.token_hex(8)}",
            MessageAttributes=letter.attributes,
        )

    def _delete(self, letter: Letter) -> None:
        try:
            self.sqs.delete_message(QueueUrl=self.dead_letters, ReceiptHandle=letter.receipt)
        except ClientError as error:
            # Hidden for too long: it comes again, its effect is found, and it is deleted then.
            if error.response["Error"]["Code"] not in ("InvalidParameterValue", "ReceiptHandleIsInvalid"):
                raise

    def _hide(self, letter: Letter, seconds: int | None = None) -> None:
        try:
            self.sqs.change_message_visibility(
                QueueUrl=self.dead_letters,
                ReceiptHandle=letter.receipt,
                VisibilityTimeout=int(self.wait) + HIDDEN_SECONDS if seconds is None else seconds,
            )
        except ClientError as error:
            # Visible again by itself in the meantime, which is where it should be or come back from.
            if error.response["Error"]["Code"] not in (
                "InvalidParameterValue",
                "ReceiptHandleIsInvalid",
                "MessageNotInflight",
                "AWS.SimpleQueueService.MessageNotInflight",
            ):
                raise

    def _hold(self, letter: Letter) -> None:
        held = self._held.setdefault(letter.group, [])
        # Hidden for too long, it may have come again: the newest receipt counts.
        held[:] = [other for other in held if other.body != letter.body]
        held.append(letter)
        self.tally.left[letter.group] = len(held)

    def _release(self) -> None:
        for letters in self._held.values():
            for letter in letters:
                self._hide(letter, 0)


def depth(sqs: Any, url: str) -> int:
    """About how many messages a queue holds, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)
