"""The stored form of the read model: an order's row, its place in the order list, and pieces of pending work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from shared.adapters import items
from shared.domain.instants import from_text, to_text
from shared.domain.kpis import shard_of
from shared.domain.orders import OrderState
from shared.domain.takeover import PendingWork
from shared.topology import TOPOLOGY, Topology

ROW: Final = "ROW"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as this Region projected it: ``version`` guards its replacement, ``seen`` are the events folded in.

    ``blocked`` are statuses whose publishing failed: later events of the order and status wait behind them.
    """

    version: int
    state: OrderState
    seen: frozenset[str]
    blocked: frozenset[str] = frozenset()


def bucket_of(registered_at: datetime, width_seconds: int) -> str:
    """The time bucket of an instant, as the text of the bucket's first second; sorts by time."""
    start = int(registered_at.timestamp()) // width_seconds * width_seconds
    return to_text(datetime.fromtimestamp(start, tz=registered_at.tzinfo))


def list_bucket(bucket: str, number: int) -> str:
    """One of the partition keys of a time bucket in the order list."""
    return f"{bucket}#{number:02d}"


def pending_key(whose: str, number: int) -> str:
    """One of the partition keys of pending work in its index."""
    return f"{whose}#{number:02d}"


def waits_for(whose: str, order_id: str, *, due_at: datetime, topology: Topology = TOPOLOGY) -> items.Plain:
    """The fields that make a piece of work pending: whose (``us-east-1``, ``us-east-1#parked``), and when it is due."""
    return {
        "pending_region": whose,
        "pending_key": pending_key(whose, shard_of(order_id, topology.pending_keys)),
        "due_at": to_text(due_at),
    }


def work_key(event_id: str) -> str:
    return f"WORK#{event_id}"


def state_to_plain(state: OrderState, topology: Topology = TOPOLOGY) -> items.Plain:
    """The attributes of a row that the fold decides, its place in the order list included."""
    bucket = bucket_of(state.registered_at, topology.list_bucket_seconds)
    return {
        "order_id": state.order_id,
        "status": state.status,
        "attempt": state.attempt,
        "status_from": state.status_from,
        "day": state.day.isoformat(),
        "happened_at": to_text(state.happened_at),
        "registered_at": to_text(state.registered_at),
        "items": items.items_to_plain(state.items),
        "items_from": state.items_from,
        "total": f"{state.total:f}" if state.total is not None else None,
        "courier": state.courier,
        "courier_from": state.courier_from,
        "city": state.city,
        "conflicts": list(state.conflicts) or None,
        "list_bucket": list_bucket(bucket, shard_of(state.order_id, topology.list_keys)),
        "list_key": f"{to_text(state.registered_at)}#{state.order_id}",
    }


def state_from_plain(plain: Mapping[str, Any]) -> OrderState:
    return OrderState(
        order_id=plain["order_id"],
        status=plain["status"],
        attempt=int(plain["attempt"]),
        status_from=plain["status_from"],
        day=date.fromisoformat(plain["day"]),
        happened_at=from_text(plain["happened_at"]),
        registered_at=from_text(plain["registered_at"]),
        items=items.items_from_plain(plain.get("items")),
        items_from=plain.get("items_from"),
        courier=plain.get("courier"),
        courier_from=plain.get("courier_from"),
        city=plain.get("city"),
        conflicts=tuple(plain.get("conflicts") or ()),
    )


def row_from_plain(plain: Mapping[str, Any]) -> OrderRow:
    return OrderRow(
        version=int(plain["version"]),
        state=state_from_plain(plain),
        seen=frozenset(plain.get("seen") or ()),
        blocked=frozenset(plain.get("blocked") or ()),
    )


def work_from_plain(plain: Mapping[str, Any]) -> PendingWork:
    seen_at = from_text(plain.get("effect_seen_at") or plain["seen_at"])
    return PendingWork(
        order_id=plain["order_id"],
        event_id=plain["event_id"],
        status=plain["status"],
        region=plain["pending_region"].partition("#")[0],
        seen_at=seen_at,
        due_at=from_text(plain["due_at"]),
        recorded_at=from_text(plain["recorded_at"]) if plain.get("recorded_at") else seen_at,
        attempt=int(plain.get("attempt", 0)),
        is_published="published_at" in plain or "effect_seen_at" in plain,
    )
