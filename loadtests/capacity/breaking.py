"""Where this design breaks: the load at which each limit is reached, and what to change at 10x, 100x and 1,000x.

Pure, from the same units as `relevo capacity`. One Region is lost in every question: what is left has to carry it all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from shared.demand import Demand, Load, alone, demand_of, shared_by_all
from shared.quotas import QUOTAS, RED_ABOVE, Quota
from shared.sizing import disagreements
from shared.topology import Growth, KpiItems, Topology

MULTIPLES: Final = (10, 100, 1000)
# What AWS is asked for without changing the design: so many times a default quota. Assumed; beyond it, cells.
MOST_ASKED: Final = 5.0
# As many KPI items as one call reads (100, with each Region's freshness), and as many other keys as help.
WIDEST_KPI_ITEMS: Final = KpiItems(orders=42, products=24, couriers=32, product_spread=8)
WIDEST_KEYS: Final = 32
NEVER: Final = math.inf
# Far above every limit; what is not reached until here does not depend on the load.
SEARCHED_UP_TO: Final = 1e7


def survivors_load(orders: float, reads: float, regions: int, viewers: int) -> Load:
    """What each Region carries that is left of ``regions`` when one is lost."""
    growth, left = Growth(orders, reads, viewers=viewers), regions - 1
    return alone(growth, 1) if left == 1 else shared_by_all(growth, 1, left)


def largest_load(holds: Callable[[float], bool]) -> float:
    """The most orders a second for which something holds that holds for less too; ``NEVER`` where it always does."""
    if holds(SEARCHED_UP_TO):
        return NEVER
    low, high = 0.0, SEARCHED_UP_TO
    while high - low > low * 1e-4 + 1e-3:
        middle = math.sqrt(low * high) if low else high / 10
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class Break:
    """A limit in one Region, and how many orders a second over all Regions bring it to 70 % and to its end."""

    quota: Quota
    region: str
    red_at: float
    full_at: float
    red_at_in_three: float  # of three Regions, one lost

    @property
    def change(self) -> str:
        return self.quota.instead or f"ask AWS for more, up to about {MOST_ASKED:g} times; then cells"


@dataclass(frozen=True)
class Step:
    """A multiple of today's load: how many cells it needs, and what to change in each of them."""

    multiple: int
    orders: float  # a second, over all cells and Regions
    first: Break | None  # what breaks first without cells
    cells: int
    broken: tuple[Break, ...]  # in each cell
    own_sizes: tuple[str, ...]  # likewise: what a synth would refuse

    @property
    def holds(self) -> bool:
        return self.cells == 1 and not self.broken and not self.own_sizes


@dataclass(frozen=True)
class Breaking:
    """All of it, for one topology; reads grow with the orders."""

    topology: Topology

    def demand(self, orders: float, regions: int, topology: Topology | None = None) -> Demand:
        growth = self.topology.baseline
        reads = orders * growth.reads_per_second / growth.orders_per_second
        return demand_of(survivors_load(orders, reads, regions, growth.viewers), topology or self.topology)

    def orders_at(self, quota: Quota, limit: float, *, regions: int = 2, topology: Topology | None = None) -> float:
        """The orders a second, over all Regions, that bring a quota's use to ``limit`` in a Region that is left."""
        return largest_load(lambda orders: quota.used(self.demand(orders, regions, topology)) <= limit)

    @cached_property
    def breaks(self) -> tuple[Break, ...]:
        """Every limit that a load can reach, the first one first; in the Region where it is lowest."""
        found = []
        for quota in QUOTAS:
            region = min(self.topology.region_names, key=quota.limit)
            limit = quota.limit(region)
            red_at = self.orders_at(quota, limit * RED_ABOVE)
            if red_at < NEVER:
                in_three = self.orders_at(quota, limit * RED_ABOVE, regions=3)
                found.append(Break(quota, region, red_at, self.orders_at(quota, limit), in_three))
        return tuple(sorted(found, key=lambda it: it.red_at))

    @cached_property
    def cell_orders(self) -> float:
        """What one pair of Regions carries at most: keys as wide as they go, quotas raised as far as AWS is asked."""
        widest = replace(
            self.topology, kpi_items=WIDEST_KPI_ITEMS, pending_keys=WIDEST_KEYS, list_keys=WIDEST_KEYS
        )  # fmt: skip
        return min(
            self.orders_at(
                quota, min(quota.limits.values()) * RED_ABOVE * (MOST_ASKED if quota.can_be_raised else 1),
                topology=widest,
            )
            for quota in QUOTAS
        )  # fmt: skip

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._step(multiple) for multiple in MULTIPLES)

    def _step(self, multiple: int) -> Step:
        baseline = self.topology.baseline
        orders = baseline.orders_per_second * multiple
        cells = math.ceil(orders / self.cell_orders)
        in_a_cell = Growth(
            baseline.orders_per_second / cells, baseline.reads_per_second / cells, (multiple,), baseline.viewers
        )
        broken = tuple(found for found in self.breaks if found.red_at < orders / cells)
        hot = tuple(found.quota.name for found in broken if found.quota.is_of_key)
        refused = disagreements(replace(self.topology, baseline=in_a_cell))
        return Step(
            multiple,
            orders,
            first=next((found for found in self.breaks if found.red_at < orders), None),
            cells=cells,
            broken=broken,
            own_sizes=tuple(line for line in refused if not line.startswith(hot)),
        )

    def changes(self, step: Step) -> Iterator[str]:
        """What to change for a step: first the number of cells, then in each of them what breaks first."""
        if step.cells > 1:
            yield (
                f"{step.cells} cells of {len(self.topology.regions)} Regions each, cut by the hash of the order id, at "
                f"{step.orders / step.cells:,.0f} orders/s each (one carries {self.cell_orders:,.0f}), and in each:"
            )
        for found in step.broken:
            yield f"{found.quota.service}: {found.quota.name}, from {found.red_at:,.0f} orders/s: {found.change}"
        yield from step.own_sizes


def document(found: Breaking) -> dict[str, Any]:
    """Where it breaks, for machines."""
    return {
        "cell_orders_per_second": found.cell_orders,
        "breaks": [
            {
                "service": it.quota.service, "name": it.quota.name, "region": it.region,
                "red_at_orders_per_second": it.red_at, "full_at_orders_per_second": it.full_at,
                "red_at_with_three_regions": it.red_at_in_three if it.red_at_in_three < NEVER else None,
                "change": it.change,
            }
            for it in found.breaks
        ],
        "steps": [
            {
                "multiple": step.multiple, "orders_per_second": step.orders, "holds": step.holds, "cells": step.cells,
                "breaks_first": step.first.quota.name if step.first else None,
                "change": list(found.changes(step)),
            }
            for step in found.steps
        ],
    }  # fmt: skip
