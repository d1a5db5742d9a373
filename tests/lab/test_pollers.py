"""The event source pollers against a real MiniStack: nothing is lost, order is kept, what AWS retries is retried."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from loadtests.lab.polling.event_sources import QueueSource, StreamSource
from tests.lab.poller_region import Function, PollerRegion, Queue, one_region, overlapping
from tests.lab.two_ministacks import eventually, running


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PollerRegion]:
    with one_region(tmp_path_factory.mktemp("pollers")) as started:
        yield started


def names(count: int) -> list[str]:
    return [f"{number:03d}" for number in range(count)]


# Streams


def test_a_partial_response_is_retried_from_the_lowest_number_and_what_came_before_is_not(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    for name in names(12):
        region.write(table, "order", name, fails=2 if name == "005" else 0)
    with region.polling(StreamSource(function.name, table, reports_failures=True)):
        eventually(lambda: function.handled() == names(12), what="every record handled once")
    assert function.batches() == [names(12), names(12)[5:], names(12)[5:]]


def test_the_delivered_event_has_lambdas_shape(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    region.write(table, "order", "one")
    with region.polling(StreamSource(function.name, table)):
        (note,) = eventually(lambda: function.notes("begins"))
    (record,) = note["event"]["Records"]
    stream = region.clients.tables.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    change = record["dynamodb"]
    assert abs(change.pop("ApproximateCreationDateTime") - time.time()) < 60
    assert change.pop("SequenceNumber").isdigit()
    assert record.pop("eventID")
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": stream,
        "dynamodb": {
            "Keys": {"pk": {"S": "order"}, "sk": {"S": "one"}},
            "NewImage": {"pk": {"S": "order"}, "sk": {"S": "one"}, "plan": {"S": "{}"}},
            "SizeBytes": change["SizeBytes"],
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def test_bisecting_isolates_the_poison_record_and_the_rest_arrives(region: PollerRegion) -> None:
    function, table = region.make_function(RAISES="1"), region.make_table()
    failures = region.make_queue(fifo=False)
    for name in names(16):
        region.write(table, "order", name, fails=1000 if name == "005" else 0)
    source = StreamSource(function.name, table, bisects=True, maximum_retries=1, failure_queue=failures.name)
    with region.polling(source):
        (message,) = eventually(lambda: region.received(failures), within=30, what="the notice")
        eventually(lambda: set(function.handled()) == set(names(16)) - {"005"}, what="the rest")
    assert function.first_handled() == sorted(set(names(16)) - {"005"})
    notice = json.loads(message["Body"])
    assert notice["requestContext"]["condition"] == "RetryAttemptsExhausted"
    poison = next(
        record["dynamodb"]["SequenceNumber"]
        for note in function.notes("begins")
        for record in note["event"]["Records"]
        if record["dynamodb"]["Keys"]["sk"] == {"S": "005"}
    )
    batch = notice["DDBStreamBatchInfo"]
    assert (batch["batchSize"], batch["startSequenceNumber"], batch["endSequenceNumber"]) == (1, poison, poison)


def test_without_bisecting_the_poison_takes_the_rest_of_its_batch_along(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    failures = region.make_queue(fifo=False)
    for name in names(6):
        region.write(table, "order", name, fails=1000 if name == "002" else 0)
    source = StreamSource(
        function.name, table, batch_size=5, reports_failures=True, maximum_retries=2, failure_queue=failures.name
    )
    with region.polling(source):
        eventually(lambda: function.handled() == ["000", "001", "005"], what="the next batch")
        (message,) = eventually(lambda: region.received(failures), what="the notice")
    assert json.loads(message["Body"])["DDBStreamBatchInfo"]["batchSize"] == 3


def test_order_per_key_is_kept_and_nothing_lost_when_many_records_fail(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    dice = random.Random(7)
    keys = [f"order-{number}" for number in range(12)]
    written: dict[str, list[str]] = {key: [] for key in keys}
    source = StreamSource(function.name, table, batch_size=20, reports_failures=True, bisects=True, maximum_retries=10)
    with region.polling(source):
        for name in names(400):
            key = dice.choice(keys)
            region.write(table, key, name, fails=dice.choice([0] * 12 + [1, 2, 3]))
            written[key].append(name)
        eventually(lambda: len(set(function.handled())) == 400, within=60, what="every record handled")
    for key in keys:
        assert function.first_handled(key) == written[key]


def test_shards_go_side_by_side_and_one_shard_one_invocation_at_a_time(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    keys = [f"order-{number}" for number in range(24)]
    for name in names(3):
        for key in keys:
            # One waits for another at work: a second worker may start after all are done, on a busy machine.
            region.write(table, key, name, takes=0.02, meets=15 * ((key, name) == (keys[0], "000")))
    with region.polling(StreamSource(function.name, table, batch_size=6, reports_failures=True)):
        eventually(lambda: len(function.spans()) and len(function.handled()) == 72, within=30)
        eventually(lambda: len(function.spans()) == len(function.batches()))
    at_once = overlapping(function.spans())
    assert at_once
    assert all(first.isdisjoint(second) for first, second in at_once)


def test_a_failing_shard_does_not_hold_up_the_others(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    keys = [f"order-{number}" for number in range(24)]
    region.write(table, "order-0", "000", fails=1000)
    for key in keys:
        region.write(table, key, "001")
    with region.polling(StreamSource(function.name, table, reports_failures=True)):
        eventually(lambda: len(function.handled()) >= 12)
        eventually(lambda: sum(["000" in batch for batch in function.batches()]) > 3)
    assert function.handled("order-0") == []


def test_filters_keep_records_from_the_function(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    for name in names(4):
        region.write(table, "order", name)
    pattern = {"dynamodb": {"NewImage": {"sk": {"S": ["001", "003"]}}}}
    with region.polling(StreamSource(function.name, table, filters=(pattern,))):
        eventually(lambda: function.handled() == ["001", "003"])


def test_a_throttled_stream_waits_and_counts_no_retry(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    failures = region.make_queue(fifo=False)
    region.functions.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    region.write(table, "order", "one")
    source = StreamSource(function.name, table, maximum_retries=0, failure_queue=failures.name)
    with region.polling(source):
        time.sleep(1)  # what must not happen needs a while not to happen
        region.functions.delete_function_concurrency(FunctionName=function.name)
        eventually(lambda: function.handled() == ["one"])
    assert region.count(failures) == 0


# FIFO queues


def source_of(function: Function, queue: Queue, **settings: Any) -> QueueSource:
    return QueueSource(function.name, queue.name, reports_failures=True, **{"maximum_concurrency": 6, **settings})


def test_groups_go_side_by_side_one_batch_of_a_group_at_a_time_in_order(region: PollerRegion) -> None:
    function, queue = region.make_function(), region.make_queue()
    groups = [f"order-{number}" for number in range(20)]
    for name in names(3):
        for group in groups:
            region.send(queue, group, name, takes=0.05, meets=15 * ((group, name) == (groups[0], "000")))
    with region.polling(source_of(function, queue)):
        eventually(lambda: region.count(queue) == 0, within=30, what="an empty queue")
    at_once = overlapping(function.spans())
    assert at_once
    assert all(first.isdisjoint(second) for first, second in at_once)
    assert all(function.first_handled(group) == names(3) for group in groups)
    assert max(map(len, function.batches())) == 10
    assert any(len(groups) > 1 for _, _, groups in function.spans())


def test_the_delivered_message_has_lambdas_shape(region: PollerRegion) -> None:
    function, queue = region.make_function(), region.make_queue()
    region.send(queue, "order", "one")
    with region.polling(source_of(function, queue)):
        (note,) = eventually(lambda: function.notes("begins"))
    (record,) = note["event"]["Records"]
    assert set(record["attributes"]) >= {
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "MessageDeduplicationId",
        "MessageGroupId",
        "SenderId",
        "SentTimestamp",
        "SequenceNumber",
    }
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["status"]["stringValue"] == "created"
    assert json.loads(record["body"])["name"] == "one"
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", queue.arn)
    assert record["messageId"]
    assert record["receiptHandle"]
    assert record["md5OfBody"]


def test_a_failed_message_comes_again_after_its_visibility_and_its_group_waits(region: PollerRegion) -> None:
    function, queue = region.make_function(), region.make_queue(VisibilityTimeout="2")
    region.send(queue, "ill", "000", fails=1)
    region.send(queue, "ill", "001")
    region.send(queue, "well", "000")
    with region.polling(source_of(function, queue)):
        eventually(lambda: region.count(queue) == 0)
    assert function.first_handled("ill") == ["000", "001"]
    assert function.first_handled("well") == ["000"]
    second = [note for note in function.notes("begins") if ["ill", "000"] in note["records"]][1]
    attributes = second["event"]["Records"][0]["attributes"]
    assert attributes["ApproximateReceiveCount"] == "2"
    assert second["at"] >= int(attributes["ApproximateFirstReceiveTimestamp"]) / 1000 + 2


def test_poison_goes_to_the_dead_letter_queue_with_its_group_and_the_group_goes_on(region: PollerRegion) -> None:
    function, dead = region.make_function(), region.make_queue()
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue = region.make_queue(VisibilityTimeout="2", RedrivePolicy=redrive)
    region.send(queue, "ill", "000", fails=1000)
    region.send(queue, "other", "000")
    with region.polling(source_of(function, queue, batch_size=1)):
        eventually(lambda: function.handled("other"))
        region.send(queue, "ill", "001")
        eventually(lambda: function.first_handled("ill") == ["001"])
        (moved,) = eventually(lambda: region.received(dead), what="the dead letter")
        assert moved["Attributes"]["MessageGroupId"] == "ill"
        assert moved["Attributes"]["MessageDeduplicationId"] == "ill-000"
        assert moved["Attributes"]["DeadLetterQueueSourceArn"] == queue.arn
        # As on AWS: sent back under its own id within five minutes it is swallowed, under another it is delivered.
        region.send(queue, "ill", "000")
        region.send(queue, "ill", "000b")
        eventually(lambda: function.first_handled("ill") == ["001", "000b"])
        eventually(lambda: region.count(queue) == 0)
    assert sum(note["records"] == [["ill", "000"]] for note in function.notes("begins")) == 2


def test_a_throttled_queue_uses_up_no_receives(region: PollerRegion) -> None:
    function, dead = region.make_function(), region.make_queue()
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
    queue = region.make_queue(VisibilityTimeout="30", RedrivePolicy=redrive)
    region.functions.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    for name in names(30):
        region.send(queue, name, name)
    with region.polling(source_of(function, queue)):
        time.sleep(1)  # what must not happen needs a while not to happen
        assert function.batches() == []
        region.functions.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
        eventually(lambda: region.count(queue) == 0)
    assert sorted(function.handled()) == names(30)
    assert region.count(dead) == 0


def test_a_function_whose_worker_dies_in_mid_invocation_gets_its_batch_again(region: PollerRegion) -> None:
    function, table = region.make_function(), region.make_table()
    queue = region.make_queue(VisibilityTimeout="3")
    region.write(table, "order", "000", takes=2)
    region.send(queue, "order", "001", takes=2)
    with region.polling(StreamSource(function.name, table, reports_failures=True), source_of(function, queue)):
        begun = eventually(lambda: len(function.notes("begins")) == 2 and function.notes("begins"))
        for note in begun:
            os.kill(note["pid"], signal.SIGKILL)
        eventually(lambda: sorted(function.handled()) == ["000", "001"], within=20)
        eventually(lambda: region.count(queue) == 0)


# The process


def poller_process(
    region: PollerRegion, folder: Path, stream: StreamSource, queue: QueueSource
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run the pollers as the lab does, from a lab file and a synthesized template."""
    template = {
        "Resources": {
            "Table": {"Type": "Custom::ReplicaStreamArn", "Properties": {"TableName": stream.table}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue.queue}},
            "FromStream": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "FunctionName": stream.function,
                    "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
                    "StartingPosition": "TRIM_HORIZON",
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                },
            },
            "FromQueue": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "FunctionName": queue.function,
                    "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                    "ScalingConfig": {"MaximumConcurrency": 4},
                },
            },
        }
    }
    (folder / "relevo-us-east-1.template.json").write_text(json.dumps(template))
    here = {"endpoint": region.endpoint, "own_path": region.endpoint}
    lab = {"time_scale": 0.1, "template_dir": str(folder), "regions": {"us-east-1": here}}
    (folder / "lab.json").write_text(json.dumps(lab))
    command = [
        sys.executable,
        "-m",
        "loadtests.lab.polling.pollers",
        "--region",
        "us-east-1",
        "--lab",
        str(folder / "lab.json"),
    ]
    return running(command, folder / "pollers.log")


