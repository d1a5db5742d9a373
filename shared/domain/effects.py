"""What processing an event produces: for each status a pure function of the event alone.

No clock, no Region, no `recorded_at`: whoever computes the effect of an event, whenever, gets the same content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.domain.instants import to_text
from shared.domain.orders import Event, total_of

Content = dict[str, str | int | bool]

DELIVERY_PROMISE: Final = timedelta(hours=24)
TRANSIT_ESTIMATE: Final = timedelta(hours=6)
NEXT_ATTEMPT: Final = timedelta(hours=18)
MAX_ATTEMPTS: Final = 3


class ItemsUnknownError(Exception):
    """A `delivered` whose items have not arrived here: its effect has to wait for them."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The outcome of one event, keyed by the event's id."""

    order_id: str
    event_id: str
    status: str
    kind: str
    content: Content
    origin_region: str
    recorded_at: datetime

    @property
    def content_hash(self) -> str:
        """What must never differ between two effects of one event."""
        text = json.dumps([self.kind, self.content], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _after(event: Event, span: timedelta) -> Content:
    """A moment counted from when the client said it happened, or else just the span."""
    content: Content = {"within_hours": int(span.total_seconds() // 3600)}
    if event.occurred_at is not None:
        content["at"] = to_text(event.occurred_at + span)
    return content


def _promise(event: Event) -> Content:
    return {**_after(event, DELIVERY_PROMISE), "city": event.city or "unknown"}


def _courier_confirmation(event: Event) -> Content:
    return {"courier": event.courier or "unassigned", "attempt": event.attempt or 1}


def _estimate(event: Event) -> Content:
    return {**_after(event, TRANSIT_ESTIMATE), "attempt": event.attempt or 1}


def _next_attempt(event: Event) -> Content:
    attempt = event.attempt or 1
    if attempt >= MAX_ATTEMPTS:
        return {"attempt": attempt, "planned": False, "return_to_sender": True}
    return {"attempt": attempt, "planned": True, "next_attempt": attempt + 1, **_after(event, NEXT_ATTEMPT)}


def _receipt(event: Event) -> Content:
    if not event.items:
        raise ItemsUnknownError(event.order_id)
    return {
        "total": f"{total_of(event.items):f}",
        "currency": "COP",
        "lines": len(event.items),
        "units": sum(item.quantity for item in event.items),
    }


def _withdrawal(event: Event) -> Content:
    return {"withdrawn": True, "reason": event.note or "not given"}


RULES: Final[dict[str, tuple[str, Callable[[Event], Content]]]] = {
    "created": ("delivery_promise", _promise),
    "assigned": ("courier_confirmation", _courier_confirmation),
    "in_transit": ("transit_estimate", _estimate),
    "failed": ("next_attempt", _next_attempt),
    "delivered": ("receipt", _receipt),
    "cancelled": ("withdrawal", _withdrawal),
}


def effect_of(event: Event, *, origin_region: str, recorded_at: datetime) -> Effect:
    """Compute the effect of an event; raises ``ItemsUnknownError`` for a `delivered` without items.

    ``origin_region`` and ``recorded_at`` only tell who wrote the effect and are no part of its content.
    """
    kind, rule = RULES[event.status]
    return Effect(
        order_id=event.order_id,
        event_id=event.event_id,
        status=event.status,
        kind=kind,
        content=rule(event),
        origin_region=origin_region,
        recorded_at=recorded_at,
    )
