"""Projects one order from the log into the view. A stream record is only a hint to look; what counts is the log.

Must not publish anything: the relay and the sentinel do that with what is returned here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from shared.adapters.order_log import OrderLog, OrderRecord
from shared.adapters.order_rows import OrderRow
from shared.adapters.order_view import MAX_NEW_EVENTS, OrderView, StaleRowError
from shared.domain.orders import OrderState, fold
from shared.domain.takeover import Timing

# Each lost race means that another projection of the same order got through.
MAX_RACES: Final = 10


class ProjectionError(Exception):
    """An order could not be projected; the stream has to deliver it again."""


@dataclass(frozen=True, slots=True)
class Projected:
    """An order after its projection: what the log holds, and the row as it was before."""

    record: OrderRecord
    state: OrderState | None
    row: OrderRow | None

    def first_saw(self, event_id: str) -> bool:
        """Whether this projection is the one that brought the event into the row."""
        return self.row is None or event_id not in self.row.seen

    @property
    def blocked(self) -> frozenset[str]:
        return self.row.blocked if self.row else frozenset()


class Projection:
    """Keeps the rows of the view equal to the folds of the log."""

    def __init__(self, log: OrderLog, view: OrderView, *, timing: Timing, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._view = view
        self._timing = timing
        self._clock = clock

    def project(
        self,
        order_id: str,
        rows: Mapping[str, OrderRow | None] = MappingProxyType({}),
        *,
        even_if_equal: bool = False,
    ) -> Projected:
        """Bring one order's row up to its log; raises ``ProjectionError`` when races do not end.

        ``rows`` were read a moment ago, many at once: a first try takes the order's row from there if it can.

        The row is read before the log: if the log grows in between, the row is only newer than needed, and whoever
        wrote the row in between makes this one start again. ``even_if_equal`` writes
        the row in any case, for what the state does not tell.
        """
        for race in range(MAX_RACES):
            row = rows[order_id] if order_id in rows and not race else self._view.row(order_id)
            record = self._log.order(order_id)
            state = fold(record.events)
            if state is None:
                return Projected(record, None, row)
            seen = row.seen if row else frozenset()
            new_events = [event for event in record.events if event.event_id not in seen]
            if row and row.state == state and not new_events and not even_if_equal:
                return Projected(record, state, row)
            try:
                self._view.replace_row(
                    row,
                    state,
                    new_events=new_events[:MAX_NEW_EVENTS],
                    effect_ids=record.effect_ids,
                    now=self._clock(),
                    first_due=self._timing.republish_after[0],
                    peer_due=self._timing.takeover_after,
                )
            except StaleRowError:
                continue
            if len(new_events) <= MAX_NEW_EVENTS:
                return Projected(record, state, row)
        raise ProjectionError(f"order {order_id!r} changed {MAX_RACES} times while it was projected")