# A receive that was given up during the eight seconds would take messages and hide them.
@pytest.mark.parametrize(("frozen", "seconds"), [("the Region", 8), ("both", 4)])
def test_a_freeze_loses_nothing_and_hides_nothing(
    region: PollerRegion, tmp_path: Path, frozen: str, seconds: float
) -> None:
    by_stream, by_queue = region.make_function(), region.make_function()
    table, queue = region.make_table(), region.make_queue(VisibilityTimeout="60")
    with poller_process(region, tmp_path, StreamSource(by_stream.name, table), source_of(by_queue, queue)) as pollers:
        for name in names(20):
            region.write(table, f"order-{name}", name, takes=0.1)
        region.send(queue, "order-000", "000", takes=0.5)  # at work during the freeze, beside a receive that waits
        eventually(lambda: by_stream.notes("begins") and by_queue.notes("begins"))
        stopped = [process for process in (region.process, pollers) if frozen in ("both", _name(process, region))]
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        for process in stopped:
            process.send_signal(signal.SIGCONT)
        for name in names(30)[20:]:
            region.send(queue, f"order-{name}", name)
            region.write(table, f"order-{name}", name)
        # Long before the visibility timeout: no message was handed to a connection that had been given up.
        eventually(lambda: set(by_queue.handled()) == {"000", *names(30)[20:]}, within=20, what="every message")
        eventually(lambda: set(by_stream.handled()) == set(names(30)), within=20, what="every record")
        eventually(lambda: region.count(queue) == 0)
        pollers.send_signal(signal.SIGTERM)
        assert pollers.wait(10) == 0


