"""Orders of one Region in moto: events in its log, projected by the product itself, so that tests can spoil them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared.adapters import items, view_notes
from shared.adapters.order_log import OrderLog
from shared.adapters.order_queries import OrderQueries
from shared.adapters.order_view import OrderView
from shared.adapters.order_work import OrderWork
from shared.adapters.projection import Projection
from shared.adapters.view_notes import ViewNotes
from shared.domain.effects import effect_of
from shared.domain.kpis import day_kpis
from shared.domain.orders import Event, Item
from shared.domain.takeover import Timing
from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import HERE, TwoRegions

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = NOW.date()
TIMING = Timing.scaled(1.0)


class Shop:
    """One Region's log and view."""

    def __init__(self, regions: TwoRegions, region: str = HERE) -> None:
        self.region = region
        self.client = regions.client("dynamodb", region)
        self.log = OrderLog(self.client, TOPOLOGY.order_log_table)
        self.view = OrderView(self.client, TOPOLOGY.order_view_table, region=region)
        self.work = OrderWork(self.client, TOPOLOGY.order_view_table, region=region)
        self.notes = ViewNotes(self.client, TOPOLOGY.order_view_table)
        self.queries = OrderQueries(self.client, TOPOLOGY.order_view_table)
        self.projection = Projection(self.log, self.view, timing=TIMING, clock=lambda: NOW)

    def record(
        self, order_id: str, status: str = "created", *, origin: str = HERE, price: int = 100, suffix: str = ""
    ) -> Event:
        """An event that is in the log, and in no view yet."""
        noon = NOW.replace(hour=17)
        event = Event(
            order_id=order_id, event_id=f"{order_id}-{status}{suffix}", status=status, origin_region=origin,
            recorded_at=NOW, subject="ana", body_hash=f"h{suffix}", occurred_at=noon, courier="luz",
            items=(Item("café", Decimal(price)),),
        )  # fmt: skip
        assert self.log.record_event(event)
        return event

    def order(self, order_id: str, status: str = "created", **more: Any) -> Event:
        event = self.record(order_id, status, **more)
        self.projection.project(order_id)
        return event

    def done(self, event: Event, *, by: str = HERE) -> None:
        """The event's effect is in the log and was announced, or noted as the peer's."""
        effect = effect_of(event, origin_region=by, recorded_at=NOW)
        self.log.record_effect(effect)
        note = view_notes.announced if by == self.region else view_notes.peer_effect
        self.notes.put([note(effect, now=NOW)])

    def sales(self) -> Decimal:
        return day_kpis(self.queries.day(DAY)[0]).sales

    def spoil(self, pk: str, sk: str, **fields: object) -> None:
        """Change fields of a stored item behind the product's back; ``None`` removes one."""
        key = items.to_wire({"pk": pk, "sk": sk})
        stored = items.from_wire(self.client.get_item(TableName=TOPOLOGY.order_view_table, Key=key)["Item"])
        self.client.put_item(TableName=TOPOLOGY.order_view_table, Item=items.to_wire({**stored, **fields}))

    def remove(self, pk: str, sk: str, table: str = TOPOLOGY.order_view_table) -> None:
        self.client.delete_item(TableName=table, Key=items.to_wire({"pk": pk, "sk": sk}))

    def view_items(self, prefix: str = "") -> list[dict[str, Any]]:
        found = self.client.scan(TableName=TOPOLOGY.order_view_table)["Items"]
        return [plain for plain in map(items.from_wire, found) if plain["pk"].startswith(prefix)]

    def kpi_item(self) -> dict[str, Any]:
        """The one KPI item with sales."""
        (found,) = [plain for plain in self.view_items("KPI#") if plain.get("sales")]
        return found
