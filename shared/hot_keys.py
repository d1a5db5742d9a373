"""What a load asks of single partition keys of the order view: the hottest of each kind. Pure arithmetic.

A partition takes 1,000 write units a second, and an item is held by one transaction at a time. Names of products and
couriers make KPI items larger as the load grows: DynamoDB bills, and limits, the whole item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from shared.durations import DURATIONS
from shared.topology import Topology

DAY_SECONDS: Final = 86_400
# An order is delivered once in a journey of four status changes, with two products and one courier.
DELIVERED_SHARE: Final = 1 / 4
PRODUCTS_OF_ORDER: Final = 2
# Assumed: what a day's figures have to name, and how much of a day's orders has the best-seller in it.
PRODUCTS_A_DAY: Final = 500
DELIVERIES_OF_COURIER: Final = 80
BEST_SELLER_SHARE: Final = 0.3
NAME_BYTES: Final = 48  # `product:…` or `courier:…` with its number
ORDER_ITEM_BYTES: Final = 300  # statuses, sales, conflicts, version
LARGEST_ITEM_BYTES: Final = 400 * 1024
# Both ways: the other transaction may have come first, or come while this one holds the item.
LOST_RACES_AT_MOST: Final = 0.15


@dataclass(frozen=True)
class KeyLoad:
    """The hottest key of a kind: write units and transactions a second, and how large its item is."""

    writes: float
    moves: float = 0.0
    item_bytes: float = 0.0


@dataclass(frozen=True)
class KpiLoad:
    """A day's KPI items under a load: the hottest of each kind, and what they cost to move and to read."""

    order: KeyLoad
    product: KeyLoad
    courier: KeyLoad
    writes_per_order: float
    units_per_read: float


def moves_at_most() -> float:
    """How many transactions a second an item takes before too many of them lose a race."""
    return -math.log(1 - LOST_RACES_AT_MOST) / (2 * DURATIONS["view transaction"].seconds)


def kpi_load(projected: float, topology: Topology) -> KpiLoad:
    """The KPI items of a day on which every second was like this one."""
    kpi_items = topology.kpi_items
    delivered = projected * DELIVERED_SHARE
    couriers = delivered * DAY_SECONDS / DELIVERIES_OF_COURIER
    of_product = PRODUCTS_A_DAY * kpi_items.product_spread / kpi_items.products * NAME_BYTES
    of_courier = couriers / kpi_items.couriers * NAME_BYTES
    spread = min(kpi_items.product_spread, kpi_items.products)
    product_moves = delivered * (PRODUCTS_OF_ORDER / kpi_items.products + BEST_SELLER_SHARE / spread)
    return KpiLoad(
        order=_key(projected / kpi_items.orders, ORDER_ITEM_BYTES),
        product=_key(product_moves, of_product),
        courier=_key(delivered / kpi_items.couriers, of_courier),
        writes_per_order=_units(ORDER_ITEM_BYTES)
        + DELIVERED_SHARE * (PRODUCTS_OF_ORDER * _units(of_product) + _units(of_courier)),
        units_per_read=kpi_items.orders * _read_units(ORDER_ITEM_BYTES)
        + kpi_items.products * _read_units(of_product)
        + kpi_items.couriers * _read_units(of_courier)
        + len(topology.regions) * _read_units(0),  # how fresh each Region's part is
    )


def _key(moves: float, item_bytes: float) -> KeyLoad:
    return KeyLoad(moves * _units(item_bytes), moves, item_bytes)


def _units(item_bytes: float) -> float:
    """Write units of an item in a transaction, which costs twice: a unit for each KB, one at least."""
    return 2.0 * max(1, math.ceil(item_bytes / 1024))


def _read_units(item_bytes: float) -> float:
    """Read units of an item by its key, eventually consistent: half a unit for each 4 KB, one half at least."""
    return 0.5 * max(1, math.ceil(item_bytes / 4096))
