"""A view full of orders: rows, directory and KPI items as the projection would have left them, written in bulk.

Orders come at an even rate, so more orders are a longer history and not a denser one. The projection itself is not run:
100,000 transactions would measure the emulator.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from loadtests.colombia import GIVEN_NAMES, GIVEN_NAMES_2, PRODUCTS, SURNAMES
from shared.adapters import items
from shared.adapters.order_rows import ROW, bucket_of, state_to_plain
from shared.adapters.order_view import kpi_key
from shared.adapters.view_notes import freshness_key
from shared.domain.instants import day_in_bogota, in_milliseconds, to_text
from shared.domain.kpis import Figures, contribution_of, movements
from shared.domain.orders import Event, Item, OrderState, fold
from shared.topology import STATUSES, TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

END: Final = datetime(2026, 3, 11, 4, 30, tzinfo=UTC)  # half past eleven in the evening in Bogota, of a day long ago
ORDERS_PER_SECOND: Final = 2.0  # so that 100,000 fit into a day
IN_ONE_CALL: Final = 25
DELIVERED_SHARE: Final = 0.6


def order(number: int) -> OrderState:
    """The order that was registered so many before the end; always the same one."""
    rng = random.Random(number)
    at = in_milliseconds(END - timedelta(seconds=number / ORDERS_PER_SECOND))
    status = "delivered" if rng.random() < DELIVERED_SHARE else rng.choice(STATUSES)
    lines = tuple(
        Item(name, Decimal(low), rng.randint(1, 3))
        for name, low, _, _ in rng.choices(PRODUCTS, weights=[weight for *_, weight in PRODUCTS], k=2)
    )
    state = fold([
        Event(
            order_id=f"CE-2026-{number:06d}", event_id=f"{number:032x}", status=status, subject="bench",
            origin_region=rng.choice(TOPOLOGY.region_names), recorded_at=at, body_hash="h", attempt=1, items=lines,
            courier=f"{rng.choice(GIVEN_NAMES)} {rng.choice(GIVEN_NAMES_2)} {rng.choice(SURNAMES)}", city="Bogotá",
        )
    ])  # fmt: skip
    assert state is not None
    return state


class History:
    """The orders that a view holds so far, and the figures of all of them."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._figures: dict[tuple[date, int], Figures] = {}
        self.orders = 0

    def grow_to(self, orders: int) -> None:
        """Put older orders behind those that are there, until there are so many."""
        waiting: list[items.Plain] = []
        for number in range(self.orders, orders):
            state = order(number)
            for key, moved in movements(None, contribution_of(state, TOPOLOGY.kpi_items)).items():
                sums = self._figures.setdefault(key, {})
                for name, amount in moved.items():
                    sums[name] = sums.get(name, Decimal(0)) + amount
            row = {
                "pk": items.order_key(state.order_id), "sk": ROW, **state_to_plain(state), "version": 1,
                "seen": {state.status_from},
            }  # fmt: skip
            waiting.append({name: value for name, value in row.items() if value is not None})
            bucket = bucket_of(state.registered_at, TOPOLOGY.list_bucket_seconds)
            waiting.append({"pk": f"BUCKETS#{bucket[:7]}", "sk": bucket})
        self.orders = orders
        waiting += [{**kpi_key(*key), **figures, "version": 1} for key, figures in self._figures.items()]
        for region in TOPOLOGY.region_names:
            moments = {"recorded_at": to_text(END), "seen_at": to_text(END)}
            waiting.append({**freshness_key(region, day_in_bogota(END)), **moments})
        _put(self._client, list({(item["pk"], item["sk"]): item for item in waiting}.values()))


def _put(client: DynamoDBClient, waiting: list[items.Plain]) -> None:
    table = TOPOLOGY.order_view_table
    for start in range(0, len(waiting), IN_ONE_CALL):
        requests = [{"PutRequest": {"Item": items.to_wire(item)}} for item in waiting[start : start + IN_ONE_CALL]]
        answer = client.batch_write_item(RequestItems={table: requests})  # type: ignore[dict-item]
        if answer.get("UnprocessedItems"):
            raise RuntimeError("the emulator did not take all items")
