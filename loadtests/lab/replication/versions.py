"""What a stream record says: which item was written, where, when, and with what content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypedDict

Item = Mapping[str, object]

ABSENT: Final = b""  # fingerprint of an item that is not there


class Key(NamedTuple):
    """Where an item lives."""

    table: str
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Version:
    """One write that a client made in one Region, as its stream showed it; ``item`` is None for a delete."""

    key: Key
    region: str
    written_at: float
    item: Item | None
    fingerprint: bytes
    replaced: bytes  # fingerprint of what it overwrote


class StreamImages(TypedDict, total=False):
    """The part of a stream record that describes the write."""

    ApproximateCreationDateTime: float
    SequenceNumber: str
    Keys: dict[str, dict[str, str]]
    NewImage: Item
    OldImage: Item


class StreamRecord(TypedDict):
    """One change of an item."""

    eventName: str
    dynamodb: StreamImages


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
