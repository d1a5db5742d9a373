"""What the judge looks at, and which stored event stands for which command of the ledger. Pure.

Nothing of the product's code is used: contents are compared field by field with what the client sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from loadtests.drills.fold import Item
from loadtests.expectations import content_of
from loadtests.ledger import Ledger, SentCommand


@dataclass(frozen=True)
class Announcement:
    """One message that the drill's own queue got from a Region's event bus."""

    region: str
    event_id: str
    content: str  # canonical text of kind and content
    at: float


@dataclass
class Replica:
    """What one Region holds of this run's orders: log items by key, view rows by order."""

    region: str
    log: dict[tuple[str, str], Item] = field(default_factory=dict)
    rows: dict[str, Item] = field(default_factory=dict)

    def of_kind(self, entity: str) -> Iterator[Item]:
        return (item for item in self.log.values() if item.get("entity") == entity)


@dataclass
class Evidence:
    """Everything the judge looks at."""

    ledger: Ledger
    replicas: list[Replica]
    announcements: list[Announcement]
    sales: dict[str, dict[date, Decimal]]  # per Region and day, what this run added to /v1/metrics
    changed_effect_writes: int = 0  # the product's own count of writes that would have changed an effect


@dataclass
class Matches:
    """Which event of a replica's log stands for which command, per Region."""

    events: dict[str, dict[str, Item]]  # region -> command id -> event
    strangers: dict[str, list[Item]]  # region -> events that no command accounts for
    problems: dict[str, list[str]]  # region -> content problems


def match_commands(evidence: Evidence) -> Matches:
    """Find each command's event: by the acknowledged id, else by its key, else by order and content."""
    found = Matches({}, {}, {})
    for replica in evidence.replicas:
        by_order: dict[str, list[Item]] = defaultdict(list)
        by_key: dict[str, list[Item]] = defaultdict(list)
        for event in replica.of_kind("event"):
            by_order[str(event["order_id"])].append(event)
            if event.get("idempotency_key"):
                by_key[str(event["idempotency_key"])].append(event)
        matched: dict[str, Item] = {}
        problems: list[str] = []
        for command in evidence.ledger.commands.values():
            found_event = _event_of(command, evidence.ledger, by_order, by_key)
            if found_event is None:
                continue
            matched[command.command_id] = found_event
            wrong = content_faults(command, found_event)
            if wrong:
                problems.append(
                    f"{command.command_id} in {replica.region}: {', '.join(wrong)} differ from what was sent"
                )
        known = {str(event["event_id"]) for event in matched.values()}
        strangers = [event for event in replica.of_kind("event") if str(event["event_id"]) not in known]
        found.events[replica.region] = matched
        found.strangers[replica.region] = strangers
        found.problems[replica.region] = problems
    return found


def _event_of(
    command: SentCommand, ledger: Ledger, by_order: Mapping[str, list[Item]], by_key: Mapping[str, list[Item]]
) -> Item | None:
    ack = ledger.acks.get(command.command_id)
    if ack is not None and ack.event_id is not None:
        return next((e for e in by_order.get(ack.order_id, ()) if e["event_id"] == ack.event_id), None)
    if command.key is not None:
        return next(iter(by_key.get(command.key, ())), None)
    candidates = [e for e in by_order.get(command.order_id or "", ()) if e["status"] == command.status]
    exact = [event for event in candidates if not content_faults(command, event)]
    return next(iter(exact or candidates), None)


def content_faults(command: SentCommand, event: Item) -> list[str]:
    """Name the fields in which a stored event is not what the client sent."""
    sent = content_of(command)
    stored_at = event.get("occurred_at")
    pairs: dict[str, tuple[object, object]] = {
        "status": (sent.status, event.get("status")),
        "subject": (command.subject, event.get("subject")),
        "idempotency_key": (command.key, event.get("idempotency_key")),
        "courier": (sent.courier, event.get("courier")),
        "city": (sent.city, event.get("city")),
        "note": (sent.note, event.get("note")),
        "attempt": (sent.attempt, None if event.get("attempt") is None else int(event["attempt"])),
        "occurred_at": (
            sent.occurred_at,
            None if stored_at is None else datetime.fromisoformat(stored_at).astimezone(UTC),
        ),
    }
    if command.order_id is not None:
        pairs["order_id"] = (command.order_id, event.get("order_id"))
    if not event.get("copied_items"):
        stored = [(i["product"], Decimal(str(i["price"])), int(i.get("quantity", 1))) for i in event.get("items") or ()]
        pairs["items"] = ([(line.product, line.price, line.quantity) for line in sent.items], stored)
    return [name for name, (wanted, stored_value) in pairs.items() if wanted != stored_value]


def canonical_text(value: Any) -> str:
    """One text for equal contents, wherever they were read (numbers compare by value)."""
    match value:
        case bool() | None:
            return repr(value)
        case int() | float() | Decimal():
            return f"{Decimal(str(value)).normalize():f}"
        case Mapping():
            return "{" + ",".join(f"{key!r}:{canonical_text(value[key])}" for key in sorted(value)) + "}"
        case set() | frozenset():
            return "{" + ",".join(sorted(canonical_text(child) for child in value)) + "}"
        case list() | tuple():
            return "[" + ",".join(canonical_text(child) for child in value) + "]"
        case _:
            return repr(value)
