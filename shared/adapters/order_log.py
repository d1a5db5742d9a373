"""The order log: the global table that only grows. Every write is an insert; only heartbeats are overwritten.

One consistent query reads an order; one conditional put records an event or an effect. No transaction, no TTL and no
read-modify-write, so the same code runs on eventual and on strong global tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from shared.adapters import items
from shared.domain.effects import Effect
from shared.domain.instants import from_text, to_text
from shared.domain.orders import Event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EffectWrite = Literal["written", "already there", "content differs"]


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """All that the local replica holds of one order."""

    events: tuple[Event, ...]
    effects: tuple[Effect, ...]
    unreadable: tuple[str, ...] = ()  # sort keys of items that this version cannot read; the relay quarantines them

    @property
    def effect_ids(self) -> frozenset[str]:
        return frozenset(effect.event_id for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Beat:
    """A Region's newest heartbeat, as the local replica knows it."""

    beat_at: datetime
    announced_through: datetime | None


def heartbeat_key(region: str, number: int) -> str:
    return f"HEARTBEAT#{region}#{number}"


def record_of(found: Iterable[items.Plain]) -> OrderRecord:
    """Sort an order's items into what they are. What cannot be read is named, and does not hide the rest."""
    events: list[Event] = []
    effects: list[Effect] = []
    unreadable: list[str] = []
    for item in found:
        try:
            if item["sk"].startswith("EFFECT#"):
                effects.append(items.effect_from_plain(item))
            else:
                events.append(items.event_from_plain(item))
        except items.MalformedItemError:
            unreadable.append(item["sk"])
    return OrderRecord(tuple(events), tuple(effects), tuple(unreadable))


class OrderLog:
    """The local replica of the order log."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def order(self, order_id: str) -> OrderRecord:
        """Everything of one order, read consistently."""
        found: list[items.Plain] = []
        start: dict[str, object] = {}
        while True:
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": items.order_key(order_id)}},
                ConsistentRead=True,
                **({"ExclusiveStartKey": start} if start else {}),  # type: ignore[arg-type]
            )
            found.extend(items.from_wire(item) for item in page["Items"])
            start = dict(page.get("LastEvaluatedKey") or {})
            if not start:
                break
        return record_of(found)

    def record_event(self, event: Event) -> bool:
        """Insert an event; ``False`` if the same command is there already (this Region's or a replicated one)."""
        return self._insert(
            {
                "pk": items.order_key(event.order_id),
                "sk": items.event_key(event.event_id),
                **items.event_to_plain(event),
            }
        )

    def record_effect(self, effect: Effect) -> EffectWrite:
        """Insert the effect of an event; tells when it is there already, and whether that one says the same."""
        item = {
            "pk": items.order_key(effect.order_id),
            "sk": items.effect_key(effect.event_id),
            **items.effect_to_plain(effect),
        }
        if self._insert(item):
            return "written"
        try:
            stored = self.effect(effect.order_id, effect.event_id)
        except items.MalformedItemError:
            return "already there"  # in the words of a newer version, and the first effect stands
        return "already there" if stored is None or stored.content_hash == effect.content_hash else "content differs"

    def effect(self, order_id: str, event_id: str) -> Effect | None:
        answer = self._client.get_item(
            TableName=self._table,
            Key=items.to_wire({"pk": items.order_key(order_id), "sk": items.effect_key(event_id)}),
            ConsistentRead=True,
        )
        return items.effect_from_plain(items.from_wire(answer["Item"])) if "Item" in answer else None

    def _insert(self, item: Mapping[str, object]) -> bool:
        try:
            self._client.put_item(
                TableName=self._table, Item=items.to_wire(item), ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def beat(self, *, region: str, numbers: Iterable[int], now: datetime, announced_through: datetime | None) -> None:
        """Overwrite this Region's heartbeats: the one exception to insert-only, by their own Region alone."""
        for number in numbers:
            heartbeat = {
                "pk": heartbeat_key(region, number),
                "sk": "HEARTBEAT",
                "entity": "heartbeat",
                "region": region,
                "origin_region": region,
                "key": number,
                "beat_at": to_text(now),
                "announced_through": to_text(announced_through) if announced_through else None,
            }
            self._client.put_item(TableName=self._table, Item=items.to_wire(heartbeat))

    def beats(self, *, region: str, numbers: Iterable[int]) -> list[Beat]:
        """The heartbeats of a Region as this replica has them, one for each key that has come."""
        found: list[Beat] = []
        for number in numbers:
            answer = self._client.get_item(
                TableName=self._table, Key=items.to_wire({"pk": heartbeat_key(region, number), "sk": "HEARTBEAT"})
            )
            if "Item" in answer:
                plain = items.from_wire(answer["Item"])
                through = plain.get("announced_through")
                found.append(Beat(from_text(plain["beat_at"]), from_text(through) if through else None))
        return found

    def newest_beat(self, *, region: str, numbers: Iterable[int]) -> Beat | None:
        """The newest heartbeat of a Region that has reached this replica."""
        return max(self.beats(region=region, numbers=numbers), key=lambda beat: beat.beat_at, default=None)

    def reachable(self, region: str) -> None:
        """Read one small item, so that a caller learns whether the local replica answers; raises if it does not."""
        self._client.get_item(
            TableName=self._table, Key=items.to_wire({"pk": heartbeat_key(region, 0), "sk": "HEARTBEAT"})
        )
