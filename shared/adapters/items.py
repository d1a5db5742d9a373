"""The stored form of events and effects, and the typed form of what DynamoDB gives back.

Reading is strict: an item that is not what the log may hold raises ``MalformedItemError`` and is quarantined by the
relay, never guessed at. Unknown attributes are allowed, since a newer version may have written them.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from boto3.dynamodb.types import TypeSerializer

from shared.domain.effects import Content, Effect
from shared.domain.instants import from_text, to_text
from shared.domain.orders import Event, Item, total_of
from shared.topology import STATUSES

# What botocore calls an attribute value; its shape is DynamoDB's, and no adapter lets it out.
Wire = dict[str, Any]
Plain = dict[str, Any]

SCHEMA: Final = 1

_serializer: Final = TypeSerializer()


class MalformedItemError(ValueError):
    """A stored item or a message that is not a valid event, effect or heartbeat."""


def to_wire(plain: Mapping[str, object]) -> Wire:
    """Plain values to attribute values; absent (``None``) ones are left out."""
    return {name: _serializer.serialize(value) for name, value in plain.items() if value is not None}


def from_wire(wire: Mapping[str, Any]) -> Plain:
    """Attribute values to plain values, as boto3 does it, in a third of its time: a page has a thousand of them."""
    return {name: _plain(value) for name, value in wire.items()}


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return Decimal(content)
        case "NULL":
            return None
        case "M":
            return from_wire(content)
        case "L":
            return [_plain(element) for element in content]
        case "SS":
            return set(content)
        case "NS":
            return {Decimal(number) for number in content}
        case "B":
            return _binary(content)
        case "BS":
            return {_binary(value) for value in content}
    return content  # text and booleans


def _binary(content: str | bytes) -> bytes:
    """What only a newer version writes: text in a stream's record and of this service's own clients, else bytes."""
    return b64decode(content) if isinstance(content, str) else content


def order_key(order_id: str) -> str:
    return f"ORDER#{order_id}"


def event_key(event_id: str) -> str:
    return f"EVENT#{event_id}"


def effect_key(event_id: str) -> str:
    return f"EFFECT#{event_id}"


def items_to_plain(items: tuple[Item, ...]) -> list[Plain] | None:
    """Items as stored; prices are text, so that 10.50 stays 10.50."""
    return [{"product": item.product, "price": f"{item.price:f}", "quantity": item.quantity} for item in items] or None


def items_from_plain(stored: object) -> tuple[Item, ...]:
    lines = cast(list[Plain], stored or [])
    return tuple(Item(line["product"], Decimal(line["price"]), int(line["quantity"])) for line in lines)


def event_to_plain(event: Event) -> Plain:
    """The fields of an event, as stored and as sent in messages."""
    return {
        "entity": "event",
        "schema": SCHEMA,
        "order_id": event.order_id,
        "event_id": event.event_id,
        "status": event.status,
        "origin_region": event.origin_region,
        "recorded_at": to_text(event.recorded_at),
        "subject": event.subject,
        "body_hash": event.body_hash,
        "idempotency_key": event.idempotency_key,
        "occurred_at": to_text(event.occurred_at) if event.occurred_at else None,
        "attempt": event.attempt,
        "courier": event.courier,
        "city": event.city,
        "note": event.note,
        "items": items_to_plain(event.items),
        "total": f"{total_of(event.items):f}" if event.items else None,
        "copied_items": event.copied_items or None,
    }


def event_from_plain(plain: Mapping[str, Any]) -> Event:
    """An event from its stored or sent form; raises ``MalformedItemError``."""
    try:
        if plain["entity"] != "event" or plain["status"] not in STATUSES:
            raise ValueError(f"entity {plain['entity']!r}, status {plain['status']!r}")
        return Event(
            order_id=str(plain["order_id"]),
            event_id=str(plain["event_id"]),
            status=plain["status"],
            origin_region=str(plain["origin_region"]),
            recorded_at=from_text(plain["recorded_at"]),
            subject=str(plain["subject"]),
            body_hash=str(plain["body_hash"]),
            idempotency_key=plain.get("idempotency_key"),
            occurred_at=from_text(plain["occurred_at"]) if plain.get("occurred_at") else None,
            attempt=int(plain["attempt"]) if plain.get("attempt") is not None else None,
            courier=plain.get("courier"),
            city=plain.get("city"),
            note=plain.get("note"),
            items=items_from_plain(plain.get("items")),
            copied_items=bool(plain.get("copied_items", False)),
        )
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise MalformedItemError(f"not an event: {type(error).__name__}: {error}") from error


def effect_to_plain(effect: Effect) -> Plain:
    return {
        "entity": "effect",
        "schema": SCHEMA,
        "order_id": effect.order_id,
        "event_id": effect.event_id,
        "status": effect.status,
        "origin_region": effect.origin_region,
        "recorded_at": to_text(effect.recorded_at),
        "kind": effect.kind,
        "content": effect.content,
        "content_hash": effect.content_hash,
    }


def _as_json(value: Any) -> Any:
    """A stored value as JSON has it: a newer version's content may be deeper than this one's, and hold fractions."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case list():
            return [_as_json(element) for element in value]
        case dict():
            return {name: _as_json(element) for name, element in value.items()}
    return value


def effect_from_plain(plain: Mapping[str, Any]) -> Effect:
    """An effect from its stored form; raises ``MalformedItemError``."""
    try:
        if plain["entity"] != "effect":
            raise ValueError(f"entity {plain['entity']!r}")
        content: Content = {name: _as_json(value) for name, value in plain["content"].items()}
        return Effect(
            order_id=str(plain["order_id"]),
            event_id=str(plain["event_id"]),
            status=str(plain["status"]),
            kind=str(plain["kind"]),
            content=content,
            origin_region=str(plain["origin_region"]),
            recorded_at=from_text(plain["recorded_at"]),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise MalformedItemError(f"not an effect: {type(error).__name__}: {error}") from error
