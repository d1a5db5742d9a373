"""Plays Lambda's poller of a DynamoDB stream: one reader, and one worker for each shard (and parallel place in it).

The local Region's stream has one shard; its records are spread over several, by partition key. Nothing read is lost
while the process lives: a record leaves a worker only when its function answered for it or the on-failure queue took
its place. Places are not kept beyond the process: started again, the stream is delivered again from its oldest record
(Lambda's promise is at least once).
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.lab.polling.event_filter import passes
from loadtests.lab.polling.event_sources import StreamSource
from loadtests.lab.polling.invocation import Answer, Verdict, invoke
from loadtests.lab.polling.lane import Lane
from loadtests.lab.polling.region_clients import RegionClients
from loadtests.lab.polling.stream_batches import (
    LONGEST_UNREACHED_SECONDS,
    Batch,
    Record,
    Step,
    backoff_seconds,
    failure_notice,
    first_to_retry,
    lane_of,
    next_step,
    sequence_number,
    split_aged,
)

SHARDS: Final = 4
POLL_SECONDS: Final = 0.15  # AWS polls a shard four times a second
SILENT_RETRY_SECONDS: Final = 0.5
PAGE: Final = 1000
LONGEST_BACKLOG: Final = 25_000  # records held for one lane; beyond it the reader waits

log = logging.getLogger("relevo.pollers")


@dataclass(frozen=True)
class Stream:
    """A table's stream as deployed."""

    arn: str
    shard_id: str
    partition_key: str


