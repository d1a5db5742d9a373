"""An independent reader of each Region's order list: how long after a client's 2xx an order shows there.

It reads `GET /v1/orders` as the dashboard does, directly from one Region, and knows nothing of the product but that.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from loadtests.drills.probe import Probe
from loadtests.drills.region_api import RegionApi
from loadtests.ledger import Ack, Entry

PAGE = 100
PAGES_AT_MOST = 4
FORGET_AFTER_SECONDS = 120.0
PENDING_AT_MOST = 400


@dataclass(frozen=True)
class Sighting:
    """One sampled order at one reader; ``seconds`` is ``None`` while it has not been seen."""

    order_id: str
    acked_at: float
    reader_region: str
    seconds: float | None


class FreshnessReader(Probe):
    """Looks for sampled orders in one Region's list until each was seen."""

    def __init__(self, region: str, api: RegionApi, token: Callable[[], str], every: float, one_in: int) -> None:
        super().__init__(f"freshness in {region}", every)
        self.region = region
        self.seen: list[Sighting] = []
        self._pending: dict[str, Ack] = {}
        self._api = api
        self._token = token
        self._one_in = one_in
        self._sampled: set[str] = set()
        self._lock = threading.Lock()

    def hear(self, entry: Entry) -> None:
        """Take a share of the orders that are new; an order's later commands do not move it in the list."""
        if not isinstance(entry, Ack) or entry.order_id in self._sampled:
            return
        self._sampled.add(entry.order_id)
        if zlib.crc32(entry.order_id.encode()) % self._one_in == 0:
            with self._lock:
                if len(self._pending) < PENDING_AT_MOST:
                    self._pending[entry.order_id] = entry

    def look(self) -> None:
        with self._lock:
            waiting = dict(self._pending)
        if not waiting:
            return
        cursor = ""
        for _ in range(PAGES_AT_MOST):
            status, page = self._api.call("GET", f"/v1/orders?limit={PAGE}{cursor}", token=self._token())
            now = time.time()
            if status != 200:
                raise ConnectionError(f"{self.region} answered {status} to its order list")
            for row in page.get("orders", ()):
                ack = waiting.pop(str(row.get("order_id")), None)
                if ack is not None:
                    self._note(ack, now)
            # Only the newest page matters unless an order has been missing for long enough to have slid down.
            missing = [ack for ack in waiting.values() if now - ack.at > 2 * self.every_seconds]
            if not missing or not page.get("next_cursor"):
                break
            cursor = f"&cursor={page['next_cursor']}"
        for ack in waiting.values():
            if time.time() - ack.at > FORGET_AFTER_SECONDS:
                self._forget(ack)

    def sightings(self) -> list[Sighting]:
        """Everything so far, with what has not been seen yet."""
        with self._lock:
            unseen = [Sighting(a.order_id, a.at, self.region, None) for a in self._pending.values()]
        return self.seen + unseen

    def _note(self, ack: Ack, now: float) -> None:
        self.seen.append(Sighting(ack.order_id, ack.at, self.region, max(0.0, round(now - ack.at, 3))))
        with self._lock:
            self._pending.pop(ack.order_id, None)

    def _forget(self, ack: Ack) -> None:
        """Keep it as never seen."""
        self.seen.append(Sighting(ack.order_id, ack.at, self.region, None))
        with self._lock:
            self._pending.pop(ack.order_id, None)
