"""The figures of a day: what one order adds to them, how a change of the order moves them, and how they are read.

An order contributes to exactly one day: that of the event that decided its status. A contribution is a pure function of
the order's state, so taking the old one out and putting the new one in keeps the sums exact under any replay.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shared.domain.instants import BOGOTA
from shared.domain.orders import OrderState
from shared.topology import STATUSES

# Attribute names of a KPI item; products and couriers become attributes of their own, since ADD needs top-level ones.
Figures = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one order adds to one shard of one day."""

    day: date
    shard: int
    figures: Mapping[str, Decimal]


def shard_of(order_id: str, shards: int) -> int:
    """The KPI shard of an order: by hash, so that no item of a day is hot."""
    return int.from_bytes(hashlib.sha256(order_id.encode()).digest()[:4]) % shards


def contribution_of(state: OrderState, shards: int) -> Contribution:
    figures: Counter[str] = Counter()
    amounts: Figures = {f"status:{state.status}": Decimal(1)}
    if state.conflicts:
        amounts["conflicts"] = Decimal(1)
    if state.status == "delivered":
        amounts["sales"] = amounts[_hour(state.happened_at.astimezone(BOGOTA).hour)] = state.total or Decimal(0)
        for item in state.items:
            figures[f"product:{item.product}"] += item.quantity
        if state.courier is not None:
            figures[f"courier:{state.courier}"] += 1
    amounts.update({name: Decimal(count) for name, count in figures.items()})
    return Contribution(state.day, shard_of(state.order_id, shards), amounts)


def _hour(hour: int) -> str:
    return f"hour:{hour:02d}"


def movements(old: Contribution | None, new: Contribution | None) -> dict[tuple[date, int], Figures]:
    """What to add to which KPI item so that ``old`` is taken out and ``new`` put in; no entry where nothing changes."""
    deltas: dict[tuple[date, int], Figures] = {}
    for contribution, sign in ((old, -1), (new, 1)):
        if contribution is None:
            continue
        target = deltas.setdefault((contribution.day, contribution.shard), {})
        for name, amount in contribution.figures.items():
            target[name] = target.get(name, Decimal(0)) + sign * amount
    return {
        key: changed
        for key, figures in deltas.items()
        if (changed := {name: amount for name, amount in figures.items() if amount})
    }


@dataclass(frozen=True, slots=True)
class DayKpis:
    """The figures of one Bogota day, summed over its shards."""

    orders_by_status: Mapping[str, int]
    delivered: int
    sales: Decimal
    sales_by_hour: tuple[Decimal, ...]
    top_products: tuple[tuple[str, int], ...]
    top_couriers: tuple[tuple[str, int], ...]
    conflicts: int

    @property
    def average_per_order(self) -> Decimal:
        """Sales per delivered order, rounded to cents; 0 when none was delivered."""
        return round(self.sales / self.delivered, 2) if self.delivered else Decimal(0)


def _top(figures: Mapping[str, Decimal], prefix: str, most: int) -> tuple[tuple[str, int], ...]:
    named = [(name.removeprefix(prefix), int(count)) for name, count in figures.items() if name.startswith(prefix)]
    return tuple(sorted((pair for pair in named if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))[:most])


def sum_figures(shards: Iterable[Mapping[str, Decimal]]) -> Figures:
    total: Figures = {}
    for figures in shards:
        for name, amount in figures.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return {name: amount for name, amount in total.items() if amount}


def day_kpis(shards: Iterable[Mapping[str, Decimal]], *, most: int = 10) -> DayKpis:
    """Sum the shards of a day into its KPIs, with the ``most`` best products and couriers."""
    figures = sum_figures(shards)
    by_status = {status: int(figures.get(f"status:{status}", 0)) for status in STATUSES}
    return DayKpis(
        orders_by_status=by_status,
        delivered=by_status["delivered"],
        sales=figures.get("sales", Decimal(0)),
        sales_by_hour=tuple(figures.get(_hour(hour), Decimal(0)) for hour in range(24)),
        top_products=_top(figures, "product:", most),
        top_couriers=_top(figures, "courier:", most),
        conflicts=int(figures.get("conflicts", 0)),
    )
