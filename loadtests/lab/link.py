"""Plays DynamoDB Global Tables (MREC) between the lab's Regions: reads their streams, writes what the others lack.

Uses the Regions' public APIs only. Decisions are in ``last_writer``; this module moves data and must never let one
silent Region hold up another.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from loadtests.lab.dynamodb_wire import DynamoDB, DynamoError, Page, RegionSilentError, StreamRecord, open_session
from loadtests.lab.lab_file import Lab, lab_from_arguments
from loadtests.lab.last_writer import ABSENT, Conditions, Item, Key, Replication, Transfer, Version
from loadtests.lab.link_control import serve_control
from loadtests.lab.stopping import run_until_stopped
from shared.topology import TOPOLOGY

TABLES: Final = (TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table)
BUSY_POLL_SECONDS: Final = 0.1
IDLE_POLL_SECONDS: Final = 0.25
BUSY_FOR_SECONDS: Final = 2.0
SILENT_RETRY_SECONDS: Final = 0.25
MIN_PAUSE_SECONDS: Final = 0.005
BATCH: Final = 25  # BatchWriteItem's limit
FULL_PAGE_BYTES: Final = 700_000  # a page is cut at 1 MB, so a large one may not be the last

log = logging.getLogger("relevo.link")


@dataclass
class Measures:
    """What arrived, and how long it took."""

    applied: dict[str, int] = field(default_factory=dict)
    delays: dict[str, deque[float]] = field(default_factory=dict)

    def note(self, direction: str, delay_seconds: float) -> None:
        self.applied[direction] = self.applied.get(direction, 0) + 1
        self.delays.setdefault(direction, deque(maxlen=500)).append(delay_seconds)


class Reader:
    """Reads one table's stream in one Region, from its oldest record on, without skipping any."""

    def __init__(self, replica: DynamoDB, table: str, replication: Replication) -> None:
        self._replica = replica
        self._table = table
        self._replication = replication
        self._stream: str | None = None
        self._iterator: str | None = None
        self._last_sequence_number: str | None = None
        self._one_at_a_time = asyncio.Lock()
        self.busy_until = 0.0
        self.read_at = 0.0

    async def read_to_end(self) -> int:
        """Observe all that was written before now; returns how many records came.

        Raises ``RegionSilentError`` or ``DynamoError``; what had come before that is kept.
        """
        async with self._one_at_a_time:
            total = 0
            while True:
                asked_at = time.time()
                page = await self._next_page()
                if page is None:
                    return total
                observed_at = time.time()
                for record in page.records:
                    self._replication.observe(read_version(record, self._replica.region, self._table, observed_at))
                if page.records:
                    total += len(page.records)
                    self._last_sequence_number = page.records[-1]["dynamodb"]["SequenceNumber"]
                    self.busy_until = asked_at + BUSY_FOR_SECONDS
                if not _may_have_more(page):
                    self._replication.read_to_end(self._replica.region, self._table, as_of=asked_at)
                    self.read_at = asked_at
                    return total

    async def _next_page(self) -> Page | None:
        if self._iterator is None:
            found = await self._replica.find_stream(self._table)
            if found is None:
                return None
            if found != self._stream:
                self._stream, self._last_sequence_number = found, None
            self._iterator = await self._position(found)
        try:
            page = await self._replica.records(self._iterator)
        except DynamoError:
            self._iterator = None  # expired after 15 minutes without an answer, or the table was made anew
            raise
        self._iterator = page.next_iterator
        return page

    async def _position(self, stream: str) -> str:
        if self._last_sequence_number is None:
            return await self._replica.oldest_position(stream)
        try:
            return await self._replica.position_after(stream, self._last_sequence_number)
        except DynamoError as error:
            if error.code != "TrimmedDataAccessException":
                raise
            log.warning("%s: records older than 24 hours were lost unread", stream)
            return await self._replica.oldest_position(stream)


