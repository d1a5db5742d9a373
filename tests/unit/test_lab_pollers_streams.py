"""What a stream's poller decides: shards, the checkpoint in a partial response, retries, bisecting, giving up."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.lab.polling.event_sources import INFINITE, StreamSource
from loadtests.lab.polling.lane import Lane
from loadtests.lab.polling.stream_batches import (
    LONGEST_BACKOFF_SECONDS,
    Batch,
    Record,
    backoff_seconds,
    failure_notice,
    first_to_retry,
    lane_of,
    next_step,
    sequence_number,
    split_aged,
)

REPORTING = StreamSource("relay", "log", reports_failures=True)
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/log/stream/2026-01-01T00:00:00.000"


def record(number: int, *, order: str = "o", written_at: float = 0.0) -> Record:
    return {
        "eventID": str(number),
        "dynamodb": {
            "SequenceNumber": f"{number:030d}",
            "Keys": {"pk": {"S": order}, "sk": {"S": str(number)}},
            "ApproximateCreationDateTime": datetime.fromtimestamp(written_at, UTC),
        },
    }


def records(count: int) -> tuple[Record, ...]:
    return tuple(record(number) for number in range(count))


def failures(*numbers: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"{number:030d}"} for number in numbers]}


@given(st.text(), st.integers(1, 8), st.integers(1, 10))
def test_all_records_of_one_item_take_one_lane(order: str, shards: int, factor: int) -> None:
    lanes = {lane_of(record(7, order=order), "pk", shards, factor) for _ in range(3)}
    ((shard, place),) = lanes
    assert 0 <= shard < shards
    assert 0 <= place < factor


@given(st.text(), st.integers(0, 50), st.integers(0, 50))
def test_with_a_factor_of_one_all_records_of_a_partition_key_take_one_lane(order: str, one: int, other: int) -> None:
    assert lane_of(record(one, order=order), "pk", 4, 1) == lane_of(record(other, order=order), "pk", 4, 1)


def test_partition_keys_are_spread_over_the_shards() -> None:
    lanes = [lane_of(record(1, order=f"ORDER#{number}"), "pk", 4, 1) for number in range(400)]
    assert all(lanes.count((shard, 0)) > 50 for shard in range(4))


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}, failures()])
def test_an_empty_or_null_report_is_success(response: object) -> None:
    assert first_to_retry(response, records(3), REPORTING) == 3


@pytest.mark.parametrize(
    "response",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifer": "1"}]},
        {"batchItemFailures": [*failures(2)["batchItemFailures"], {"itemIdentifier": "unknown"}]},
        {"batchItemFailures": ["1"]},
        {"batchItemFailures": "1"},
        "done",
        [1],
        b"not json",
    ],
)
def test_a_malformed_report_or_an_unknown_number_fails_the_whole_batch(response: object) -> None:
    assert first_to_retry(response, records(3), REPORTING) == 0


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), min_size=1))))
def test_the_checkpoint_is_the_lowest_number_reported(case: tuple[int, list[int]]) -> None:
    count, failed = case
    assert first_to_retry(failures(*failed), records(count), REPORTING) == min(failed)


def test_a_report_means_nothing_when_the_mapping_does_not_ask_for_one() -> None:
    assert first_to_retry(failures(0), records(3), StreamSource("relay", "log")) == 3


def test_a_partial_failure_is_retried_from_the_checkpoint_and_counts_again_from_one() -> None:
    step = next_step(Batch(records(5), failures=4), 2, StreamSource("relay", "log", maximum_retries=4))
    assert step.todo == (Batch(records(5)[2:], failures=1),)
    assert step.backs_off


def test_a_failed_batch_is_retried_whole_up_to_the_limit_and_then_given_up() -> None:
    source = StreamSource("relay", "log", maximum_retries=2)
    batch = Batch(records(3))
    for failed in (1, 2):
        (batch,) = next_step(batch, 0, source).todo
        assert batch == Batch(records(3), failures=failed)
    step = next_step(batch, 0, source)
    assert step.todo == ()
    assert step.discarded == Batch(records(3), failures=3)


def test_without_a_limit_nothing_is_ever_given_up() -> None:
    assert next_step(Batch(records(1), failures=10_000), 0, REPORTING).discarded is None


def test_bisecting_halves_a_failed_batch_and_counts_as_no_retry() -> None:
    step = next_step(Batch(records(5), failures=3), 0, StreamSource("relay", "log", bisects=True, maximum_retries=0))
    assert step.todo == (Batch(records(5)[:3]), Batch(records(5)[3:]))
    assert not step.backs_off


def deliver(
    count: int, poison: set[int], source: StreamSource, *, reports: bool, flaky: dict[int, int] | None = None
) -> tuple[list[int], list[int], list[int]]:
    """Play a worker against a function: what it handled in order, what was given up, how often each was tried."""
    flaky = dict(flaky or {})
    handled: list[int] = []
    discarded: list[int] = []
    tries = [0] * count
    todo = deque([Batch(records(count))])
    while todo:
        batch = todo.popleft()
        numbers = [int(sequence_number(one)) for one in batch.records]
        bad = None
        for number in numbers:
            tries[number] += 1
            if number in poison or flaky.get(number, 0) > 0:
                flaky[number] = flaky.get(number, 0) - 1
                bad = number
                break
            handled.append(number)
        retry_from = (
            len(numbers) if bad is None else first_to_retry(failures(bad), batch.records, source) if reports else 0
        )
        step = next_step(batch, retry_from, source)
        discarded += [int(sequence_number(one)) for one in step.discarded.records] if step.discarded else []
        todo.extendleft(reversed(step.todo))
    return handled, discarded, tries


cases = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=5)))


@given(cases, st.booleans(), st.integers(0, 3))
def test_bisecting_gives_up_the_poison_alone_and_the_rest_arrives(
    case: tuple[int, set[int]], reports: bool, retries: int
) -> None:
    count, poison = case
    source = StreamSource("relay", "log", bisects=True, maximum_retries=retries, reports_failures=reports)
    handled, discarded, _ = deliver(count, poison, source, reports=reports)
    assert discarded == sorted(poison)
    assert set(handled) == set(range(count)) - poison


@given(cases, st.booleans(), st.booleans(), st.integers(0, 3))
def test_every_record_is_handled_or_given_up_and_none_is_first_handled_out_of_order(
    case: tuple[int, set[int]], reports: bool, bisects: bool, retries: int
) -> None:
    count, poison = case
    source = StreamSource("relay", "log", bisects=bisects, maximum_retries=retries, reports_failures=reports)
    handled, discarded, _ = deliver(count, poison, source, reports=reports)
    assert set(handled) | set(discarded) == set(range(count))
    first_times = list(dict.fromkeys(handled))
    assert first_times == sorted(first_times)


@given(cases.filter(lambda case: bool(case[1])), st.booleans(), st.booleans())
def test_with_enough_retries_a_failure_that_passes_loses_nothing(
    case: tuple[int, set[int]], reports: bool, bisects: bool
) -> None:
    count, failing = case
    source = StreamSource("relay", "log", bisects=bisects, maximum_retries=20, reports_failures=reports)
    handled, discarded, _ = deliver(count, set(), source, reports=reports, flaky=dict.fromkeys(failing, 3))
    assert not discarded
    assert set(handled) == set(range(count))


def test_a_record_is_retried_as_often_as_the_mapping_says() -> None:
    source = StreamSource("relay", "log", bisects=True, maximum_retries=10)
    _, _, tries = deliver(1, {0}, source, reports=False)
    assert tries == [11]


def test_records_past_their_age_are_parted_from_the_rest() -> None:
    batch = Batch(tuple(record(number, written_at=float(number)) for number in range(4)), failures=2)
    source = StreamSource("relay", "log", maximum_age_seconds=60)
    aged, kept = split_aged(batch, 62.0, source)
    assert aged == Batch(batch.records[:2], failures=2)
    assert kept == Batch(batch.records[2:])
    assert split_aged(batch, 60.0, source) == (None, batch)
    assert split_aged(batch, 1000.0, source) == (batch, None)
    assert split_aged(batch, 1e9, StreamSource("relay", "log", maximum_age_seconds=INFINITE)) == (None, batch)


@given(st.integers(1, 100_000), st.floats(0.01, 1))
def test_backoff_grows_to_a_limit_and_follows_the_time_scale(tries: int, scale: float) -> None:
    assert 0 < backoff_seconds(tries, scale) <= backoff_seconds(tries + 1, scale) <= LONGEST_BACKOFF_SECONDS * scale


def test_the_failure_notice_says_where_the_records_are_and_holds_none() -> None:
    notice = json.loads(
        failure_notice(
            Batch(records(3), failures=11),
            condition="RetryAttemptsExhausted",
            reason="Unhandled",
            source=REPORTING,
            stream=STREAM,
            shard="shard-2",
            notice_id="n",
            now=5.0,
        )
    )
    assert notice["requestContext"] == {
        "requestId": "n",
        "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:relay",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 11,
    }
    assert notice["DDBStreamBatchInfo"] == {
        "shardId": "shard-2",
        "startSequenceNumber": f"{0:030d}",
        "endSequenceNumber": f"{2:030d}",
        "approximateArrivalOfFirstRecord": "1970-01-01T00:00:00Z",
        "approximateArrivalOfLastRecord": "1970-01-01T00:00:00Z",
        "batchSize": 3,
        "streamArn": STREAM,
    }
    assert "Keys" not in json.dumps(notice)


@given(st.lists(st.integers(1, 7), max_size=8), st.integers(1, 5))
def test_a_lane_hands_out_everything_once_in_order_and_full_while_there_is_backlog(puts: list[int], size: int) -> None:
    lane = Lane()
    expected = records(sum(puts))
    start = 0
    for count in puts:
        lane.put(expected[start : start + count])
        start += count
    taken: list[Record] = []
    while len(lane):
        left = len(lane)
        batch = lane.take(size, 0)
        assert len(batch) == min(size, left)
        taken += batch
    assert tuple(taken) == expected
    lane.close()
    assert lane.take(size, 0) == ()
