"""What the lab knows of itself: health as DNS sees it, and each Region's heartbeat, lag, pending work and dead letters.

Reads the Regions' public APIs with the lab's credentials. A Region that does not answer is looked at from its peer, and
what nobody can tell is None, never zero.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.lab import loopback
from loadtests.lab.deploy import client
from loadtests.lab.faults.injection import ANSWERING, Faults
from loadtests.lab.layout import Layout, Seat
from loadtests.lab.processes import ProcessBook, is_alive
from shared.adapters.order_rows import pending_key
from shared.topology import PENDING_INDEX, STATUSES, TOPOLOGY, dead_letter_queue_name

FRESH_SECONDS: Final = 0.5
CALL_SECONDS: Final = 1.0
PENDING_LOOKED_AT: Final = 500

T = TypeVar("T")


class RegionLook:
    """Reads one Region."""

    def __init__(self, seat: Seat) -> None:
        self.dynamodb = client(seat, "dynamodb", timeout_seconds=CALL_SECONDS, attempts=1)
        self._sqs = client(seat, "sqs", timeout_seconds=CALL_SECONDS, attempts=1)
        self._queue_urls: dict[str, str] = {}

    def heartbeat_age_seconds(self, of: str) -> float | None:
        """Age of a Region's newest heartbeat in this Region's replica."""
        keys = [
            {"pk": {"S": f"HEARTBEAT#{of}#{number}"}, "sk": {"S": "HEARTBEAT"}}
            for number in range(TOPOLOGY.heartbeat_keys)
        ]
        table = TOPOLOGY.order_log_table
        found = self.dynamodb.batch_get_item(RequestItems={table: {"Keys": keys}})["Responses"].get(table, [])
        beats = [item["beat_at"]["S"] for item in found]
        return _age_seconds(max(beats)) if beats else None

    def oldest_pending_seconds(self, of: str) -> float | None:
        """Age of the oldest work of a Region that is not finished, as this Region's view has it."""
        seen: list[str] = []
        for number in range(TOPOLOGY.pending_keys):
            answer = self.dynamodb.query(
                TableName=TOPOLOGY.order_view_table, IndexName=PENDING_INDEX, Limit=PENDING_LOOKED_AT,
                KeyConditionExpression="pending_key = :key",
                ExpressionAttributeValues={":key": {"S": pending_key(of, number)}},
            )  # fmt: skip
            seen += [item["seen_at"]["S"] for item in answer["Items"] if "seen_at" in item]
        return _age_seconds(min(seen)) if seen else 0.0

    def dlq_depth(self) -> dict[str, int]:
        """Messages in the dead-letter queue of each status."""
        return {status: self._depth(dead_letter_queue_name(status)) for status in STATUSES}

    def _depth(self, queue: str) -> int:
        if queue not in self._queue_urls:
            self._queue_urls[queue] = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._queue_urls[queue], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


class Status:
    """The lab's status, looked up at most twice a second however often it is asked for."""

    def __init__(self, layout: Layout, book: ProcessBook, faults: Faults) -> None:
        self._layout = layout
        self._book = book
        self._faults = faults
        self._looks = {region: RegionLook(seat) for region, seat in layout.seats.items()}
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._known_at = 0.0
        self._known_after = 0

    def read(self) -> dict[str, Any]:
        """The status as of at most half a second ago, and of after the last fault."""
        with self._lock:
            happened = len(self._faults.history)
            if happened != self._known_after or time.monotonic() - self._known_at >= FRESH_SECONDS:
                self._known = self._look()
                self._known_at, self._known_after = time.monotonic(), happened
            return self._known

    def _look(self) -> dict[str, Any]:
        health = _ask(lambda: loopback.call(f"{self._layout.dns_control}/health")) or {}
        answers = _ask(lambda: loopback.call(f"{self._layout.dns_control}/answers")) or {}
        strong = self._faults.strong
        link = None if strong else _ask(lambda: loopback.call(f"{self._layout.link_control}/stats"))
        with ThreadPoolExecutor(len(self._looks)) as pool:
            details = dict(zip(self._looks, pool.map(self._region, self._looks), strict=True))
        for region, detail in details.items():
            detail |= {name: health.get(region, {}).get(name) for name in ("healthy", "endpoint_healthy", "drained")}
            way = f"{TOPOLOGY.peer_of(region)}->{region}"
            measured = None if link is None else link["measured_lag_seconds"].get(way)
            detail["replication_lag_seconds"] = 0.0 if strong else measured
        return {
            "at": time.time(),
            "consistency": "strong" if strong else "eventual",
            "regions": details,
            "link": None if link is None else _summary(link),
            "dns": {"answers": answers},
            "processes": [
                {"name": started.name, "pid": started.pid, "region": started.region, "alive": is_alive(started)}
                for started in [*self._book.started]
            ],
        }

    def _region(self, region: str) -> dict[str, Any]:
        state = self._faults.states[region]
        peer = TOPOLOGY.peer_of(region)
        here = state in ANSWERING
        observers = [name for name in (region, peer) if self._faults.states[name] in ANSWERING]
        return {
            "state": state,
            "heartbeat_age_seconds": _first(observers, lambda name: self._looks[name].heartbeat_age_seconds(region)),
            "oldest_pending_seconds": _first(observers, lambda name: self._looks[name].oldest_pending_seconds(region)),
            "dlq_depth": _ask(self._looks[region].dlq_depth) if here else None,
        }


def _summary(link: dict[str, Any]) -> dict[str, Any]:
    """The link in single numbers, with both directions beside them."""
    lags = [lag for lag in link["measured_lag_seconds"].values() if lag is not None]
    return {
        "partitioned": link["partitioned"],
        "lag_seconds": link["lag_seconds"],
        "queued": sum(link["queued"].values()),
        "measured_lag_seconds": max(lags) if lags else None,
        "ways": link,
    }


def _first(observers: list[str], look: Callable[[str], float | None]) -> float | None:
    """What the first of the Regions that answers says."""
    for name in observers:
        found = _ask(lambda name=name: look(name))  # type: ignore[misc]
        if found is not None:
            return found
    return None


def _ask(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except (BotoCoreError, ClientError, loopback.NoAnswerError, loopback.RefusedError):
        return None


def _age_seconds(instant: str) -> float:
    return round(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds()), 3)
