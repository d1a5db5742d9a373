"""What the API and the sentinel read from the order view: pages, a day's figures, pending work, what the guard saw.

Every read is a bounded number of calls with bounded answers; nothing here scans.
"""

from __future__ import annotations

import base64
import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from shared.adapters import items
from shared.adapters.batch_reads import read_items
from shared.adapters.order_rows import bucket_of, list_bucket, pending_key, state_from_plain, work_from_plain
from shared.adapters.order_view import FIGURES, kpi_key, plain_figures
from shared.adapters.view_notes import freshness_key
from shared.domain.instants import day_bounds, from_text, to_text
from shared.domain.orders import OrderState
from shared.domain.problems import invalid_parameter
from shared.domain.takeover import NOBODY, Guard, PendingWork
from shared.topology import LIST_INDEX, PENDING_INDEX, TOPOLOGY, Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_PAGE: Final = 100
# A page gives up after so many buckets and hands out a cursor: a rare filter must not read a whole month at once.
MAX_BUCKETS: Final = 40
# Buckets tried before the directory is asked; under load the newest two hold a page.
NEIGHBOURS: Final = 2
MONTHS_BACK: Final = 13
# What a cursor may hold: a time in the form in which it is stored, alone or with an order id behind it.
_CURSOR_TIME: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
MAX_KEY_BYTES: Final = 300
# The peer's clock may be a little ahead: its newest orders are listed too.
CLOCK_SKEW: Final = timedelta(seconds=10)
# Enough for ten minutes of ten times today's load with nothing getting through; 10 MB, read in pages of 1 MB.
MAX_PENDING: Final = 20_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the order list, newest first; ``cursor`` continues it, ``None`` at the end."""

    orders: tuple[OrderState, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the projection of one Region's writes has come: the newest write seen, and when it was seen."""

    recorded_at: datetime
    seen_at: datetime

    def seconds(self, now: datetime, *, beats_every: timedelta) -> float:
        """Age of what is shown: the lag at the last sighting, or, when sightings have stopped, the time since then."""
        if now - self.seen_at <= 2 * beats_every:
            return max((self.seen_at - self.recorded_at).total_seconds(), 0.0)
        return max((now - self.recorded_at).total_seconds(), 0.0)


