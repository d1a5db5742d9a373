"""The clients of a history: what they send, the sessions they remember, and everything they were answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from loadtests.simulation.history import Salt
from shared.domain.instants import to_text
from shared.domain.orders import body_hash, event_id, order_id_for_key
from shared.topology import STATUSES

SESSIONS: Final = 3
SUBJECTS: Final = ("ana", "luz")  # client systems; their sessions take turns
KEYS: Final = 8
WITH_ITEMS: Final = ("created", "in_transit", "delivered")
MOST_TRIES: Final = 6
AUDITOR: Final = -1  # the session that asks when everything has come to rest


@dataclass(frozen=True, slots=True)
class Sent:
    """A command as a client has it; a retry is the same command."""

    session: int
    subject: str
    order_id: str
    event_id: str
    key: str | None
    body: Mapping[str, Any]

    @property
    def status(self) -> str:
        return str(self.body.get("status", "created"))


@dataclass(frozen=True, slots=True)
class Seen:
    """An order as a client was shown it: its state, and its events by id with what each of them says."""

    standing: tuple[int, int, int, str]  # terminal class, attempt, rank and id of the event that decided
    events: Mapping[str, tuple[Any, ...]]
    effects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, and what it is about."""

    status: int
    event_id: str = ""
    kind: str = ""  # of a problem
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client and its answer; ``None`` if none came."""

    number: int  # in the order in which they ended
    begun: int  # how many had ended when it began
    session: int
    region: str
    order_id: str
    answer: Answer | None
    sent: Sent | None = None
    at_least: str | None = None


@dataclass
class Session:
    """What one client remembers of each order: the event it names with ``at_least``."""

    knows: dict[str, tuple[tuple[int, int, int, str], str]] = field(default_factory=dict)

    def learn(self, order_id: str, standing: tuple[int, int, int, str]) -> None:
        """Remember the furthest event of an order that was acknowledged or shown."""
        known = self.knows.get(order_id)
        if known is None or known[0] < standing:
            self.knows[order_id] = (standing, standing[3])


def standing_of(sent: Sent) -> tuple[int, int, int, str]:
    """Where a command stands among those of its order, by the rules on the design page."""
    terminal = {"delivered": 2, "cancelled": 1}.get(sent.status, 0)
    return terminal, int(sent.body.get("attempt", 1)), STATUSES.index(sent.status), sent.event_id


def said_by(sent: Sent) -> tuple[Any, ...]:
    """What an event made of this command has to say; items may be copied, so they are told apart."""
    return (sent.status, int(sent.body.get("attempt", 1)), sent.body.get("courier"), sent.body.get("note"))


def command_of(salt: Salt, *, orders: int, now: datetime) -> Sent:
    """A command about one of a few orders; not every one names a key, items, a courier or a time.

    Items of an order vary only where every delivery brings its own: see the known limit in the simulation's tests.
    """
    number, status = salt.pick(orders), STATUSES[salt.pick(len(STATUSES))]
    body: dict[str, Any] = {"status": status}
    key = f"k{salt.pick(KEYS)}" if salt.one_in(2) else None
    if key is None or not salt.one_in(8):
        body["order_id"] = f"o{number}"
        varies = number % 2 == 1
    else:
        number, varies = int(key[1:]), False
    if (varies and status == "delivered") or (status in WITH_ITEMS and not salt.one_in(3)):
        price = Decimal(number + 1) / 4 + (salt.pick(4) if varies else 0)
        body["items"] = [{"product": f"p{number}", "price": price, "quantity": number + 1}]
    if salt.one_in(2):
        body["courier"] = ("Luis", "Eva")[salt.pick(2)]
    if salt.one_in(3):
        body["occurred_at"] = to_text(now - timedelta(minutes=10 + salt.pick(60)))
    if (status == "failed" and key is None) or not salt.one_in(2):
        body["attempt"] = 1 + salt.pick(3)
    return sent_of(body, key, session=salt.pick(SESSIONS))


def next_after(sent: Sent) -> Sent:
    """The next attempt at the same: what comes behind a command in its lane."""
    body = {**sent.body, "order_id": sent.order_id, "attempt": int(sent.body.get("attempt", 1)) + 1}
    return sent_of(body, None, session=sent.session)


def subject_of(session: int) -> str:
    """Which client system a session is one of."""
    return SUBJECTS[session % len(SUBJECTS)]


def sent_of(body: Mapping[str, Any], key: str | None, *, session: int) -> Sent:
    """A command with the identity that every Region has to give it."""
    subject = subject_of(session)
    order_id = body.get("order_id") or order_id_for_key(subject=subject, idempotency_key=key or "")
    identity = event_id(
        subject=subject, order_id=order_id, status=str(body.get("status", "created")), idempotency_key=key,
        body_hash=body_hash(body),
    )  # fmt: skip
    return Sent(session, subject, str(order_id), identity, key, body)
