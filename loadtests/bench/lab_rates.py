"""What the running lab carries: the highest rate with both Regions and with one, freshness, and what replication adds.

Everything shares this machine's cores: Regions, replication, pollers and clients. It says nothing of AWS's limits.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock, local
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # ships no types

from loadtests.drills.lab_access import LabAccess, LabError
from loadtests.drills.programs import make_accounts
from loadtests.drills.reader import Reader
from loadtests.drills.region_api import RegionApi
from loadtests.gate import percentile
from loadtests.lab.layout import Layout
from loadtests.lab.processes import ProcessBook, members
from shared.adapters.order_rows import ROW
from shared.slo import BY_NAME
from shared.topology import TOPOLOGY

RATES: Final = (10, 20, 30, 40, 50, 60, 80, 100)  # orders/s, and as many reads/s
STEP_SECONDS: Final = 8.0
CLIENTS: Final = 48
ANSWERED_SHARE: Final = 0.999
SENT_SHARE: Final = 0.95  # of what a step planned: clients that cannot send are no measurement
SETTLE_SECONDS: Final = 20.0
SIGHTINGS: Final = 40
LOOK_SECONDS: Final = 0.005


@dataclass(frozen=True)
class Step:
    """One rate, and how it went."""

    rate: int
    sent: int
    answered: float  # share of what was sent
    p95_ms: float
    shown_after_seconds: float | None  # from the last answer until each Region shows all orders; None: too late
    processor_ms: float = 0.0  # of everything, clients too, for an order and a read, effects and what idles included

    @property
    def carried(self) -> bool:
        return (
            self.sent >= SENT_SHARE * 2 * self.rate * STEP_SECONDS
            and self.answered >= ANSWERED_SHARE
            and self.p95_ms <= BY_NAME["p95_ms_steady"].real
            and self.shown_after_seconds is not None
        )


def processor_seconds() -> float:
    """What all processes of the lab and this one have worked so far; a count that a busy machine hardly changes."""
    book = ProcessBook.read(Layout.from_environment().process_file)
    worked = sum(os.times()[:2])
    for pid in [pid for started in book.started for pid in members(started, book.lab)] if book else []:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            worked += times.user + times.system + times.children_user + times.children_system
    return worked


class Crowd:
    """Clients that send at an even rate, whatever the answers do, to some Regions in turn."""

    def __init__(self, lab: LabAccess, regions: Sequence[str], writer: Reader, reader: Reader) -> None:
        self._lab, self._regions = lab, regions
        self._tokens = {
            (name, kind): who.token(name) for name in regions for kind, who in (("write", writer), ("read", reader))
        }
        self._mine = local()
        self._run = f"{time.time_ns() % 10**10:x}"
        self._numbers = itertools.count()

    def _api(self, region: str) -> RegionApi:
        apis: dict[str, RegionApi] = self._mine.__dict__.setdefault("apis", {})
        if region not in apis:
            apis[region] = self._lab.regions[region].api(TOPOLOGY.api_name)
        return apis[region]

    def write(self, region: str) -> tuple[bool, str]:
        """Register an order; returns whether it was taken, and its id."""
        order_id = f"B-{self._run}-{next(self._numbers)}"
        body = {"order_id": order_id, "items": [{"product": "Panela orgánica 1 kg", "price": "12500"}]}
        return self._answered(region, "write", "POST", "/v1/orders", body), order_id

    def read(self, region: str, number: int) -> bool:
        path = ("/v1/metrics", "/v1/orders?limit=50")[number % 2]
        return self._answered(region, "read", "GET", path)

    def _answered(self, region: str, kind: str, method: str, path: str, body: object = None) -> bool:
        try:
            status, _ = self._api(region).call(method, path, token=self._tokens[region, kind], body=body)
        except OSError:
            return False
        return status in (200, 201)

    def orders_shown(self, region: str) -> int:
        status, answer = self._api(region).call("GET", "/v1/metrics", token=self._tokens[region, "read"])
        if status != 200:
            raise LabError(f"{region} does not show its figures: {status}")
        return sum(answer["orders_by_status"].values())

    def step(self, rate: int) -> Step:
        """Send orders and reads at a rate for some seconds; then wait until every Region shows them."""
        before = {name: self.orders_shown(name) for name in self._regions}
        worked = processor_seconds()
        times: list[float] = []
        good = taken = 0
        lock = Lock()
        began = time.perf_counter()
        many = int(2 * rate * STEP_SECONDS)

        def one(number: int) -> None:
            nonlocal good, taken
            due = began + number / (2 * rate)
            time.sleep(max(due - time.perf_counter(), 0))
            if time.perf_counter() > began + 2 * STEP_SECONDS:
                return  # hopelessly late: not sent
            region = self._regions[number // 2 % len(self._regions)]
            ok = self.write(region)[0] if number % 2 == 0 else self.read(region, number // 4)
            with lock:
                times.append((time.perf_counter() - due) * 1000)
                good += ok
                taken += ok and number % 2 == 0

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(one, range(many)))
        shown_after = self._shown_after({name: count + taken for name, count in before.items()})
        return Step(
            rate, len(times), round(good / max(len(times), 1), 4), round(percentile(times, 0.95) or 0.0, 1),
            shown_after, round((processor_seconds() - worked) / max(taken, 1) * 1000, 1),
        )  # fmt: skip

    def _shown_after(self, expected: dict[str, int]) -> float | None:
        began = time.monotonic()
        limit = BY_NAME["freshness_p99_seconds"].real
        while any(self.orders_shown(name) < count for name, count in expected.items()):
            if time.monotonic() - began > limit:
                return None
            time.sleep(0.1)
        return round(time.monotonic() - began, 2)


def highest(crowd: Crowd, tell: Callable[[str], None]) -> list[Step]:
    """Raise the rate until it is not carried any more."""
    steps: list[Step] = []
    for rate in RATES:
        steps.append(crowd.step(rate))
        tell(f"{rate} orders/s + {rate} reads/s: {'carried' if steps[-1].carried else 'too much'} ({steps[-1]})")
        if not steps[-1].carried:
            time.sleep(SETTLE_SECONDS)  # what it left behind is worked off before anything else is measured
            break
    return steps


def sightings(lab: LabAccess, crowd: Crowd) -> dict[str, Any]:
    """From an acknowledged order to its row in its own Region's view and in the peer's, one order at a time."""
    clients = {name: access.client("dynamodb") for name, access in lab.regions.items()}
    here: list[float] = []
    there: list[float] = []
    for number in range(SIGHTINGS):
        origin = TOPOLOGY.region_names[number % 2]
        taken, order_id = crowd.write(origin)
        acknowledged = time.perf_counter()
        if not taken:
            raise LabError(f"an order was refused in {origin}")
        waiting = {origin: here, TOPOLOGY.peer_of(origin): there}
        while waiting and time.perf_counter() - acknowledged < SETTLE_SECONDS:
            for name in list(waiting):
                key = {"pk": {"S": f"ORDER#{order_id}"}, "sk": {"S": ROW}}
                answer = clients[name].get_item(TableName=TOPOLOGY.order_view_table, Key=key, ConsistentRead=True)
                if "Item" in answer:
                    waiting.pop(name).append(time.perf_counter() - acknowledged)
            time.sleep(LOOK_SECONDS)
        if waiting:
            raise LabError(f"{order_id} did not show in {', '.join(waiting)}")
    own, peer = statistics.median(here), statistics.median(there)
    return {
        "orders": SIGHTINGS,
        "own_region_seconds": round(own, 3), "own_region_p95_seconds": round(percentile(here, 0.95) or 0.0, 3),
        "peer_region_seconds": round(peer, 3), "peer_region_p95_seconds": round(percentile(there, 0.95) or 0.0, 3),
        "replication_added_seconds": round(peer - own, 3),
    }  # fmt: skip


def measure_lab(tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure the running lab; ends with one of its Regions frozen, so it is for a lab that is ended afterwards."""
    lab = LabAccess.read()
    others = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        accounts = make_accounts(f"B{time.time_ns() % 10**8}", Path(folder) / "accounts.json")
    writer, reader = Reader(lab, accounts["client"]), Reader(lab, accounts["operator"])
    both = Crowd(lab, TOPOLOGY.region_names, writer, reader)
    tell("freshness: one order at a time")
    fresh = sightings(lab, both)
    tell("both Regions")
    two = highest(both, tell)
    lost, survivor = TOPOLOGY.region_names
    one_alone = Crowd(lab, [survivor], writer, reader)
    lab.fault(kind="region-loss", region=lost, mode="freeze")
    tell(f"{survivor} alone")
    one = highest(one_alone, tell)
    return {
        "load_before": round(others, 1),
        "freshness": fresh,
        "two_regions": _document(two),
        "one_region": _document(one),
    }


def _document(steps: Sequence[Step]) -> dict[str, Any]:
    carried = [step.rate for step in steps if step.carried]
    return {
        "highest_orders_per_second": max(carried, default=0),
        "steps": [{**asdict(step), "carried": step.carried} for step in steps],
    }
