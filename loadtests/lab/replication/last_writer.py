"""Decides what the replication link does: which version of an item wins, who still lacks it, what is an echo.

Pure bookkeeping, no I/O and no clock: the caller hands in what it read from the Regions' streams and what became of
its writes. One winner per item is kept for all Regions, so they converge whatever the order of events; a version that
lost and a copy that the link overwrote by mistake are both put right by the same rule: a Region that does not hold the
winner gets it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from loadtests.lab.replication.versions import Key, Version

DOUBT_SECONDS: Final = 30.0  # how long after a Region answers again a write of unknown outcome may still show up
FORGET_MARGIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class Sent:
    """A write of the link itself whose record has not been seen in the target's stream."""

    fingerprint: bytes
    sent_at: float
    confirmed_at: float | None = None
    doubtful: bool = False


@dataclass(slots=True)
class _Copies:
    """All that is remembered of one item."""

    winner: Version | None = None
    winner_at: float = 0.0  # the winner's clock, skew included, when it won
    held: dict[str, bytes] = field(default_factory=dict)  # what each Region holds, as far as seen
    waiting: dict[str, deque[Version]] = field(default_factory=dict)  # read, not delivered yet
    sent: dict[str, list[Sent]] = field(default_factory=dict)


def _drop_sent(copies: _Copies, region: str, sent: Sent) -> None:
    remaining = [other for other in copies.sent.get(region, ()) if other is not sent]
    if remaining:
        copies.sent[region] = remaining
    else:
        copies.sent.pop(region, None)


class Transfer(NamedTuple):
    """One write that the link owes a Region."""

    key: Key
    version: Version
    sent: Sent


@dataclass
class Conditions:
    """What drills may set while the link runs."""

    partitioned: bool = False
    lag_seconds: float = 0.0
    ahead_seconds: dict[str, float] = field(default_factory=dict)  # how far a Region's clock runs ahead


