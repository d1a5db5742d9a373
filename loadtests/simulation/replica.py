"""Tables in memory: plain ones, and replicas of global tables with a stream and last-writer-wins.

What is stored is the caller's: attribute values under the DynamoDB client, the domain's own objects under the fast log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zlib import crc32

Key = tuple[str, str]
Stamp = tuple[datetime, str]  # when an item was written by the writer's clock; the Region's name breaks ties
SHARDS: Final = 2


class Change(NamedTuple):
    """One record of a replica's stream."""

    number: int
    key: Key
    content: Any  # ``None`` if it was deleted


class Arrival(NamedTuple):
    """One write on its way to another Region."""

    table: str
    key: Key
    stamp: Stamp
    content: Any  # ``None`` if it was deleted


def shard_of(partition: str) -> int:
    return crc32(partition.encode()) % SHARDS


class Table:
    """Items by partition and sort key, in the order of the sort key when they are asked for."""

    def __init__(self) -> None:
        self.partitions: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def get(self, key: Key) -> Any:
        """The content of an item, or ``None``."""
        found = self.partitions.get(key[0])
        return found.get(key[1]) if found else None

    def put(self, key: Key, content: Any) -> None:
        self.partitions[key[0]][key[1]] = content

    def delete(self, key: Key) -> None:
        self.partitions[key[0]].pop(key[1], None)

    def partition(self, name: str) -> list[Any]:
        """All of one partition, by sort key."""
        found = self.partitions.get(name)
        return [found[sort] for sort in sorted(found)] if found else []

    def everything(self) -> list[Any]:
        return [content for found in self.partitions.values() for content in found.values()]

    def items(self) -> dict[Key, Any]:
        return {(pk, sk): content for pk, found in self.partitions.items() for sk, content in found.items()}


class Replica(Table):
    """One Region's replica of a global table."""

    def __init__(self, name: str, region: str, clock: Callable[[], datetime], send: Callable[[Arrival], None]) -> None:
        super().__init__()
        self.name, self.region = name, region
        self._clock, self._send = clock, send
        self.stamps: dict[Key, Stamp] = {}
        self.stream: list[list[Change]] = [[] for _ in range(SHARDS)]
        self.changes: list[Change] = []
        self.own: set[str] = set()  # sort keys of what this Region wrote
        self.overwritten: list[Key] = []  # by this Region's own writes

    def put(self, key: Key, content: Any) -> None:
        """Write here, and send it on its way to the other Regions."""
        stamp = (self._clock(), self.region)
        known = self.stamps.get(key)
        if known is not None:
            self.overwritten.append(key)
            # Whoever overwrites has seen what was there: the later write wins everywhere, whatever a clock says.
            stamp = max(stamp, (known[0] + timedelta(microseconds=1), self.region))
        self.own.add(key[1])
        self._take(key, stamp, content)
        self._send(Arrival(self.name, key, stamp, content))

    def delete(self, key: Key) -> None:
        """Delete here and everywhere: a write like any other, of which the later one wins."""
        if self.get(key) is not None:
            self.put(key, None)

    def arrive(self, arrival: Arrival) -> None:
        """Take another Region's write if it is the later one."""
        known = self.stamps.get(arrival.key)
        if known is None or known < arrival.stamp:
            self._take(arrival.key, arrival.stamp, arrival.content)

    def _take(self, key: Key, stamp: Stamp, content: Any) -> None:
        self.stamps[key] = stamp
        if content is None:
            super().delete(key)
        else:
            self.partitions[key[0]][key[1]] = content
        change = Change(len(self.changes), key, content)
        self.changes.append(change)
        self.stream[shard_of(key[0])].append(change)
