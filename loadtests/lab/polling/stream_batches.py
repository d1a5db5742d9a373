"""Decides how a stream's records are delivered: which shard, what to retry after a failure, what to give up.

Pure. Plays Lambda's documented rules for DynamoDB streams. Two points are not documented and are decided here: a retry
counts against the record that failed first (progress starts the count again), and a partial response that names the
first record is, where bisecting is on, halved like any other failed invocation.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypedDict

from loadtests.lab.polling.event_sources import INFINITE, StreamSource
from loadtests.lab.polling.invocation import reported_failures

FIRST_BACKOFF_SECONDS: Final = 0.2
LONGEST_BACKOFF_SECONDS: Final = 10.0
LONGEST_UNREACHED_SECONDS: Final = 1.0  # a throttle passes as soon as others end, and costs next to nothing to find


class Change(TypedDict, total=False):
    """What a stream record says of the item."""

    ApproximateCreationDateTime: datetime
    Keys: Mapping[str, Mapping[str, object]]
    SequenceNumber: str


class Record(TypedDict, total=False):
    """One stream record, as Lambda hands it on."""

    eventID: str
    eventName: str
    eventSourceARN: str
    dynamodb: Change


@dataclass(frozen=True)
class Batch:
    """Records to deliver together; ``failures`` counts the invocations that failed at its first record."""

    records: tuple[Record, ...]
    failures: int = 0


@dataclass(frozen=True)
class Step:
    """What follows an invocation: batches to deliver next, in this order, and what is given up."""

    todo: tuple[Batch, ...] = ()
    discarded: Batch | None = None
    backs_off: bool = False


def lane_of(record: Record, partition_key: str, shards: int, factor: int) -> tuple[int, int]:
    """The shard of a record, by its partition key, and the place in it, by its whole key.

    All records of one item go one way and keep their order. With a parallelization factor of 1 so do all of one
    partition key; above it Lambda promises no more than order per item.
    """
    keys = record["dynamodb"]["Keys"]
    return _hash(keys[partition_key]) % shards, _hash(keys) % factor


def _hash(value: object) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True, default=repr).encode())


def sequence_number(record: Record) -> str:
    return record["dynamodb"]["SequenceNumber"]


def first_to_retry(response: object, records: Sequence[Record], source: StreamSource) -> int:
    """Index of the first record to deliver again after a function returned; the number of records if none.

    The lowest sequence number reported is the checkpoint; a malformed report or an unknown number fails the batch.
    """
    if not source.reports_failures:
        return len(records)
    identifiers = reported_failures(response)
    if identifiers is None:
        return 0
    places = {sequence_number(record): index for index, record in enumerate(records)}
    return min((places.get(identifier, 0) for identifier in identifiers), default=len(records))


def next_step(batch: Batch, retry_from: int, source: StreamSource) -> Step:
    """What to do after an invocation of which the records from ``retry_from`` on are still to be delivered.

    Every record of the batch is afterwards delivered, in ``todo`` or in ``discarded``, in the order of the stream.
    """
    records = batch.records
    if retry_from >= len(records):
        return Step()
    if retry_from > 0:
        rest = records[retry_from:]
        splits = (
            source.bisects and len(rest) > 1
        )  # "bisected at the returned sequence number", which counts as no retry
        return _retry(Batch(rest, failures=0 if splits else 1), source)
    if source.bisects and len(records) > 1:
        middle = (len(records) + 1) // 2
        return Step(todo=(Batch(records[:middle]), Batch(records[middle:])))  # splitting counts as no retry
    return _retry(replace(batch, failures=batch.failures + 1), source)


def _retry(batch: Batch, source: StreamSource) -> Step:
    if source.maximum_retries != INFINITE and batch.failures > source.maximum_retries:
        return Step(discarded=batch)
    return Step(todo=(batch,), backs_off=True)


def split_aged(batch: Batch, now: float, source: StreamSource) -> tuple[Batch | None, Batch | None]:
    """Part the records older than MaximumRecordAgeInSeconds, at the front, from those still to be delivered."""
    if source.maximum_age_seconds == INFINITE:
        return None, batch
    oldest_kept = now - source.maximum_age_seconds
    aged = 0
    for record in batch.records:
        if record["dynamodb"]["ApproximateCreationDateTime"].timestamp() >= oldest_kept:
            break
        aged += 1
    if not aged:
        return None, batch
    kept = batch.records[aged:]
    return replace(batch, records=batch.records[:aged]), Batch(kept) if kept else None


def backoff_seconds(tries: int, time_scale: float, longest_seconds: float = LONGEST_BACKOFF_SECONDS) -> float:
    """How long to wait before delivering again what failed ``tries`` times; quick with the lab's clock."""
    return float(min(FIRST_BACKOFF_SECONDS * 2 ** min(max(tries - 1, 0), 16), longest_seconds) * time_scale)


def failure_notice(
    batch: Batch,
    *,
    condition: str,
    reason: str,
    source: StreamSource,
    stream: str,
    shard: str,
    notice_id: str,
    now: float,
) -> str:
    """What the on-failure destination gets: where the records are, never the records."""
    first, last = batch.records[0]["dynamodb"], batch.records[-1]["dynamodb"]
    region, account = stream.split(":")[3:5]
    return json.dumps(
        {
            "requestContext": {
                "requestId": notice_id,
                "functionArn": f"arn:aws:lambda:{region}:{account}:function:{source.function}",
                "condition": condition,
                "approximateInvokeCount": max(batch.failures, 1),
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": reason},
            "version": "1.0",
            "timestamp": _iso(datetime.fromtimestamp(now, UTC)),
            "DDBStreamBatchInfo": {
                "shardId": shard,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": _iso(first["ApproximateCreationDateTime"]),
                "approximateArrivalOfLastRecord": _iso(last["ApproximateCreationDateTime"]),
                "batchSize": len(batch.records),
                "streamArn": stream,
            },
        }
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