class Replication:
    """Last-writer-wins over any number of Regions.

    Memory: an item is remembered only while an older write of it may still turn up, that is until every Region's
    stream has been read past its winner's time (plus ``FORGET_MARGIN_SECONDS`` and the clock skew) and nothing is
    waiting or under way. That is seconds of traffic in steady state, and the length of an outage during one.
    """

    def __init__(self, regions: Iterable[str], conditions: Conditions | None = None) -> None:
        self.regions = tuple(regions)
        self.conditions = conditions or Conditions()
        self._copies: dict[Key, _Copies] = {}
        self._queues: dict[str, deque[Version]] = {region: deque() for region in self.regions}
        # In order; with the time of the oldest write that the Region lacks.
        self._owed: dict[str, dict[Key, float]] = {region: {} for region in self.regions}
        self._read_up_to: dict[tuple[str, str], float] = {}
        self._answers_again: dict[str, float] = {}
        self._forgettable: dict[str, deque[tuple[float, Key]]] = {}
        self._unseen: dict[tuple[str, str], dict[Key, None]] = {}  # (Region, table): items with own writes under way

    # What the streams say

    def observe(self, version: Version) -> bool:
        """Take in one stream record, in stream order; False when it is the echo of a write of the link."""
        copies = self._copies.get(version.key)
        if copies is None:
            copies = self._copies[version.key] = _Copies()
            self._forgettable.setdefault(version.key.table, deque()).append((version.written_at, version.key))
        copies.held[version.region] = version.fingerprint
        if self._is_echo(copies, version):
            self._review(version.key, copies)
            return False
        copies.waiting.setdefault(version.region, deque()).append(version)
        self._queues[version.region].append(version)
        self._review(version.key, copies)
        return True

    @staticmethod
    def _is_echo(copies: _Copies, version: Version) -> bool:
        sent = copies.sent.get(version.region, [])
        matching = [own for own in sent if own.fingerprint == version.fingerprint]
        if not matching:
            return False
        # A write of unknown outcome is matched last: it may still be executed, and must be known then.
        echoed = min(matching, key=lambda own: own.doubtful)
        _drop_sent(copies, version.region, echoed)
        return True

    def read_to_end(self, region: str, table: str, as_of: float) -> None:
        """Note that every record written to a table before ``as_of`` has been observed, and forget what is settled."""
        self._read_up_to[region, table] = as_of
        self._expire_sent(region, table, as_of)
        candidates = self._forgettable.get(table)
        if not candidates:
            return
        horizon = min(self._read_up_to.get((name, table), 0.0) for name in self.regions) - FORGET_MARGIN_SECONDS
        for _ in range(len(candidates)):
            if candidates[0][0] >= horizon:
                break
            _, key = candidates.popleft()
            copies = self._copies[key]
            if self._is_settled(key, copies) and copies.winner_at < horizon:
                del self._copies[key]
            else:
                candidates.append((as_of, key))

    def _expire_sent(self, region: str, table: str, read_up_to: float) -> None:
        """Drop own writes that left no record (they changed nothing), so that they cannot pass for echoes later."""
        unseen = self._unseen.get((region, table), {})
        for key in list(unseen):
            copies = self._copies.get(key)
            for sent in copies.sent.get(region, ())[:] if copies else ():
                if copies and self._left_no_record(sent, region, read_up_to):
                    _drop_sent(copies, region, sent)
                    self._review(key, copies)
            if copies is None or region not in copies.sent:
                del unseen[key]

    def _left_no_record(self, sent: Sent, region: str, read_up_to: float) -> bool:
        if sent.doubtful:
            answers_since = self._answers_again.get(region)
            return answers_since is not None and read_up_to > max(answers_since, sent.sent_at) + DOUBT_SECONDS
        return sent.confirmed_at is not None and read_up_to > sent.confirmed_at

    def _is_settled(self, key: Key, copies: _Copies) -> bool:
        return not copies.sent and not copies.waiting and not any(key in self._owed[region] for region in self.regions)

    # What travels

    def deliver(self, now: float) -> None:
        """Let every version that is due take part: the winner of its item is decided here."""
        if self.conditions.partitioned:
            return
        for queue in self._queues.values():
            while queue and self._due_at(queue[0]) <= now:
                version = queue.popleft()
                copies = self._copies[version.key]
                waiting = copies.waiting[version.region]
                waiting.popleft()
                if not waiting:
                    del copies.waiting[version.region]
                if self._beats(version, copies):
                    copies.winner_at = max(self._clock_of(version), copies.winner_at)
                    copies.winner = version
                self._review(version.key, copies)

    def next_due_at(self) -> float | None:
        """When the next waiting version is due, None when nothing waits or the Regions are partitioned."""
        if self.conditions.partitioned:
            return None
        return min((self._due_at(queue[0]) for queue in self._queues.values() if queue), default=None)

    def _due_at(self, version: Version) -> float:
        return version.written_at + self.conditions.lag_seconds

    def _clock_of(self, version: Version) -> float:
        return version.written_at + self.conditions.ahead_seconds.get(version.region, 0.0)

    def _beats(self, version: Version, copies: _Copies) -> bool:
        """Whether a version replaces the winner.

        One Region's writes follow each other, and a write made over the winner itself follows it: clocks decide between
        concurrent writes only, so that a skew set by a drill cannot undo what was written in full knowledge.
        """
        winner = copies.winner
        if winner is None or winner.region == version.region or winner.fingerprint == version.replaced:
            return True
        return (self._clock_of(version), version.region) > (copies.winner_at, winner.region)

    def _review(self, key: Key, copies: _Copies) -> None:
        for region in self.regions:
            if copies.winner is not None and self._lacks_winner(region, copies):
                self._owed[region].setdefault(key, copies.winner.written_at)
            else:
                self._owed[region].pop(key, None)

    def _lacks_winner(self, region: str, copies: _Copies) -> bool:
        winner = copies.winner
        if winner is None or copies.held.get(region) == winner.fingerprint:
            return False
        if any(self._beats(version, copies) for version in copies.waiting.get(region, ())):
            return False  # as a replica does: a remote write that is older than its own is dropped on arrival
        return not any(
            sent.fingerprint == winner.fingerprint and not sent.doubtful for sent in copies.sent.get(region, ())
        )

    def tables_owed(self, target: str, limit: int) -> list[str]:
        """The tables that the next ``limit`` writes to a Region belong to."""
        return list(dict.fromkeys(key.table for key, _ in self._owed_now(target, limit)))

    def next_transfers(self, target: str, now: float, limit: int) -> list[Transfer]:
        """Take up to ``limit`` writes that a Region is owed, in order; report each as confirmed, refused or doubted."""
        transfers = [
            Transfer(key, winner, Sent(winner.fingerprint, sent_at=now))
            for key, winner in self._owed_now(target, limit)
        ]
        for transfer in transfers:
            copies = self._copies[transfer.key]
            copies.sent.setdefault(target, []).append(transfer.sent)
            self._unseen.setdefault((target, transfer.key.table), {})[transfer.key] = None
            del self._owed[target][transfer.key]
        return transfers

    def _owed_now(self, target: str, limit: int) -> list[tuple[Key, Version]]:
        found: list[tuple[Key, Version]] = []
        for key in self._owed[target]:
            winner = self._copies[key].winner
            # A partition does not keep a Region from getting its own version back.
            if winner is not None and (winner.region == target or not self.conditions.partitioned):
                found.append((key, winner))
                if len(found) == limit:
                    break
        return found

    def confirm(self, target: str, transfers: Iterable[Transfer], now: float) -> None:
        """The Region acknowledged these writes."""
        self._answers_again.setdefault(target, now)
        for key, _, sent in transfers:
            sent.confirmed_at = now
            copies = self._copies.get(key)  # None: its echo was read before its answer came, and that settled it
            if copies is None:
                continue
            if any(other is sent for other in copies.sent.get(target, ())):
                copies.held[target] = sent.fingerprint
            self._review(key, copies)

    def refuse(self, target: str, transfers: Iterable[Transfer]) -> None:
        """The Region said that it did not make these writes: owed again."""
        for key, _, sent in transfers:
            if copies := self._copies.get(key):
                _drop_sent(copies, target, sent)
                self._review(key, copies)

    def doubt(self, target: str, transfers: Iterable[Transfer]) -> None:
        """The outcome is unknown: a frozen Region may still execute them when it continues. Owed again."""
        self._answers_again.pop(target, None)
        for key, _, sent in transfers:
            sent.doubtful = True
            if copies := self._copies.get(key):
                self._review(key, copies)

    # What can be told

    def queued(self, source: str, target: str) -> int:
        """Writes on their way from one Region to another."""
        owed = self._owed[target]
        return len(self._queues[source]) + sum(1 for key in owed if self._origin_of(key) == source)

    def oldest_waiting_at(self, source: str, target: str) -> float | None:
        """When the oldest write that has not arrived was made."""
        times = [queue[0].written_at] if (queue := self._queues[source]) else []
        times += [since for key, since in self._owed[target].items() if self._origin_of(key) == source]
        return min(times, default=None)

    def remembered(self) -> int:
        """How many items are held in memory."""
        return len(self._copies)

    def _origin_of(self, key: Key) -> str | None:
        winner = self._copies[key].winner
        return winner.region if winner else None