def encode_cursor(bucket: str, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([bucket, key]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """The bucket and key a page ended at; raises a 400 problem for anything this service did not hand out."""
    try:
        bucket, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not (_CURSOR_TIME.fullmatch(bucket) and _CURSOR_TIME.match(key) and len(key.encode()) <= MAX_KEY_BYTES):
            raise ValueError("not a bucket and a key")
        from_text(bucket)
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid_parameter("cursor", "not a cursor of this service") from error
    return bucket, key


class OrderQueries:
    """The regional read model: what is read from it."""

    def __init__(self, client: DynamoDBClient, table: str, *, topology: Topology = TOPOLOGY) -> None:
        self._client = client
        self._table = table
        self._topology = topology
        self._width = topology.list_bucket_seconds

    def page(
        self,
        *,
        limit: int,
        now: datetime,
        cursor: str | None = None,
        day: date | None = None,
        status: str | None = None,
        courier: str | None = None,
    ) -> Page:
        """Orders by when they were registered, newest first: a query for each key of each time bucket it spans."""
        newest, oldest = to_text(now + CLOCK_SKEW), ""
        if day is not None:
            first, after = day_bounds(day)
            newest, oldest = min(newest, to_text(after - timedelta(milliseconds=1))), bucket_of(first, self._width)
        below = f"{newest}~"
        if cursor is not None:
            bucket, below = decode_cursor(cursor)
            newest = min(newest, bucket)
        found: list[OrderState] = []
        for read, bucket in enumerate(self._buckets(newest, oldest)):
            if read == MAX_BUCKETS:
                return Page(tuple(found), encode_cursor(bucket, below))
            for state, key in self._bucket(bucket, below, limit - len(found), status, courier):
                found.append(state)
                below = key
                if len(found) == limit:
                    return Page(tuple(found), encode_cursor(bucket, below))
        return Page(tuple(found), None)

    def _buckets(self, newest: str, oldest: str) -> Iterator[str]:
        """Time buckets from newest to oldest: the neighbours as they are, further ones from the directory."""
        start = from_text(newest)
        bucket = bucket_of(start, self._width)
        for step in range(NEIGHBOURS):
            bucket = bucket_of(start - step * timedelta(seconds=self._width), self._width)
            if bucket < oldest:
                return
            yield bucket
        month = bucket[:7]
        for _ in range(MONTHS_BACK):
            for page in self._pages(
                KeyConditionExpression="pk = :pk AND sk < :below",
                ExpressionAttributeValues=items.to_wire({":pk": f"BUCKETS#{month}", ":below": bucket}),
                ScanIndexForward=False,
                Limit=MAX_BUCKETS + 1,
            ):
                for entry in page:
                    if entry["sk"] < oldest:
                        return
                    yield entry["sk"]
            first = datetime.fromisoformat(f"{month}-01")
            month = (first - timedelta(days=1)).strftime("%Y-%m")

    def _bucket(
        self, bucket: str, below: str, limit: int, status: str | None, courier: str | None
    ) -> Iterator[tuple[OrderState, str]]:
        """The orders of a time bucket, newest first over all of its keys."""
        values: items.Plain = {":below": below}
        filters: list[str] = []
        names: dict[str, str] = {}
        for name, value in (("status", status), ("courier", courier)):
            if value is not None:
                filters.append(f"#{name} = :{name}")
                names[f"#{name}"] = name
                values[f":{name}"] = value
        extra: dict[str, Any] = {}
        if filters:
            extra = {"FilterExpression": " AND ".join(filters), "ExpressionAttributeNames": names}
        else:
            extra = {"Limit": limit}
        keys = [
            self._items(
                IndexName=LIST_INDEX,
                KeyConditionExpression="list_bucket = :bucket AND list_key < :below",
                ExpressionAttributeValues=items.to_wire({**values, ":bucket": list_bucket(bucket, number)}),
                ScanIndexForward=False,
                **extra,
            )
            for number in range(self._topology.list_keys)
        ]
        for plain in heapq.merge(*keys, key=lambda plain: str(plain["list_key"]), reverse=True):
            yield state_from_plain(plain), plain["list_key"]

    def _items(self, **query: Any) -> Iterator[items.Plain]:
        for page in self._pages(**query):
            yield from page

    def _pages(self, **query: Any) -> Iterator[list[items.Plain]]:
        start: dict[str, Any] = {}
        while True:
            more: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
            answer = self._client.query(TableName=self._table, **query, **more)
            yield [items.from_wire(item) for item in answer["Items"]]
            start = dict(answer.get("LastEvaluatedKey") or {})
            if not start:
                return

    def day(self, day: date) -> tuple[list[dict[str, Decimal]], dict[str, Freshness]]:
        """The KPI items of a day, and how fresh each origin Region's part is: one call."""
        keys = [kpi_key(day, number) for number in self._topology.kpi_items.all]
        keys += [freshness_key(region, day) for region in self._topology.region_names]
        parts: list[dict[str, Decimal]] = []
        freshness: dict[str, Freshness] = {}
        for plain in read_items(self._client, self._table, keys):
            if plain["sk"] == FIGURES:
                parts.append(plain_figures(plain))
            else:
                region = plain["sk"].removeprefix("FRESHNESS#")
                freshness[region] = Freshness(from_text(plain["recorded_at"]), from_text(plain["seen_at"]))
        return parts, freshness

    def pending(self, region: str, *, limit: int = MAX_PENDING) -> list[PendingWork]:
        """Pending work of a Region, earliest due first over all of its keys."""
        return [work_from_plain(plain) for plain in islice(self._pending(region), limit)]

    def unvouched_effects(self, peer: str, *, after: datetime | None, limit: int) -> list[PendingWork]:
        """Effects of the peer recorded after the moment up to which it vouched for its announcements, oldest first."""
        found = self._pending(f"{peer}#announce", due_after=to_text(after) if after else "0")
        return [work_from_plain(plain) for plain in islice(found, limit)]

    def _pending(self, whose: str, *, due_after: str = "0") -> Iterator[items.Plain]:
        """Each key's work is read page by page, and only as far as the merged order asks for it."""
        keys = [
            self._items(
                IndexName=PENDING_INDEX,
                KeyConditionExpression="pending_key = :key AND due_at > :after",
                ExpressionAttributeValues=items.to_wire({":key": pending_key(whose, number), ":after": due_after}),
            )
            for number in range(self._topology.pending_keys)
        ]
        return heapq.merge(*keys, key=lambda plain: str(plain["due_at"]))

    def relayed_through(self, numbers: int) -> datetime | None:
        """The oldest of the own heartbeats that came back last in each key; ``None`` until all have."""
        beats = [
            from_text(plain["beat_at"])
            for page in self._pages(
                KeyConditionExpression="pk = :pk", ExpressionAttributeValues=items.to_wire({":pk": "RELAYED"})
            )
            for plain in page
        ]
        return min(beats) if len(beats) >= numbers else None

    def guard(self) -> Guard | None:
        """What the sentinel saw in its last look; ``None`` before its first."""
        answer = self._client.get_item(TableName=self._table, Key=items.to_wire({"pk": "GUARD", "sk": "GUARD"}))
        if "Item" not in answer:
            return None
        plain = items.from_wire(answer["Item"])

        def instant(name: str) -> datetime | None:
            return from_text(plain[name]) if plain.get(name) else None

        return Guard(
            looked_at=instant("looked_at") or datetime.fromtimestamp(0, UTC),
            draining=plain.get("draining", NOBODY),
            drained_seen_at=instant("drained_seen_at"),
            peer_serving_at=instant("peer_serving_at"),
            peer_beat=plain.get("peer_beat", ""),
            peer_beat_seen_at=instant("peer_beat_seen_at"),
            gone_looks=int(plain.get("gone_looks", 0)),
        )

    def keep_guard(self, guard: Guard) -> None:
        def text(instant: datetime | None) -> str | None:
            return to_text(instant) if instant else None

        plain = {
            "pk": "GUARD",
            "sk": "GUARD",
            "looked_at": to_text(guard.looked_at),
            "draining": guard.draining,
            "drained_seen_at": text(guard.drained_seen_at),
            "peer_serving_at": text(guard.peer_serving_at),
            "peer_beat": guard.peer_beat or None,
            "peer_beat_seen_at": text(guard.peer_beat_seen_at),
            "gone_looks": guard.gone_looks,
        }
        self._client.put_item(TableName=self._table, Item=items.to_wire(plain))
