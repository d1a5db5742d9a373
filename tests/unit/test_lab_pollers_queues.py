"""What a queue's poller decides: the event, which messages failed, one batch per group at a time, how many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.lab.polling.queue_batches import (
    FIRST_CONCURRENCY,
    Concurrency,
    GroupsInFlight,
    Message,
    failed_messages,
    filtered_form,
    groups_of,
    queue_event,
)

ARN = "arn:aws:sqs:us-east-2:000000000000:relevo-created.fifo"


def message(name: str, group: str = "o-1") -> Message:
    return {
        "MessageId": name,
        "ReceiptHandle": f"handle of {name}",
        "Body": '{"status": "created"}',
        "MD5OfBody": "abc",
        "Attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": group},
        "MessageAttributes": {"status": {"StringValue": "created", "DataType": "String"}},
    }


def report(*names: object) -> dict[str, object]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


def test_the_event_has_lambdas_shape() -> None:
    assert queue_event([message("m")], ARN) == {
        "Records": [
            {
                "messageId": "m",
                "receiptHandle": "handle of m",
                "body": '{"status": "created"}',
                "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "o-1"},
                "messageAttributes": {
                    "status": {
                        "stringValue": "created",
                        "dataType": "String",
                        "stringListValues": [],
                        "binaryListValues": [],
                    }
                },
                "md5OfBody": "abc",
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "us-east-2",
            }
        ]
    }


def test_filters_look_into_a_json_body_and_leave_any_other_alone() -> None:
    assert filtered_form({"body": '{"a": 1}'}) == {"body": {"a": 1}}
    assert filtered_form({"body": "plain"}) == {"body": "plain"}


BATCH = [message("m1"), message("m2"), message("m3", "o-2")]


@pytest.mark.parametrize(
    ("response", "failed"),
    [
        (None, set()),
        ({}, set()),
        (report(), set()),
        (report("m2"), {"m2"}),
        (report("m2", "m3"), {"m2", "m3"}),
        (report(""), {"m1", "m2", "m3"}),
        (report(None), {"m1", "m2", "m3"}),
        (report("m2", "unknown"), {"m1", "m2", "m3"}),
        ({"batchItemFailures": [{"messageId": "m2"}]}, {"m1", "m2", "m3"}),
        ("done", {"m1", "m2", "m3"}),
    ],
)
def test_failed_messages_are_those_reported_or_all_of_a_malformed_report(response: object, failed: set[str]) -> None:
    assert failed_messages(response, BATCH, reports_failures=True) == failed
    assert failed_messages(response, BATCH, reports_failures=False) == set()


def test_a_batch_may_hold_several_groups_and_a_standard_queue_has_none() -> None:
    assert groups_of(BATCH) == {"o-1", "o-2"}
    assert groups_of([{"MessageId": "m"}]) == frozenset()


@given(st.lists(st.frozensets(st.sampled_from("abcd"), max_size=3), min_size=1, max_size=12))
def test_a_group_is_never_in_two_batches_at_once_and_every_batch_gets_its_turn(batches: list[frozenset[str]]) -> None:
    groups = GroupsInFlight()
    busy: set[str] = set()
    guard = threading.Lock()
    seen = []

    def work(batch: frozenset[str]) -> None:
        with groups.hold(batch):
            with guard:
                assert busy.isdisjoint(batch)
                busy.update(batch)
            with guard:
                busy.difference_update(batch)
                seen.append(batch)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, batches))
    assert sorted(map(sorted, seen)) == sorted(map(sorted, batches))


def test_different_groups_are_held_side_by_side() -> None:
    groups = GroupsInFlight()
    with groups.hold({"a"}), groups.hold({"b", "c"}):
        pass


def test_a_group_is_free_again_after_an_error() -> None:
    groups = GroupsInFlight()
    with pytest.raises(ValueError, match="bad"), groups.hold({"a"}):
        raise ValueError("bad")
    with groups.hold({"a"}):
        pass


def take_all(concurrency: Concurrency) -> int:
    """Take places until there is none; returns how many are taken."""
    while concurrency.take(0):
        pass
    return concurrency.busy


def test_more_batches_are_allowed_while_all_are_busy_and_never_more_than_the_maximum() -> None:
    concurrency = Concurrency(maximum=5)
    assert concurrency.allowed == FIRST_CONCURRENCY
    assert take_all(concurrency) == 5
    assert concurrency.allowed == 5


def test_a_throttle_halves_what_is_allowed_and_leaves_one() -> None:
    concurrency = Concurrency(maximum=8)
    take_all(concurrency)
    concurrency.note_throttle()
    assert concurrency.allowed == 4
    for _ in range(5):
        concurrency.note_throttle()
    assert concurrency.allowed == 1


def test_an_idle_queue_goes_back_to_the_first_few() -> None:
    concurrency = Concurrency(maximum=8)
    take_all(concurrency)
    concurrency.note_idle()
    assert concurrency.allowed == FIRST_CONCURRENCY


@given(st.integers(2, 20), st.lists(st.sampled_from(["take", "free", "throttle", "idle"]), max_size=60))
def test_no_more_are_busy_than_the_maximum_whatever_happens(maximum: int, moves: list[str]) -> None:
    concurrency = Concurrency(maximum)
    for move in moves:
        match move:
            case "take":
                concurrency.take(0)
            case "free" if concurrency.busy:
                concurrency.free()
            case "throttle":
                concurrency.note_throttle()
            case "idle":
                concurrency.note_idle()
        assert 0 <= concurrency.busy <= maximum
        assert 1 <= concurrency.allowed <= maximum
