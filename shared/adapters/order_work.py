"""Pending work in the order view: which events wait for their effect, which effects for their announcement, and what
waits behind them. Regional like the rest of the view; a piece of work is done when nothing names its Region any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from shared.adapters import items
from shared.adapters.order_rows import ROW, OrderRow, row_from_plain, waits_for, work_from_plain, work_key
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.orders import Event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRIES_IN_CONFLICT: Final = 5


class OrderWork:
    """What one Region still has to do, and what holds it up."""

    def __init__(self, client: DynamoDBClient, table: str, *, region: str) -> None:
        self._client = client
        self._table = table
        self._region = region

    def update(
        self, order_id: str, event_id: str, *, set_fields: Mapping[str, object], remove: Iterable[str] = ()
    ) -> None:
        """Change fields of one piece of work; creates it if its event has not been projected yet."""
        removed = list(remove)
        names = {f"#{name}": name for name in (*set_fields, *removed)}
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in set_fields)
        if removed:
            update += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        self._update(
            order_id,
            work_key(event_id),
            UpdateExpression=update,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=items.to_wire({f":{name}": value for name, value in set_fields.items()}),
        )

    def _update(self, order_id: str, sort_key: str, **update: Any) -> None:
        """Update one item of an order; again if a projection's transaction holds it just now."""
        for tries_left in reversed(range(TRIES_IN_CONFLICT)):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=items.to_wire({"pk": items.order_key(order_id), "sk": sort_key}),
                    **update,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionConflictException" or not tries_left:
                    raise
            else:
                return

    def note_published(self, event: Event, *, now: datetime) -> None:
        """An own event that an earlier projection saw was published."""
        self.update(event.order_id, event.event_id, set_fields={"published_at": to_text(now)})

    def note_unannounced(self, effect: Effect, *, now: datetime, due_at: datetime) -> None:
        """An effect of this Region was seen but could not be announced: the sentinel will."""
        self.update(
            effect.order_id,
            effect.event_id,
            set_fields={
                "order_id": effect.order_id,
                "event_id": effect.event_id,
                "status": effect.status,
                "effect_seen_at": to_text(now),
                "recorded_at": to_text(effect.recorded_at),
                "attempt": 0,
                **waits_for(self._region, effect.order_id, due_at=due_at),
            },
            remove=("expires_at",),
        )

    def block(self, order_id: str, status: str) -> None:
        """An event was not published: later ones of this order and status wait behind it."""
        try:
            self._update(
                order_id,
                ROW,
                UpdateExpression="ADD blocked :status",
                # Without a row there is nothing to wait behind, and a half row would stop the projection for good.
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=items.to_wire({":status": {status}}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def unblock(self, order_id: str, status: str) -> None:
        """Let the relay publish this order and status again, unless something of it is still unpublished.

        The row's version guards the look and moves on with it: a projection that brings a later event between the look
        and the write, or that read the block before it, loses its race and reads again. So nothing overtakes.
        """
        for _ in range(TRIES_IN_CONFLICT):
            row, unpublished = self._row_and_unpublished(order_id)
            if row is None or status not in row.blocked or status in unpublished:
                return
            try:
                self._update(
                    order_id,
                    ROW,
                    UpdateExpression="DELETE blocked :status ADD version :one",
                    ConditionExpression="version = :version",
                    ExpressionAttributeValues=items.to_wire({":status": {status}, ":one": 1, ":version": row.version}),
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
            else:
                return

    def _row_and_unpublished(self, order_id: str) -> tuple[OrderRow | None, frozenset[str]]:
        """An order's row, and the statuses of its own events that wait to be published, in one consistent look."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.to_wire({":pk": items.order_key(order_id)}),
            ConsistentRead=True,
        )
        found = [items.from_wire(item) for item in answer["Items"]]
        row = next((row_from_plain(plain) for plain in found if plain["sk"] == ROW), None)
        waiting = [plain for plain in found if plain.get("pending_region") == self._region]
        return row, frozenset(plain["status"] for plain in waiting if not work_from_plain(plain).is_published)