class Link:
    """The replication link between all Regions of a lab."""

    def __init__(self, replicas: dict[str, DynamoDB]) -> None:
        self.replicas = replicas
        self.conditions = Conditions()
        self.replication = Replication(replicas, self.conditions)
        self.measures = Measures()
        self._changed = {region: asyncio.Event() for region in replicas}
        self._readers = {
            (region, table): Reader(replica, table, self.replication)
            for region, replica in replicas.items()
            for table in TABLES
        }

    async def run(self) -> None:
        """Replicate until cancelled; an error nobody expected ends it."""
        async with asyncio.TaskGroup() as tasks:
            for region in self.replicas:
                tasks.create_task(self._apply(region))
            for (region, table), reader in self._readers.items():
                tasks.create_task(self._follow(f"{region} {table}", reader))

    def wake(self) -> None:
        """Look again at what is due: conditions or contents have changed."""
        for event in self._changed.values():
            event.set()

    async def _follow(self, name: str, reader: Reader) -> None:
        while True:
            now = time.time()
            pause = BUSY_POLL_SECONDS if now < reader.busy_until else IDLE_POLL_SECONDS
            if (rest := reader.read_at + pause - now) > 0:
                await asyncio.sleep(rest)
                continue
            try:
                if await reader.read_to_end():
                    self.wake()
            except (RegionSilentError, DynamoError) as error:
                log.warning("%s: %s", name, error)
                await asyncio.sleep(SILENT_RETRY_SECONDS)
            else:
                await asyncio.sleep(MIN_PAUSE_SECONDS)

    async def _apply(self, region: str) -> None:
        """Write to one Region what it lacks, as long as it answers."""
        changed = self._changed[region]
        while True:
            changed.clear()
            now = time.time()
            self.replication.deliver(now)
            tables = self.replication.tables_owed(region, BATCH)
            if not tables:
                due_at = self.replication.next_due_at()
                pause = 1.0 if due_at is None else min(1.0, max(MIN_PAUSE_SECONDS, due_at - now))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), pause)
                continue
            try:
                # A replica drops a remote write that is older than its own: know its own before writing.
                for table in tables:
                    if await self._readers[region, table].read_to_end():
                        self.wake()
            except (RegionSilentError, DynamoError):
                await asyncio.sleep(SILENT_RETRY_SECONDS)
                continue
            if transfers := self.replication.next_transfers(region, time.time(), BATCH):
                await self._send(region, transfers)

    async def _send(self, region: str, transfers: list[Transfer]) -> None:
        try:
            unprocessed = await self.replicas[region].write(transfers)
        except RegionSilentError as error:
            log.warning("%s", error)
            self.replication.doubt(region, transfers)
            return
        except DynamoError as error:
            log.warning("%s refused %d writes: %s", region, len(transfers), error)
            self.replication.refuse(region, transfers)
            await asyncio.sleep(SILENT_RETRY_SECONDS)
            return
        now = time.time()
        self.replication.refuse(region, [transfer for transfer in transfers if transfer.key in unprocessed])
        done = [transfer for transfer in transfers if transfer.key not in unprocessed]
        self.replication.confirm(region, done, now)
        for transfer in done:
            if transfer.version.region != region:
                self.measures.note(direction(transfer.version.region, region), now - transfer.version.written_at)


def direction(source: str, target: str) -> str:
    """The name of one way of the link."""
    return f"{source}->{target}"


def _may_have_more(page: Page) -> bool:
    return len(page.records) == 1000 or page.size >= FULL_PAGE_BYTES


def read_version(record: StreamRecord, region: str, table: str, observed_at: float) -> Version:
    """Turn a stream record into a version of its item."""
    images = record["dynamodb"]
    key = Key(table, images["Keys"]["pk"]["S"], images["Keys"]["sk"]["S"])
    item = images.get("NewImage")
    return Version(
        key, region, written_at(images["SequenceNumber"], images["ApproximateCreationDateTime"], observed_at),
        item, fingerprint(item), fingerprint(images.get("OldImage")),
    )  # fmt: skip


def written_at(sequence_number: str, created_second: float, observed_at: float) -> float:
    """When a record was written, as exactly as can be told.

    MiniStack's sequence numbers start with the milliseconds of the write; the creation time has whole seconds, and both
    must agree. Otherwise it is the time at which the link saw the record, within that second.
    """
    digits = sequence_number[:20]
    if len(sequence_number) >= 20 and digits.isdigit():
        seconds = int(digits) / 1000
        if -1.0 <= seconds - created_second <= 2.0:
            return seconds
    return min(max(observed_at, created_second), created_second + 0.999)


def fingerprint(item: Item | None) -> bytes:
    """A short stand-in for an item's content."""
    if item is None:
        return ABSENT
    return hashlib.blake2b(json.dumps(item, sort_keys=True).encode(), digest_size=16).digest()


async def run_link(lab: Lab) -> None:
    """Replicate between a lab's Regions until SIGTERM or SIGINT."""
    async with open_session() as session:
        link = Link({name: DynamoDB(session, name, region.endpoint) for name, region in lab.regions.items()})
        async with serve_control(link, lab.link_control):
            await run_until_stopped(link.run())


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(run_link(lab_from_arguments("Replicates the global tables between the lab's Regions.")))


if __name__ == "__main__":
    main()
