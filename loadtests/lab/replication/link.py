"""Plays DynamoDB Global Tables (MREC) between the lab's Regions: reads their streams, writes what the others lack.

Uses the Regions' public APIs only. Decisions are in ``last_writer``; this module moves data and must never let one
silent Region hold up another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import uvloop

from loadtests.lab.lab_file import Lab, lab_from_arguments
from loadtests.lab.replication.dynamodb_wire import DynamoDB, DynamoError, RegionSilentError, open_session
from loadtests.lab.replication.last_writer import Conditions, Replication, Transfer
from loadtests.lab.replication.link_control import serve_control
from loadtests.lab.replication.stream_reader import Reader
from loadtests.lab.stopping import run_until_stopped
from shared.topology import TOPOLOGY

TABLES: Final = (TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table)
BUSY_POLL_SECONDS: Final = 0.1
IDLE_POLL_SECONDS: Final = 0.25
SILENT_RETRY_SECONDS: Final = 0.25
COLLECT_SECONDS: Final = 0.1
MIN_PAUSE_SECONDS: Final = 0.005
BATCH: Final = 25  # BatchWriteItem's limit
BATCHES: Final = 4  # side by side to one Region; an item is in one of them at most

log = logging.getLogger("relevo.link")


@dataclass
class Measures:
    """What arrived, and how long it took."""

    applied: dict[str, int] = field(default_factory=dict)
    delays: dict[str, deque[float]] = field(default_factory=dict)

    def note(self, direction: str, delay_seconds: float) -> None:
        self.applied[direction] = self.applied.get(direction, 0) + 1
        self.delays.setdefault(direction, deque(maxlen=500)).append(delay_seconds)


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
        silent = False
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
                if not silent:
                    log.warning("%s cannot be read: %s", name, error)
                silent = True
                await asyncio.sleep(SILENT_RETRY_SECONDS)
            else:
                if silent:
                    log.warning("%s can be read again", name)
                silent = False
                await asyncio.sleep(MIN_PAUSE_SECONDS)

    async def _apply(self, region: str) -> None:
        """Write to one Region what it lacks, as long as it answers."""
        changed = self._changed[region]
        while True:
            changed.clear()
            now = time.time()
            self.replication.deliver(now)
            tables = self.replication.tables_owed(region, BATCH * BATCHES)
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
            transfers = self.replication.next_transfers(region, time.time(), BATCH * BATCHES)
            batches = [transfers[start : start + BATCH] for start in range(0, len(transfers), BATCH)]
            await asyncio.gather(*(self._send(region, batch) for batch in batches))
            if len(transfers) < BATCH:  # let more come together: many small batches would cost the lab's CPU
                await asyncio.sleep(COLLECT_SECONDS)

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


async def run_link(lab: Lab) -> None:
    """Replicate between a lab's Regions until SIGTERM or SIGINT."""
    async with open_session() as session:
        link = Link({name: DynamoDB(session, name, region.endpoint) for name, region in lab.regions.items()})
        async with serve_control(link, lab.link_control):
            await run_until_stopped(link.run())


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    uvloop.run(run_link(lab_from_arguments("Replicates the global tables between the lab's Regions.")))


if __name__ == "__main__":
    main()
