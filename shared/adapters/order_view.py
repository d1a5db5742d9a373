"""The order view: this Region's own read model of orders, days and pending work. Not replicated, always rebuildable.

A row is replaced only if it is still the version that was read, in one transaction with the KPI items that it moves and
the work that it brings, so replayed, reordered and concurrent projections change nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from shared.adapters import items
from shared.adapters.batch_reads import MOST_IN_ONE_READ
from shared.adapters.order_rows import (
    ROW,
    OrderRow,
    bucket_of,
    row_from_plain,
    state_to_plain,
    waits_for,
    work_key,
)
from shared.domain.instants import to_text
from shared.domain.kpis import Figures, contribution_of, movements
from shared.domain.orders import Event, OrderState
from shared.topology import TOPOLOGY, Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# A transaction takes 100 actions: the row, the KPI items of two days at most, and so many new events.
MAX_NEW_EVENTS: Final = 100 - 1 - 2 * (1 + TOPOLOGY.kpi_items.products + 1)
FIGURES: Final = "FIGURES"


class StaleRowError(Exception):
    """Someone else projected the order in between; read it again."""


class OrderView:
    """The regional read model: what projections write."""

    def __init__(self, client: DynamoDBClient, table: str, *, region: str, topology: Topology = TOPOLOGY) -> None:
        self._client = client
        self._table = table
        self._region = region
        self._topology = topology
        # Buckets already in the directory, so that a warm function writes each only once.
        self._known_buckets: set[str] = set()

    def row(self, order_id: str) -> OrderRow | None:
        answer = self._client.get_item(
            TableName=self._table,
            Key=items.to_wire({"pk": items.order_key(order_id), "sk": ROW}),
            ConsistentRead=True,
        )
        return row_from_plain(items.from_wire(answer["Item"])) if "Item" in answer else None

    def rows(self, order_ids: Sequence[str]) -> dict[str, OrderRow | None]:
        """The rows of many orders, ``None`` where there is none yet. What DynamoDB left out is not in the answer."""
        found: dict[str, OrderRow | None] = {}
        for start in range(0, len(order_ids), MOST_IN_ONE_READ):
            some = order_ids[start : start + MOST_IN_ONE_READ]
            keys = {order_id: items.to_wire({"pk": items.order_key(order_id), "sk": ROW}) for order_id in some}
            answer = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": list(keys.values()), "ConsistentRead": True}}
            )
            unread = answer.get("UnprocessedKeys", {})
            left_out = unread[self._table]["Keys"] if self._table in unread else []
            found |= dict.fromkeys(order_id for order_id, key in keys.items() if key not in left_out)
            for plain in map(items.from_wire, answer["Responses"].get(self._table, [])):
                found[plain["order_id"]] = row_from_plain(plain)
        return found

    def replace_row(
        self,
        before: OrderRow | None,
        state: OrderState,
        *,
        new_events: Sequence[Event],
        effect_ids: frozenset[str],
        now: datetime,
        first_due: timedelta,
        peer_due: timedelta,
    ) -> None:
        """Write a projected row, move its KPIs and note new events as work; raises ``StaleRowError`` if it changed.

        New events whose effect is not in the log become pending work of their origin Region, due after ``first_due``
        when that is this Region and after ``peer_due`` otherwise.
        """
        self._enter_bucket(state)
        kpi_items = self._topology.kpi_items
        old = contribution_of(before.state, kpi_items) if before else None
        actions: list[TransactWriteItemTypeDef] = [{"Update": self._row_update(before, state, new_events)}]
        for (day, number), figures in movements(old, contribution_of(state, kpi_items)).items():
            actions.append({"Update": self._kpi_update(day, number, figures)})
        for event in new_events:
            due = first_due if event.origin_region == self._region else peer_due
            pending = event.event_id not in effect_ids
            actions.append({"Update": self._work_update(event, now=now, due_at=now + due, pending=pending)})
        try:
            self._client.transact_write_items(TransactItems=actions)
        except ClientError as error:
            reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
            codes = {reason.get("Code") for reason in reasons} - {"None", None}
            if error.response["Error"]["Code"] == "TransactionCanceledException" and codes <= {
                "ConditionalCheckFailed",
                "TransactionConflict",
            }:
                raise StaleRowError(state.order_id) from error
            raise

    def _row_update(self, before: OrderRow | None, state: OrderState, new_events: Sequence[Event]) -> Any:
        fields = state_to_plain(state, self._topology)
        kept = {name: value for name, value in fields.items() if value is not None}
        gone = [name for name, value in fields.items() if value is None]
        names = {f"#{name}": name for name in fields}
        values: items.Plain = {f":{name}": value for name, value in kept.items()}
        values[":next"] = before.version + 1 if before else 1
        update = "SET " + ", ".join([f"#{name} = :{name}" for name in kept] + ["version = :next"])
        if gone:
            update += " REMOVE " + ", ".join(f"#{name}" for name in gone)
        if new_events:
            values[":seen"] = {event.event_id for event in new_events}
            update += " ADD seen :seen"
        if before:
            values[":version"] = before.version
        return {
            "TableName": self._table,
            "Key": items.to_wire({"pk": items.order_key(state.order_id), "sk": ROW}),
            "UpdateExpression": update,
            "ConditionExpression": "version = :version" if before else "attribute_not_exists(pk)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": items.to_wire(values),
        }

    def correct_kpis(self, day: date, number: int, figures: Figures, *, version: int | None) -> None:
        """Add what a KPI item lacks, if it is still the version that was compared; raises ``StaleRowError``."""
        update = self._kpi_update(day, number, figures)
        unchanged = "attribute_not_exists(version)" if version is None else "version = :version"
        if version is not None:
            update["ExpressionAttributeValues"] |= items.to_wire({":version": version})
        try:
            self._client.update_item(**update, ConditionExpression=unchanged)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ConditionalCheckFailedException", "TransactionConflictException"):
                raise StaleRowError(f"{day} {number}") from error
            raise

    def _kpi_update(self, day: date, number: int, figures: Figures) -> Any:
        # `version` tells whether anything moved in between, even there and back; it is no figure.
        pairs = [*figures.items(), ("version", Decimal(1))]
        return {
            "TableName": self._table,
            "Key": items.to_wire(kpi_key(day, number)),
            "UpdateExpression": "ADD " + ", ".join(f"#k{index} :k{index}" for index in range(len(pairs))),
            "ExpressionAttributeNames": {f"#k{index}": name for index, (name, _) in enumerate(pairs)},
            "ExpressionAttributeValues": items.to_wire(
                {f":k{index}": amount for index, (_, amount) in enumerate(pairs)}
            ),
        }

    def _work_update(self, event: Event, *, now: datetime, due_at: datetime, pending: bool) -> Any:
        values: items.Plain = {
            ":order_id": event.order_id,
            ":event_id": event.event_id,
            ":status": event.status,
            ":origin": event.origin_region,
            ":now": to_text(now),
            ":zero": 0,
            ":recorded": to_text(event.recorded_at),
        }
        update = (
            "SET order_id = :order_id, event_id = :event_id, #status = :status, origin_region = :origin,"
            " seen_at = if_not_exists(seen_at, :now), attempt = if_not_exists(attempt, :zero),"
            " recorded_at = if_not_exists(recorded_at, :recorded)"
        )
        if pending:
            waits = waits_for(event.origin_region, event.order_id, due_at=due_at)
            update += "".join(f", {name} = :{name}" for name in waits)
            values |= {f":{name}": value for name, value in waits.items()}
        return {
            "TableName": self._table,
            "Key": items.to_wire({"pk": items.order_key(event.order_id), "sk": work_key(event.event_id)}),
            "UpdateExpression": update,
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": items.to_wire(values),
        }

    def _enter_bucket(self, state: OrderState) -> None:
        """Note in the directory that a time bucket has orders, so that a page never looks through empty ones."""
        bucket = bucket_of(state.registered_at, self._topology.list_bucket_seconds)
        if bucket in self._known_buckets:
            return
        self._client.put_item(TableName=self._table, Item=items.to_wire({"pk": f"BUCKETS#{bucket[:7]}", "sk": bucket}))
        self._known_buckets.add(bucket)

    def quarantine(self, *, sequence: str, reason: str, record: str, now: datetime) -> None:
        """Set aside a stream record that cannot be read, so that it stops nobody else's orders."""
        self._client.put_item(
            TableName=self._table,
            Item=items.to_wire(
                {
                    "pk": "QUARANTINE",
                    "sk": sequence,
                    "reason": reason,
                    "record": record[:10_000],
                    "seen_at": to_text(now),
                }
            ),
        )


def kpi_key(day: date, number: int) -> items.Plain:
    """The key of one of a day's KPI items: a partition of its own."""
    return {"pk": f"KPI#{day.isoformat()}#{number:02d}", "sk": FIGURES}


def plain_figures(plain: Mapping[str, Any]) -> dict[str, Decimal]:
    """The figures of a stored KPI item."""
    return {name: value for name, value in plain.items() if name not in ("pk", "sk", "version")}
