"""Reads one Region's log and view to compare them. Scans, page by page, as only an operator's command may.

A scan is no snapshot, so it only raises suspicions: an order is read again, consistently, before it counts as
differing, and a KPI item counts only if nothing moved it while its rows were summed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from runbooks.differences import Difference, KpiKey, add_rows, lacking, order_differences
from shared.adapters import items
from shared.adapters.batch_reads import MOST_IN_ONE_READ, read_items
from shared.adapters.order_log import OrderLog, OrderRecord, record_of
from shared.adapters.order_rows import ROW, work_key
from shared.adapters.order_view import FIGURES, kpi_key, plain_figures
from shared.domain.kpis import Figures
from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ORDER: Final = "ORDER#"
KPI: Final = "KPI#"

Stored = dict[str, items.Plain]


@dataclass(frozen=True, slots=True)
class KpiItem:
    """A stored KPI item; the version is ``None`` while there is no item, or one from before versions."""

    version: int | None = None
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KpiDifference:
    """A KPI item that is not the sum of its rows, as of a version of it."""

    key: KpiKey
    version: int | None
    lacks: Figures

    def described(self) -> Difference:
        day, number = self.key
        some = ", ".join(f"{name} by {-amount:+f}" for name, amount in sorted(self.lacks.items())[:5])
        return Difference("figures differ", f"{day} item {number}", f"off in {some}")


@dataclass
class Audit:
    """The comparison of one Region's view with its log."""

    client: DynamoDBClient
    region: str
    clock: Callable[[], datetime]
    tell: Callable[[int], None] = lambda _items: None
    unreadable: int = 0  # items of the log that this version cannot read

    def __post_init__(self) -> None:
        self.log = OrderLog(self.client, TOPOLOGY.order_log_table)

    def scan(self, table: str, **more: Any) -> Iterator[list[items.Plain]]:
        start: dict[str, Any] = {}
        scan: Any = self.client.scan
        while True:
            answer = scan(
                TableName=table, ConsistentRead=True, **more, **({"ExclusiveStartKey": start} if start else {})
            )
            self.tell(answer["ScannedCount"])
            yield [items.from_wire(item) for item in answer["Items"]]
            start = dict(answer.get("LastEvaluatedKey") or {})
            if not start:
                return

    def suspects(self) -> Iterator[str]:
        """Orders that may differ: what the scans of the log and of the view's rows do not find equal."""
        some: list[tuple[str, list[items.Plain]]] = []
        keys = 0
        for order_id, found in self._orders():
            some.append((order_id, found))
            keys += 1 + len(found)
            if keys >= MOST_IN_ONE_READ:
                yield from self._unequal(some)
                some, keys = [], 0
        yield from self._unequal(some)
        yield from self._unknown_rows()

    def _orders(self) -> Iterator[tuple[str, list[items.Plain]]]:
        """The log's orders. Items of an order follow each other; were they not to, it would only look suspicious."""
        order_id, found = "", list[items.Plain]()
        for page in self.scan(TOPOLOGY.order_log_table):
            for plain in page:
                if not plain["pk"].startswith(ORDER):
                    continue
                if plain["pk"].removeprefix(ORDER) != order_id:
                    if found:
                        yield order_id, found
                    order_id, found = plain["pk"].removeprefix(ORDER), []
                found.append(plain)
        if found:
            yield order_id, found

    def _unequal(self, some: list[tuple[str, list[items.Plain]]]) -> Iterator[str]:
        records = {order_id: record_of(found) for order_id, found in some}
        self.unreadable += sum(len(record.unreadable) for record in records.values())
        wanted = [
            {"pk": items.order_key(order_id), "sk": sort_key}
            for order_id, record in records.items()
            for sort_key in (ROW, *(work_key(event.event_id) for event in record.events))
        ]
        stored: dict[str, Stored] = {order_id: {} for order_id in records}
        for plain in self._get(TOPOLOGY.order_view_table, wanted):
            stored[plain["pk"].removeprefix(ORDER)][plain["sk"]] = plain
        for order_id, record in records.items():
            if order_differences(order_id, record, stored[order_id], region=self.region, now=self.clock()):
                yield order_id

    def _unknown_rows(self) -> Iterator[str]:
        """Orders whose row names an event that the log does not hold."""
        for page in self.scan(TOPOLOGY.order_view_table, **_only_rows()):
            named = {(plain["pk"], items.event_key(str(plain.get("status_from")))) for plain in page}
            keys = [{"pk": pk, "sk": sk} for pk, sk in sorted(named)]
            there = {(plain["pk"], plain["sk"]) for plain in self._get(TOPOLOGY.order_log_table, keys)}
            yield from (pk.removeprefix(ORDER) for pk, _ in sorted(named - there))

    def _get(self, table: str, keys: list[items.Plain]) -> list[items.Plain]:
        return read_items(self.client, table, keys, consistent=True)

    def look_at(self, order_id: str) -> tuple[OrderRecord, Stored]:
        """Everything of one order, the view before the log: what is new in between only makes it worth another look."""
        answer = self.client.get_paginator("query").paginate(
            TableName=TOPOLOGY.order_view_table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.to_wire({":pk": items.order_key(order_id)}),
            ConsistentRead=True,
        )
        stored = {plain["sk"]: plain for page in answer for plain in map(items.from_wire, page["Items"])}
        return self.log.order(order_id), stored

    def verified(self, order_ids: Collection[str]) -> dict[str, list[Difference]]:
        """Orders that do differ, read consistently one by one."""
        found: dict[str, list[Difference]] = {}
        for order_id in order_ids:
            record, stored = self.look_at(order_id)
            differences = order_differences(order_id, record, stored, region=self.region, now=self.clock())
            if differences:
                found[order_id] = differences
        return found

    def kpi_pass(self, only: Collection[KpiKey] | None = None) -> tuple[list[KpiDifference], set[KpiKey]]:
        """Compare KPI items with the sums of their rows; tells also which items moved meanwhile and cannot be judged.

        Every change of a contribution moves the item's version in the same transaction. So if the version stays the
        same from before the scan of the rows until after it, no row entered, left or changed what counts in that item,
        and the scan, which reads each row consistently, has summed exactly what the item should be.
        """
        before = self._all_kpi_items() if only is None else self._kpi_items(only)
        sums: dict[KpiKey, Figures] = {}
        for page in self.scan(TOPOLOGY.order_view_table, **_only_rows()):
            add_rows(sums, page)
        keys = before.keys() | sums.keys() if only is None else set(only)
        suspicious = [
            key for key in keys if lacking(before.get(key, KpiItem()).figures, sums.get(key, {}))
        ]  # fmt: skip
        after = self._kpi_items(suspicious)
        found: list[KpiDifference] = []
        moved: set[KpiKey] = set()
        for key in sorted(suspicious):
            item = before.get(key, KpiItem())
            if after[key] == item:
                found.append(KpiDifference(key, item.version, lacking(item.figures, sums.get(key, {}))))
            else:
                moved.add(key)
        return found, moved

    def _all_kpi_items(self) -> dict[KpiKey, KpiItem]:
        only = {
            "FilterExpression": "begins_with(pk, :kpi) AND sk = :figures",
            "ExpressionAttributeValues": items.to_wire({":kpi": KPI, ":figures": FIGURES}),
        }
        pages = self.scan(TOPOLOGY.order_view_table, **only)
        return {_kpi_key_of(plain): _kpi_item_of(plain) for page in pages for plain in page}

    def _kpi_items(self, keys: Collection[KpiKey]) -> dict[KpiKey, KpiItem]:
        wanted = [kpi_key(day, number) for day, number in keys]
        found = {_kpi_key_of(plain): _kpi_item_of(plain) for plain in self._get(TOPOLOGY.order_view_table, wanted)}
        return {key: found.get(key, KpiItem()) for key in keys}


def _only_rows() -> dict[str, Any]:
    return {"FilterExpression": "sk = :row", "ExpressionAttributeValues": items.to_wire({":row": ROW})}


def _kpi_key_of(plain: items.Plain) -> KpiKey:
    day, _, number = plain["pk"].removeprefix(KPI).partition("#")
    return date.fromisoformat(day), int(number)


def _kpi_item_of(plain: items.Plain) -> KpiItem:
    version = plain.get("version")
    figures = {name: Decimal(amount) for name, amount in plain_figures(plain).items() if amount}
    return KpiItem(int(version) if version is not None else None, figures)