def _name(process: subprocess.Popen[bytes], region: PollerRegion) -> str:
    return "the Region" if process is region.process else "the pollers"


def test_a_killed_poller_starts_the_stream_again_and_the_queue_where_it_was(
    region: PollerRegion, tmp_path: Path
) -> None:
    by_stream, by_queue = region.make_function(), region.make_function()
    table, queue = region.make_table(), region.make_queue()
    sources = StreamSource(by_stream.name, table), source_of(by_queue, queue)
    with poller_process(region, tmp_path, *sources) as pollers:
        region.write(table, "order", "000")
        region.send(queue, "order", "000")
        eventually(lambda: by_stream.handled() == ["000"] and by_queue.handled() == ["000"])
        eventually(lambda: region.count(queue) == 0)
        pollers.kill()
        pollers.wait(5)
    region.write(table, "order", "001")
    with poller_process(region, tmp_path, *sources):
        eventually(lambda: by_stream.handled() == ["000", "000", "001"])
    assert by_queue.handled() == ["000"]


def test_the_stream_goes_on_where_it_was_after_its_iterator_expired(
    region: PollerRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, table = region.make_function(), region.make_table()
    read = region.clients.streams.get_records
    expired = iter([False, True])

    def get_records(**request: Any) -> Any:
        if function.handled() and next(expired, False):
            request["ShardIterator"] = "expired"
        return read(**request)

    monkeypatch.setattr(region.clients.streams, "get_records", get_records)
    with region.polling(StreamSource(function.name, table)):
        for number, name in enumerate(names(4), start=1):
            region.write(table, "order", name)
            eventually(lambda expected=number: len(function.handled()) == expected)
    assert function.handled() == names(4)
    assert all(first != second for first, second in pairwise(function.batches()))
