"""The order view in memory, for the fast simulator: the adapters' public methods and guards, nothing of DynamoDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from loadtests.simulation.memory_log import nothing
from loadtests.simulation.replica import Key
from shared.adapters.order_queries import Freshness
from shared.adapters.order_rows import OrderRow, work_from_plain
from shared.adapters.order_view import StaleRowError
from shared.adapters.order_work import OrderWork
from shared.domain.instants import from_text, to_text
from shared.domain.kpis import contribution_of, movements
from shared.domain.orders import Event, OrderState
from shared.domain.takeover import Guard, PendingWork
from shared.topology import TOPOLOGY

KPI_ITEMS: Final = TOPOLOGY.kpi_items
NOT_READ: Final = 7  # DynamoDB may leave out of a batch what it had no capacity for: here, every seventh time


class MemoryView:
    """Rows, figures, pending work and what the sentinel saw, of one Region."""

    def __init__(self, region: str, step: Callable[[], None] = nothing) -> None:
        self._region, self._step = region, step
        self.stored_rows: dict[str, OrderRow] = {}
        self.figures: dict[tuple[date, int], dict[str, Decimal]] = defaultdict(dict)
        self.work: dict[Key, dict[str, Any]] = {}
        self.relayed: dict[int, datetime] = {}
        self.fresh: dict[str, dict[str, Freshness]] = defaultdict(dict)
        self.seen_guard: Guard | None = None
        self.quarantined: set[str] = set()
        self._batches = 0

    # What projections write.

    def row(self, order_id: str) -> OrderRow | None:
        self._step()
        return self.stored_rows.get(order_id)

    def rows(self, order_ids: Iterable[str]) -> dict[str, OrderRow | None]:
        self._step()
        self._batches += 1
        if self._batches % NOT_READ == 0:
            return {}
        return {order_id: self.stored_rows.get(order_id) for order_id in order_ids}

    def replace_row(
        self, before: OrderRow | None, state: OrderState, *, new_events: list[Event], effect_ids: frozenset[str],
        now: datetime, first_due: timedelta, peer_due: timedelta,
    ) -> None:  # fmt: skip
        self._step()
        current = self.stored_rows.get(state.order_id)
        version = before.version if before else 0
        if (current.version if current else 0) != version:
            raise StaleRowError(state.order_id)
        # As the adapter: what is taken out of the figures is what was read.
        old = contribution_of(before.state, KPI_ITEMS) if before else None
        for key, figures in movements(old, contribution_of(state, KPI_ITEMS)).items():
            item = self.figures[key]
            for name, amount in figures.items():
                item[name] = item.get(name, Decimal(0)) + amount
        seen = current.seen if current else frozenset()
        if new_events:
            seen |= {event.event_id for event in new_events}
        blocked = current.blocked if current else frozenset()
        self.stored_rows[state.order_id] = OrderRow(version + 1, state, seen, blocked)
        for event in new_events:
            work = self.work.setdefault((event.order_id, event.event_id), {})
            work.update(
                order_id=event.order_id, event_id=event.event_id, status=event.status, origin_region=event.origin_region
            )
            work.setdefault("seen_at", to_text(now))
            work.setdefault("attempt", 0)
            work.setdefault("recorded_at", to_text(event.recorded_at))
            if event.event_id not in effect_ids:
                due = first_due if event.origin_region == self._region else peer_due
                work.update(pending_region=event.origin_region, due_at=to_text(now + due))
        self._step()

    def quarantine(self, *, sequence: str, **_: object) -> None:
        self._step()
        self.quarantined.add(sequence)

    # Pending work.

    def update(
        self, order_id: str, event_id: str, *, set_fields: Mapping[str, object], remove: Iterable[str] = ()
    ) -> None:
        self._step()
        work = self.work.setdefault((order_id, event_id), {})
        work.update(set_fields)
        for name in remove:
            work.pop(name, None)
        self._step()

    note_published = OrderWork.note_published
    note_unannounced = OrderWork.note_unannounced

    def put(self, notes: Iterable[dict[str, Any]]) -> None:
        """Put whole items; a crash may come between any two of them."""
        for note in notes:
            self._step()
            if note["sk"].startswith("WORK#"):
                self.work[note["order_id"], note["event_id"]] = dict(note)
            elif note["pk"] == "RELAYED":
                self.relayed[int(note["sk"])] = from_text(note["beat_at"])
            elif note["sk"].startswith("FRESHNESS#"):
                region = note["sk"].removeprefix("FRESHNESS#")
                self.fresh[note["pk"]][region] = Freshness(from_text(note["recorded_at"]), from_text(note["seen_at"]))
        self._step()

    def block(self, order_id: str, status: str) -> None:
        self._step()
        if row := self.stored_rows.get(order_id):
            self.stored_rows[order_id] = replace(row, blocked=row.blocked | {status})

    def unblock(self, order_id: str, status: str) -> None:
        """As the adapter: a look, then a write that the row's version guards, a few times."""
        for _ in range(5):
            self._step()
            row = self.stored_rows.get(order_id)
            waiting = [work for work in self._named(self._region) if work.lane == (order_id, status)]
            if row is None or status not in row.blocked or any(not work.is_published for work in waiting):
                return
            self._step()
            current = self.stored_rows[order_id]
            if current.version == row.version:
                blocked = current.blocked - {status}
                self.stored_rows[order_id] = replace(current, blocked=blocked, version=row.version + 1)
                return

    # What the sentinel reads.

    def _named(self, name: str) -> list[PendingWork]:
        found = [work for work in self.work.values() if work.get("pending_region") == name]
        if len(found) > 1:
            found.sort(key=lambda work: str(work["due_at"]))
        return [work_from_plain(work) for work in found]

    def pending(self, region: str) -> list[PendingWork]:
        self._step()
        return self._named(region)

    def unvouched_effects(self, peer: str, *, after: datetime | None, limit: int) -> list[PendingWork]:
        self._step()
        return [work for work in self._named(f"{peer}#announce") if after is None or work.due_at > after][:limit]

    def relayed_through(self, numbers: int) -> datetime | None:
        self._step()
        return min(self.relayed.values()) if len(self.relayed) >= numbers else None

    def day(self, day: date) -> tuple[list[dict[str, Decimal]], dict[str, Freshness]]:
        """The figures of a day, and how fresh each Region's part of it is."""
        self._step()
        parts = [figures for (of_day, _), figures in self.figures.items() if of_day == day]
        return parts, self.fresh[f"KPI#{day.isoformat()}"]

    def guard(self) -> Guard | None:
        self._step()
        return self.seen_guard

    def keep_guard(self, guard: Guard) -> None:
        self._step()
        self.seen_guard = guard
