"""One Region's tables in memory: a replica of the log with its stream and its last-writer-wins, and the order view.

They have the public methods of the adapters and their guards (insert-only, version of a row), and nothing of DynamoDB.
A `step` is called around every write, so that a simulator can kill the caller there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.adapters import items
from shared.adapters.order_log import Beat, OrderRecord, heartbeat_key
from shared.adapters.order_queries import Freshness
from shared.adapters.order_rows import OrderRow, work_from_plain
from shared.adapters.order_view import StaleRowError
from shared.adapters.order_work import OrderWork
from shared.domain.effects import Effect
from shared.domain.instants import from_text, to_text
from shared.domain.kpis import contribution_of, movements
from shared.domain.orders import Event, OrderState
from shared.domain.takeover import Guard, PendingWork
from shared.topology import KpiItems

Key = tuple[str, str]
Stamp = tuple[datetime, str]  # when an item was written by the writer's clock; the Region's name breaks ties
KPI_ITEMS = KpiItems(orders=2, products=2, couriers=2, product_spread=2)


def nothing() -> None:
    """Where nobody is killed."""


class MemoryLog:
    """A replica of the log; `written` holds its own writes for replication, `stream` every change for the relay."""

    def __init__(
        self, region: str = "us-east-1", clock: Callable[[], datetime] | None = None, step: Callable[[], None] = nothing
    ) -> None:
        self.region, self.step = region, step
        self._clock = clock or (lambda: datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
        self.stored: dict[Key, tuple[Stamp, Any]] = {}
        self.stream: list[tuple[Key, Any]] = []
        self.written: list[tuple[Key, Stamp, Any]] = []

    def _write(self, key: Key, content: Any) -> None:
        stamp = (self._clock(), self.region)
        self.stored[key] = (stamp, content)
        self.stream.append((key, content))
        self.written.append((key, stamp, content))

    def _insert(self, key: Key, content: Any) -> bool:
        self.step()
        is_new = key not in self.stored
        if is_new:
            self._write(key, content)
        self.step()
        return is_new

    def replicate(self, key: Key, stamp: Stamp, content: Any) -> None:
        """Take the peer's write if it is the later one."""
        if key not in self.stored or self.stored[key][0] < stamp:
            self.stored[key] = (stamp, content)
            self.stream.append((key, content))

    def order(self, order_id: str) -> OrderRecord:
        found = [content for (partition, _), (_, content) in sorted(self.stored.items()) if partition == order_id]
        events = tuple(content for content in found if isinstance(content, Event))
        return OrderRecord(events, tuple(content for content in found if isinstance(content, Effect)))

    def record_event(self, event: Event) -> bool:
        return self._insert((event.order_id, items.event_key(event.event_id)), event)

    def record_effect(self, effect: Effect) -> str:
        if self._insert((effect.order_id, items.effect_key(effect.event_id)), effect):
            return "written"
        stored = self.effect(effect.order_id, effect.event_id)
        return "already there" if stored and stored.content_hash == effect.content_hash else "content differs"

    def effect(self, order_id: str, event_id: str) -> Effect | None:
        found = self.stored.get((order_id, items.effect_key(event_id)))
        return found[1] if found else None

    def beat(self, *, region: str, numbers: Iterable[int], now: datetime, announced_through: datetime | None) -> None:
        for number in numbers:
            self.step()
            self._write((heartbeat_key(region, number), "HEARTBEAT"), (region, number, Beat(now, announced_through)))

    def newest_beat(self, *, region: str, numbers: Iterable[int]) -> Beat | None:
        keys = [(heartbeat_key(region, number), "HEARTBEAT") for number in numbers]
        beats: list[Beat] = [self.stored[key][1][2] for key in keys if key in self.stored]
        return max(beats, key=lambda beat: beat.beat_at, default=None)


def stream_image(content: Any) -> dict[str, Any]:
    """What the stream says was written."""
    if isinstance(content, Event):
        return items.to_wire(items.event_to_plain(content))
    if isinstance(content, Effect):
        return items.to_wire(items.effect_to_plain(content))
    region, number, beat = content
    return items.to_wire({"entity": "heartbeat", "region": region, "key": number, "beat_at": to_text(beat.beat_at)})


