"""What is watched from outside while the load runs: the ledger as it grows, DNS answers, the target's status."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.addressing import NameResolver
from loadtests.drills.probe import Probe
from loadtests.drills.target import DrillTarget
from loadtests.ledger import Entry, Ledger, LedgerTail
from loadtests.resolver import ResolveError

Listener = Callable[[Entry], None]


class LedgerFeed(Probe):
    """Follows the clients' ledger and tells the others what is new."""

    def __init__(self, path: Path, listeners: Sequence[Listener]) -> None:
        super().__init__("ledger", 0.25)
        self.ledger = Ledger()
        self._tail = LedgerTail(path)
        self._listeners = list(listeners)
        self._lock = threading.Lock()

    def look(self) -> None:
        with self._lock:
            for entry in self._tail.new_entries():
                self.ledger.add(entry)
                for listener in self._listeners:
                    listener(entry)


@dataclass(frozen=True)
class DnsAnswer:
    """What DNS told a client at a location; ``region`` is ``None`` if it did not answer."""

    at: float
    location: str
    region: str | None


class DnsProbe(Probe):
    """Asks the DNS server for every location, each time anew: no cache stands between it and the truth."""

    def __init__(
        self, name: str, make_resolver: Callable[[str], NameResolver], target: DrillTarget, every: float
    ) -> None:
        super().__init__("dns", every)
        self.answers: list[DnsAnswer] = []
        self._name = name
        self._make_resolver = make_resolver
        self._target = target

    def look(self) -> None:
        for location in self._target.regions:
            region: str | None = None
            try:
                region = self._target.region_at(self._make_resolver(location).lookup(self._name).addresses[0])
            except ResolveError:
                self.troubles += 1
            self.answers.append(DnsAnswer(time.time(), location, region))

    def latest(self) -> dict[str, str | None]:
        """The last answer per location."""
        return {answer.location: answer.region for answer in self.answers[-2 * len(self._target.regions) :]}

    def detected_after(self, lost_region: str, fault_at: float) -> float | None:
        """Seconds until a client near the lost Region was sent elsewhere for the first time after the fault."""
        for answer in self.answers:
            elsewhere = answer.region is not None and answer.region != lost_region
            if answer.at > fault_at and answer.location == lost_region and elsewhere:
                return round(answer.at - fault_at, 2)
        return None


@dataclass(frozen=True)
class StatusSample:
    """What the target knows of one Region at one moment."""

    at: float
    region: str
    healthy: bool | None
    drained: bool | None
    replication_lag_seconds: float | None
    oldest_pending_seconds: float | None
    dlq_depth: int


class StatusProbe(Probe):
    """Keeps the target's view of both Regions and of the replication between them."""

    def __init__(self, lab: DrillTarget, every: float) -> None:
        super().__init__("status", every)
        self.samples: list[StatusSample] = []
        self.link_lag: list[tuple[float, float]] = []
        self.latest: dict[str, object] = {}
        self._lab = lab

    def look(self) -> None:
        status = self._lab.status()
        now = time.time()
        self.latest = status
        for region, state in (status.get("regions") or {}).items():
            depths = state.get("dlq_depth") or {}
            self.samples.append(
                StatusSample(
                    at=now,
                    region=region,
                    healthy=state.get("healthy"),
                    drained=state.get("drained"),
                    replication_lag_seconds=state.get("replication_lag_seconds"),
                    oldest_pending_seconds=state.get("oldest_pending_seconds"),
                    dlq_depth=sum(int(depth or 0) for depth in depths.values()),
                )
            )
        lag = (status.get("link") or {}).get("measured_lag_seconds")
        if isinstance(lag, int | float):
            self.link_lag.append((now, float(lag)))
