"""Reads one DynamoDB stream to its end, again and again, and hands every record to the link's decisions."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from loadtests.lab.replication.dynamodb_wire import DynamoDB, DynamoError, Page
from loadtests.lab.replication.last_writer import Replication
from loadtests.lab.replication.versions import read_version

BUSY_FOR_SECONDS: Final = 2.0
FULL_PAGE_BYTES: Final = 700_000  # a page is cut at 1 MB, so a large one may not be the last

log = logging.getLogger("relevo.link")


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


def _may_have_more(page: Page) -> bool:
    return len(page.records) == 1000 or page.size >= FULL_PAGE_BYTES
