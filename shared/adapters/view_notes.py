"""Notes in the order view that are written as whole items, many in one call: what came of a batch of stream records.

A note overwrites what stood there, so it may only say what is true whatever stood there. Notes may be written twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from shared.adapters import items
from shared.adapters.order_rows import waits_for, work_key
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.orders import Event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_IN_ONE_CALL: Final = 25  # DynamoDB's limit
DONE_WORK_KEPT: Final = timedelta(days=7)
TRIES: Final = 5
FIRST_PAUSE_SECONDS: Final = 0.05


class NotesNotWrittenError(Exception):
    """DynamoDB did not take all notes; the batch has to be delivered again."""


def published(event: Event, *, now: datetime, due_at: datetime) -> items.Plain:
    """An own event that this projection saw first was published: what is left is to see its effect, until ``due_at``.

    Says what the projection said of it a moment ago, so it is only for whoever made that projection.
    """
    return {
        "pk": items.order_key(event.order_id),
        "sk": work_key(event.event_id),
        "order_id": event.order_id,
        "event_id": event.event_id,
        "status": event.status,
        "origin_region": event.origin_region,
        "seen_at": to_text(now),
        "attempt": 0,
        "recorded_at": to_text(event.recorded_at),
        "published_at": to_text(now),
        **waits_for(event.origin_region, event.order_id, due_at=due_at),
    }


def announced(effect: Effect, *, now: datetime) -> items.Plain:
    """An effect was seen and announced: nothing is left to do for its event."""
    return {**_done(effect, now), "announced_at": to_text(now)}


def peer_effect(effect: Effect, *, now: datetime) -> items.Plain:
    """The peer's effect arrived: its event is done, and the peer is believed to announce it.

    It stays findable, by when it was recorded, in case the peer is lost before it announced it.
    """
    waits = waits_for(f"{effect.origin_region}#announce", effect.order_id, due_at=effect.recorded_at)
    return {**_done(effect, now), **waits}


def _done(effect: Effect, now: datetime) -> items.Plain:
    return {
        "pk": items.order_key(effect.order_id),
        "sk": work_key(effect.event_id),
        "order_id": effect.order_id,
        "event_id": effect.event_id,
        "status": effect.status,
        "effect_seen_at": to_text(now),
        "recorded_at": to_text(effect.recorded_at),
        "expires_at": int((now + DONE_WORK_KEPT).timestamp()),
    }


def freshness(region: str, *, recorded_at: datetime, day: date, now: datetime) -> items.Plain:
    """How far the projection of ``region``'s writes has come; read together with the day's KPIs."""
    return {
        **freshness_key(region, day),
        "recorded_at": to_text(recorded_at),
        "seen_at": to_text(now),
    }


def freshness_key(region: str, day: date) -> items.Plain:
    return {"pk": f"KPI#{day.isoformat()}", "sk": f"FRESHNESS#{region}"}


def relayed_beat(number: int, *, beat_at: str) -> items.Plain:
    """One of this Region's own heartbeats came back through the relay."""
    return {"pk": "RELAYED", "sk": f"{number:02d}", "beat_at": beat_at}


class ViewNotes:
    """Writes notes into one Region's order view."""

    def __init__(self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def put(self, notes: Iterable[items.Plain]) -> None:
        """Write all notes, the last one of each key; raises ``NotesNotWrittenError`` or ``ClientError``."""
        last_of_each = {(note["pk"], note["sk"]): note for note in notes}
        waiting = [{"PutRequest": {"Item": items.to_wire(note)}} for note in last_of_each.values()]
        for start in range(0, len(waiting), MOST_IN_ONE_CALL):
            self._put_some(waiting[start : start + MOST_IN_ONE_CALL])

    def _put_some(self, requests: list[items.Wire]) -> None:
        """One call, and again with full jitter for what was throttled or held by a projection's transaction."""
        for attempt in range(TRIES):
            if attempt:
                self._sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # no secret
            try:
                answer = self._client.batch_write_item(RequestItems={self._table: requests})  # type: ignore[dict-item]
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionConflictException":
                    raise
                continue
            requests = answer.get("UnprocessedItems", {}).get(self._table, [])  # type: ignore[assignment]
            if not requests:
                return
        raise NotesNotWrittenError(f"{len(requests)} notes were not taken in {TRIES} tries")
