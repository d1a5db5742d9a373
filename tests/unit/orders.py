"""Events for tests: a plain one to vary, and strategies for whatever an order may go through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from shared.domain.orders import Event, Item
from shared.topology import STATUSES

NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)


def event(status: str = "created", event_id: str = "e", **more: Any) -> Event:
    """An event of the order `o`."""
    fields: dict[str, Any] = {
        "order_id": "o", "origin_region": "us-east-1", "recorded_at": NOW, "subject": "ana", "body_hash": "h", **more,
    }  # fmt: skip
    return Event(event_id=event_id, status=status, **fields)


prices = st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False, allow_infinity=False)
lines = st.builds(Item, st.sampled_from(["p", "q", "r"]), prices, st.integers(1, 10_000))
moments = st.integers(-3 * 86_400_000, 0).map(lambda ms: NOW + timedelta(milliseconds=ms))


@st.composite
def events(draw: st.DrawFn, order_id: str = "o") -> Event:
    return Event(
        order_id=order_id,
        event_id=draw(st.text("0123456789abcdef", min_size=4, max_size=4)),
        status=draw(st.sampled_from(STATUSES)),
        origin_region=draw(st.sampled_from(["us-east-1", "us-east-2"])),
        recorded_at=draw(moments),
        subject="ana",
        body_hash="h",
        occurred_at=draw(st.none() | moments),
        attempt=draw(st.none() | st.integers(1, 4)),
        courier=draw(st.none() | st.sampled_from(["Luis", "Eva"])),
        city=draw(st.none() | st.sampled_from(["Cali", "Pasto"])),
        items=tuple(draw(st.lists(lines, max_size=3))),
    )


def histories(order_id: str = "o", most: int = 7) -> st.SearchStrategy[list[Event]]:
    """Sets of different events of one order."""
    return st.lists(events(order_id), min_size=1, max_size=most, unique_by=lambda found: found.event_id)
