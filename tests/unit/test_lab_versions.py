"""What the link reads from a stream record."""

from __future__ import annotations

import pytest

from loadtests.lab.replication.versions import ABSENT, Key, StreamRecord, fingerprint, read_version, written_at


def test_the_time_of_a_write_is_the_sequence_numbers_when_it_agrees_with_the_creation_time() -> None:
    assert written_at("00000017952360001230000000042", 1795236000, 1795236000.5) == pytest.approx(1795236000.5)
    assert written_at("000000017952360001230000000042", 1795236000, 1795236000.5) == pytest.approx(1795236000.123)


@pytest.mark.parametrize(
    ("observed_at", "expected"), [(1795236000.4, 1795236000.4), (1795236009.0, 1795236000.999), (1.0, 1795236000.0)]
)
def test_otherwise_it_is_when_the_link_saw_it_within_the_second_of_its_creation(
    observed_at: float, expected: float
) -> None:
    assert written_at("49590338271490256608559692538361571095921575989136588898", 1795236000, observed_at) == expected


def test_a_record_becomes_a_version_with_its_content_and_what_it_replaced() -> None:
    item = {"pk": {"S": "ORDER#1"}, "sk": {"S": "EVENT#2"}, "note": {"S": "a"}}
    old = {**item, "note": {"S": "b"}}
    record: StreamRecord = {
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795236000,
            "SequenceNumber": "000000017952360001230000000042",
            "Keys": {"pk": {"S": "ORDER#1"}, "sk": {"S": "EVENT#2"}},
            "NewImage": item,
            "OldImage": old,
        },
    }
    version = read_version(record, "us-east-1", "log", 1795236000.5)
    assert version.key == Key("log", "ORDER#1", "EVENT#2")
    assert (version.item, version.fingerprint, version.replaced) == (item, fingerprint(item), fingerprint(old))
    del record["dynamodb"]["NewImage"]
    removed = read_version(record, "us-east-1", "log", 1795236000.5)
    assert (removed.item, removed.fingerprint) == (None, ABSENT)


def test_a_fingerprint_does_not_depend_on_the_order_of_attributes() -> None:
    assert fingerprint({"a": {"S": "1"}, "b": {"N": "2"}}) == fingerprint({"b": {"N": "2"}, "a": {"S": "1"}})
    assert fingerprint({"a": {"S": "1"}}) != fingerprint({"a": {"N": "1"}})
