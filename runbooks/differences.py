"""Where the order view differs from the log: pure comparisons of an order's row, its work and a day's figures.

The log decides. What the view has and the log has not is named too, but it is no fault of the view's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from shared.adapters.order_log import OrderRecord
from shared.adapters.order_rows import ROW, row_from_plain, state_to_plain, work_key
from shared.adapters.view_notes import DONE_WORK_KEPT
from shared.domain.effects import Effect
from shared.domain.kpis import Figures, contribution_of, sum_figures
from shared.domain.orders import Event, fold
from shared.topology import TOPOLOGY

Kind = Literal["order missing", "row unreadable", "row differs", "work differs", "log lacks", "figures differ"]

# Done work is forgotten some days after it was seen; a little earlier nobody looks for it any more.
WORK_LOOKED_FOR: Final = DONE_WORK_KEPT - timedelta(days=1)

KpiKey = tuple[date, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the view says and the log does not, or the other way round."""

    kind: Kind
    where: str  # an order, or a day and the number of a KPI item
    detail: str

    @property
    def can_be_repaired(self) -> bool:
        """What the log lacks cannot be made of it: a restored table, or a bug. People decide."""
        return self.kind != "log lacks"


def order_differences(
    order_id: str, record: OrderRecord, stored: Mapping[str, Mapping[str, Any]], *, region: str, now: datetime
) -> list[Difference]:
    """Compare all that the view stores of an order, by sort key, with what its log folds to."""
    state = fold(record.events)
    row = stored.get(ROW)
    if state is None:
        return [Difference("log lacks", order_id, "the view has a row, the log has no event")] if row else []
    found: list[Difference] = []
    if row is None:
        found.append(Difference("order missing", order_id, "the view has no row"))
    else:
        found.extend(_row_differences(order_id, record, row))
    effects = {effect.event_id: effect for effect in record.effects}
    for event in record.events:
        work = stored.get(work_key(event.event_id))
        fault = work_fault(effects.get(event.event_id), work, region=region, now=now)
        if fault and (row is not None or work is not None):  # with the row, the work is made
            kind: Kind = "log lacks" if fault == EFFECT_GONE else "work differs"
            found.append(Difference(kind, order_id, f"event {event.event_id}: {fault}"))
    return found


def _row_differences(order_id: str, record: OrderRecord, row: Mapping[str, Any]) -> list[Difference]:
    state = fold(record.events)
    assert state is not None
    try:
        seen = row_from_plain(row).seen
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        return [Difference("row unreadable", order_id, f"{type(error).__name__}: {error}")]
    found: list[Difference] = []
    expected = state_to_plain(state)
    differing = sorted(name for name, value in expected.items() if row.get(name) != value)
    events = {event.event_id for event in record.events}
    if events - seen:
        differing.append("seen")
    if differing:
        found.append(Difference("row differs", order_id, f"in {', '.join(differing)}"))
    known = events | {key.partition("#")[2] for key in record.unreadable}
    if gone := sorted(seen - known):
        found.append(Difference("log lacks", order_id, f"events that the row has seen: {', '.join(gone)}"))
    return found


EFFECT_GONE: Final = "its effect was seen and is not in the log"


def work_fault(effect: Effect | None, work: Mapping[str, Any] | None, *, region: str, now: datetime) -> str | None:
    """What is wrong with an event's work: left for nobody although something is to be done, or not known to be done."""
    # As the index of pending work has it: what stands in none of its partitions is found by nobody.
    waits_for = str(work.get("pending_key", "")).rpartition("#")[0] if work else ""
    if effect is None:
        if work and "effect_seen_at" in work:
            return EFFECT_GONE
        return None if waits_for else "it has no effect and waits for nobody"
    if now - effect.recorded_at >= WORK_LOOKED_FOR or (work and "announced_at" in work):
        return None
    if waits_for.partition("#")[0] == region:
        return None  # the sentinel finds the effect and announces it
    if effect.origin_region == region:
        return "its effect is not announced and waits for nobody"
    return None if waits_for == f"{effect.origin_region}#announce" else "the peer's effect was not noted"


def work_to_repair(
    record: OrderRecord, stored: Mapping[str, Mapping[str, Any]], *, region: str, now: datetime
) -> list[tuple[Event, Effect | None]]:
    """Events of an order whose work has to be noted again, with the effect if there is one."""
    effects = {effect.event_id: effect for effect in record.effects}
    return [
        (event, effects.get(event.event_id))
        for event in record.events
        if work_fault(effects.get(event.event_id), stored.get(work_key(event.event_id)), region=region, now=now)
        not in (None, EFFECT_GONE)
    ]


def add_rows(sums: dict[KpiKey, Figures], rows: Iterable[Mapping[str, Any]]) -> None:
    """Add the contributions of stored rows to the sums of their days and KPI items; unreadable rows add nothing."""
    for plain in rows:
        try:
            contribution = contribution_of(row_from_plain(plain).state, TOPOLOGY.kpi_items)
        except (KeyError, ValueError, TypeError, ArithmeticError):
            continue
        for number, figures in contribution.parts.items():
            key = (contribution.day, number)
            sums[key] = sum_figures([sums.get(key, {}), figures])


def lacking(stored: Mapping[str, Decimal], rows: Mapping[str, Decimal]) -> Figures:
    """What has to be added to a KPI item so that it is the sum of its rows; empty if it is."""
    return sum_figures([rows, {name: -amount for name, amount in stored.items()}])
