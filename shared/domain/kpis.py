"""The figures of a day: what one order adds to them, how a change of the order moves them, and how they are read.

A day's figures are spread over many small items, so that none is hot and none grows with the load: see ``KpiItems``.

An order contributes to exactly one day: that of the event that decided its status. A contribution is a pure function of
the order's state, so taking the old one out and putting the new one in keeps the sums exact under any replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shared.domain.instants import BOGOTA
from shared.domain.orders import OrderState
from shared.topology import STATUSES, KpiItems

# Attribute names of a KPI item; products and couriers become attributes of their own, since ADD needs top-level ones.
Figures = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one order adds to some items of one day, by their numbers."""

    day: date
    parts: Mapping[int, Figures]


def shard_of(text: str, shards: int) -> int:
    """Where something belongs of so many places: by hash, so that none of them is hot."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % shards


def contribution_of(state: OrderState, kpi_items: KpiItems) -> Contribution:
    """What an order adds: its status and sales to one item, and once delivered its products and courier to a few."""
    own: Figures = {f"status:{state.status}": Decimal(1)}
    if state.conflicts:
        own["conflicts"] = Decimal(1)
    parts = {shard_of(state.order_id, kpi_items.orders): own}
    if state.status == "delivered":
        own["sales"] = own[_hour(state.happened_at.astimezone(BOGOTA).hour)] = state.total or Decimal(0)
        copy = shard_of(state.order_id, kpi_items.product_spread)
        for item in state.items:
            number = kpi_items.orders + shard_of(f"{copy}#{item.product}", kpi_items.products)
            figures, name = parts.setdefault(number, {}), f"product:{item.product}"
            figures[name] = figures.get(name, Decimal(0)) + item.quantity
        if state.courier is not None:
            number = kpi_items.orders + kpi_items.products + shard_of(state.courier, kpi_items.couriers)
            parts[number] = {f"courier:{state.courier}": Decimal(1)}
    return Contribution(state.day, parts)


def _hour(hour: int) -> str:
    return f"hour:{hour:02d}"


def movements(old: Contribution | None, new: Contribution | None) -> dict[tuple[date, int], Figures]:
    """What to add to which KPI item so that ``old`` is taken out and ``new`` put in; no entry where nothing changes."""
    deltas: dict[tuple[date, int], Figures] = {}
    for contribution, sign in ((old, -1), (new, 1)):
        if contribution is None:
            continue
        for number, figures in contribution.parts.items():
            target = deltas.setdefault((contribution.day, number), {})
            for name, amount in figures.items():
                target[name] = target.get(name, Decimal(0)) + sign * amount
    return {
        key: changed
        for key, figures in deltas.items()
        if (changed := {name: amount for name, amount in figures.items() if amount})
    }


@dataclass(frozen=True, slots=True)
class DayKpis:
    """The figures of one Bogota day, summed over its items."""

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


def sum_figures(parts: Iterable[Mapping[str, Decimal]]) -> Figures:
    total: Figures = {}
    for figures in parts:
        for name, amount in figures.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return {name: amount for name, amount in total.items() if amount}


def day_kpis(parts: Iterable[Mapping[str, Decimal]], *, most: int = 10) -> DayKpis:
    """Sum the items of a day into its KPIs, with the ``most`` best products and couriers."""
    figures = sum_figures(parts)
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