class MemoryView:
    """The order view: rows, figures, pending work and what the sentinel saw."""

    def __init__(self, region: str, step: Callable[[], None] = nothing) -> None:
        self._region, self.step = region, step
        self.stored_rows: dict[str, OrderRow] = {}
        self.figures: dict[tuple[date, int], dict[str, Decimal]] = defaultdict(dict)
        self.work: dict[Key, dict[str, Any]] = defaultdict(dict)
        self.relayed: dict[int, datetime] = {}
        self.fresh: dict[str, dict[str, Freshness]] = defaultdict(dict)
        self.seen_guard: Guard | None = None
        self.before_write: Callable[[str], None] = lambda order_id: None

    # What projections write.

    def row(self, order_id: str) -> OrderRow | None:
        return self.stored_rows.get(order_id)

    def rows(self, order_ids: Iterable[str]) -> dict[str, OrderRow | None]:
        """Some rows; DynamoDB may leave out what it had no capacity for."""
        return {order_id: self.row(order_id) for order_id in order_ids if not order_id.endswith("3")}

    def replace_row(
        self, before: OrderRow | None, state: OrderState, *, new_events: list[Event], effect_ids: frozenset[str],
        now: datetime, first_due: timedelta, peer_due: timedelta,
    ) -> None:  # fmt: skip
        self.step()
        self.before_write(state.order_id)
        current = self.stored_rows.get(state.order_id)
        if (current.version if current else 0) != (before.version if before else 0):
            raise StaleRowError(state.order_id)
        old = contribution_of(current.state, KPI_ITEMS) if current else None
        for key, figures in movements(old, contribution_of(state, KPI_ITEMS)).items():
            for name, amount in figures.items():
                self.figures[key][name] = self.figures[key].get(name, Decimal(0)) + amount
        seen = (before.seen if before else frozenset()) | {event.event_id for event in new_events}
        blocked = current.blocked if current else frozenset()
        self.stored_rows[state.order_id] = OrderRow((before.version if before else 0) + 1, state, seen, blocked)
        for event in new_events:
            work = self.work[event.order_id, event.event_id]
            work.update(order_id=event.order_id, event_id=event.event_id, status=event.status)
            work.setdefault("seen_at", to_text(now))
            work.setdefault("attempt", 0)
            work.setdefault("recorded_at", to_text(event.recorded_at))
            if event.event_id not in effect_ids:
                due = first_due if event.origin_region == self._region else peer_due
                work.update(pending_region=event.origin_region, due_at=to_text(now + due))
        self.step()

    def quarantine(self, **_: object) -> None:
        raise AssertionError("the simulation writes no malformed records")

    # Pending work.

    def update(
        self, order_id: str, event_id: str, *, set_fields: Mapping[str, object], remove: Iterable[str] = ()
    ) -> None:
        self.step()
        work = self.work[order_id, event_id]
        work.update(set_fields)
        for name in remove:
            work.pop(name, None)
        self.step()

    note_published = OrderWork.note_published
    note_unannounced = OrderWork.note_unannounced

    def put(self, notes: Iterable[dict[str, Any]]) -> None:
        """Put whole items; a crash may come between any two of them."""
        for note in notes:
            self.step()
            if note["sk"].startswith("WORK#"):
                self.work[note["order_id"], note["event_id"]] = dict(note)
            elif note["pk"] == "RELAYED":
                self.relayed[int(note["sk"])] = from_text(note["beat_at"])
            elif note["sk"].startswith("FRESHNESS#"):
                region = note["sk"].removeprefix("FRESHNESS#")
                self.fresh[note["pk"]][region] = Freshness(from_text(note["recorded_at"]), from_text(note["seen_at"]))
        self.step()

    def block(self, order_id: str, status: str) -> None:
        self.step()
        if row := self.stored_rows.get(order_id):
            self.stored_rows[order_id] = replace(row, blocked=row.blocked | {status})

    def unblock(self, order_id: str, status: str) -> None:
        self.step()
        row = self.stored_rows.get(order_id)
        waiting = [
            work for work in self.pending(self._region) if work.lane == (order_id, status) and not work.is_published
        ]
        if row and status in row.blocked and not waiting:
            self.stored_rows[order_id] = replace(row, blocked=row.blocked - {status}, version=row.version + 1)

    # What the sentinel reads.

    def _named(self, name: str) -> list[PendingWork]:
        found = [work for work in self.work.values() if work.get("pending_region") == name]
        return [work_from_plain(work) for work in sorted(found, key=lambda work: str(work["due_at"]))]

    def pending(self, region: str) -> list[PendingWork]:
        return self._named(region)

    def unvouched_effects(self, peer: str, *, after: datetime | None, limit: int) -> list[PendingWork]:
        return [work for work in self._named(f"{peer}#announce") if after is None or work.due_at > after][:limit]

    def relayed_through(self, numbers: int) -> datetime | None:
        return min(self.relayed.values()) if len(self.relayed) >= numbers else None

    def day(self, day: date) -> tuple[list[dict[str, Decimal]], dict[str, Freshness]]:
        """How fresh each Region's part of a day is; the simulation reads figures elsewhere."""
        return [], self.fresh[f"KPI#{day.isoformat()}"]

    def guard(self) -> Guard | None:
        return self.seen_guard

    def keep_guard(self, guard: Guard) -> None:
        self.seen_guard = guard