class StreamPoller:
    """Delivers one stream to one function until told to stop."""

    def __init__(
        self,
        source: StreamSource,
        clients: RegionClients,
        stop: threading.Event,
        *,
        time_scale: float = 1.0,
        shards: int = SHARDS,
    ) -> None:
        self._source = source
        self._clients = clients
        self._stop = stop
        self._time_scale = time_scale
        self._shards = shards
        self._lanes = {
            (shard, place): Lane() for shard in range(shards) for place in range(source.parallelization_factor)
        }
        self._stream: Stream | None = None
        self._last_read: str | None = None  # sequence number of the last record handed to the lanes

    def parts(self) -> dict[str, Callable[[], None]]:
        """What runs side by side, by name; each part returns after the stop."""
        name = self._source.function
        workers = {
            f"{name} shard {shard}.{place}": partial(self._deliver, shard, lane)
            for (shard, place), lane in self._lanes.items()
        }
        return {f"{name} reader": self._read, **workers}

    def close(self) -> None:
        """Wake every worker, so that it sees the stop."""
        for lane in self._lanes.values():
            lane.close()

    # The reader

    def _read(self) -> None:
        iterator: str | None = None
        while not self._stop.is_set():
            if max(len(lane) for lane in self._lanes.values()) > LONGEST_BACKLOG:
                self._stop.wait(POLL_SECONDS)
                continue
            try:
                if iterator is None:
                    iterator = self._open_iterator()
                page = self._clients.streams.get_records(ShardIterator=iterator, Limit=PAGE)
            except ClientError as error:
                self._note_refusal(error)
                iterator = None
                self._stop.wait(SILENT_RETRY_SECONDS)
                continue
            except (BotoCoreError, OSError) as error:
                # No answer: the same iterator reads the same records again, so none is skipped.
                log.info("stream of %s: %s", self._source.table, type(error).__name__)
                self._stop.wait(SILENT_RETRY_SECONDS)
                continue
            records = cast("list[Record]", page["Records"])
            self._hand_on(records)
            iterator = page.get("NextShardIterator")
            if not records:
                self._stop.wait(POLL_SECONDS)

    def _open_iterator(self) -> str:
        """An iterator just after the last record read, or at the starting position."""
        found = self._find_stream()
        if self._stream is not None and found.arn != self._stream.arn:
            self._last_read = None  # the table was made anew
        self._stream = found
        if self._last_read is not None:
            answer = self._clients.streams.get_shard_iterator(
                StreamArn=found.arn,
                ShardId=found.shard_id,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                SequenceNumber=self._last_read,
            )
        else:
            answer = self._clients.streams.get_shard_iterator(
                StreamArn=found.arn, ShardId=found.shard_id, ShardIteratorType=self._source.starting_position
            )
        return answer["ShardIterator"]

    def _find_stream(self) -> Stream:
        table = self._clients.tables.describe_table(TableName=self._source.table)["Table"]
        description = self._clients.streams.describe_stream(StreamArn=table["LatestStreamArn"], Limit=1)
        shard = description["StreamDescription"]["Shards"][0]
        partition_key = next(key["AttributeName"] for key in table["KeySchema"] if key["KeyType"] == "HASH")
        return Stream(table["LatestStreamArn"], shard["ShardId"], partition_key)

    def _note_refusal(self, error: ClientError) -> None:
        code = error.response["Error"].get("Code", "")
        if code == "TrimmedDataAccessException":
            log.error("stream of %s: records older than 24 hours were lost unread", self._source.table)
            self._last_read = None
        else:
            log.warning("stream of %s: %s", self._source.table, error)

    def _hand_on(self, records: list[Record]) -> None:
        if not records or self._stream is None:
            return
        shares: dict[tuple[int, int], list[Record]] = {}
        for record in records:
            # GetRecords leaves out what Lambda's event has.
            record["eventSourceARN"] = self._stream.arn
            if passes(self._source.filters, record):
                lane = lane_of(record, self._stream.partition_key, self._shards, self._source.parallelization_factor)
                shares.setdefault(lane, []).append(record)
        for lane, share in shares.items():
            self._lanes[lane].put(share)
        self._last_read = sequence_number(records[-1])

    # A worker

    def _deliver(self, shard: int, lane: Lane) -> None:
        while records := lane.take(self._source.batch_size, self._source.batching_window_seconds):
            todo = deque([Batch(records)])
            unreached = 0
            while todo and not self._stop.is_set():
                aged, batch = split_aged(todo.popleft(), time.time(), self._source)
                if aged is not None:
                    self._give_up(aged, shard, "RecordAgeExceeded", "None")
                if batch is None:
                    continue
                answer = invoke(self._clients.functions, self._source.function, {"Records": batch.records})
                if answer.verdict is Verdict.NOT_REACHED:
                    # As on AWS this is no attempt: tried until it works or the records are too old.
                    unreached += 1
                    log.info("%s: not reached (%s)", self._source.function, answer.reason)
                    todo.appendleft(batch)
                    self._stop.wait(backoff_seconds(unreached, self._time_scale, LONGEST_UNREACHED_SECONDS))
                    continue
                unreached = 0
                step = self._judge(batch, answer)
                if step.discarded is not None:
                    self._give_up(step.discarded, shard, "RetryAttemptsExhausted", "Unhandled")
                todo.extendleft(reversed(step.todo))
                if step.backs_off:
                    self._stop.wait(backoff_seconds(step.todo[0].failures, self._time_scale))

    def _judge(self, batch: Batch, answer: Answer) -> Step:
        failed = answer.verdict is Verdict.FAILED
        retry_from = 0 if failed else first_to_retry(answer.response, batch.records, self._source)
        if retry_from < len(batch.records):
            log.warning(
                "%s: %d of %d records to retry after failure %d: %s",
                *(self._source.function, len(batch.records) - retry_from, len(batch.records), batch.failures + 1),
                answer.reason if failed else answer.response,
            )
        return next_step(batch, retry_from, self._source)

    def _give_up(self, batch: Batch, shard: int, condition: str, reason: str) -> None:
        """Tell the on-failure queue where the records are; waits until it has taken it."""
        log.error("%s: %d records given up: %s", self._source.function, len(batch.records), condition)
        if self._source.failure_queue is None or self._stream is None:
            return
        notice = failure_notice(
            batch,
            condition=condition,
            reason=reason,
            source=self._source,
            stream=self._stream.arn,
            shard=f"{self._stream.shard_id}-{shard}",
            notice_id=str(uuid.uuid4()),
            now=time.time(),
        )
        tries = 0
        while not self._stop.is_set():
            try:
                queue = self._clients.queues.get_queue_url(QueueName=self._source.failure_queue)["QueueUrl"]
                self._clients.queues.send_message(QueueUrl=queue, MessageBody=notice)
            except (BotoCoreError, ClientError, OSError) as error:
                tries += 1
                log.warning("%s: on-failure queue: %s", self._source.function, error)
                self._stop.wait(backoff_seconds(tries, self._time_scale))
            else:
                return
