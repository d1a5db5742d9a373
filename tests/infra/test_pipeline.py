"""Rules of streams, FIFO topics and FIFO queues that the services enforce and the CDK does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shared.topology import LIVE, STATUSES, TOPOLOGY, dead_letter_queue_name, function_name, live_function, queue_name
from tests.infra.templates import Template

Mapping = dict[str, Any]


@pytest.fixture(scope="module")
def queues(template: Template) -> dict[str, Mapping]:
    return {found["QueueName"]: found for found in template.of_type("AWS::SQS::Queue").values()}


@pytest.fixture(scope="module")
def mappings(template: Template) -> dict[str, Mapping]:
    """Event source mappings by the name of the function; each goes to its alias."""
    found = template.of_type("AWS::Lambda::EventSourceMapping").values()
    aliases = {template.render(one["FunctionName"]): one for one in found}
    return {
        re.fullmatch(rf"part 6 of \$\{{Alias:(.+):{LIVE}\}}:{LIVE}", text)[1]: one  # type: ignore[index]
        for text, one in aliases.items()
    }


def test_there_is_one_fifo_queue_and_one_fifo_dead_letter_queue_per_status(
    queues: dict[str, Mapping], template: Template
) -> None:
    for status in STATUSES:
        queue, dead_letters = queues[queue_name(status)], queues[dead_letter_queue_name(status)]
        assert queue["FifoQueue"] is True
        assert dead_letters["FifoQueue"] is True  # a standard one would be refused
        target = template.render(queue["RedrivePolicy"]["deadLetterTargetArn"])
        assert target == f"${{Queue:{dead_letter_queue_name(status)}.Arn}}"
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
        assert "RedrivePolicy" not in dead_letters
        assert dead_letters["MessageRetentionPeriod"] == 14 * 24 * 3600
    others = set(queues) - {name(status) for status in STATUSES for name in (queue_name, dead_letter_queue_name)}
    assert others == {
        TOPOLOGY.relay_failures_queue, TOPOLOGY.webhook_queue, TOPOLOGY.webhook_dead_letter_queue,
        TOPOLOGY.import_dead_letter_queue,
    }  # fmt: skip


def test_fifo_queues_are_high_throughput_and_encrypted(queues: dict[str, Mapping]) -> None:
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        if name.endswith(".fifo"):
            assert queue["DeduplicationScope"] == "messageGroup"
            assert queue["FifoThroughputLimit"] == "perMessageGroupId"


def test_a_message_stays_hidden_for_six_function_timeouts(template: Template, queues: dict[str, Mapping]) -> None:
    functions = template.functions()
    for status in STATUSES:
        timeout = functions[function_name(f"processor_{status}")]["Timeout"]
        assert queues[queue_name(status)]["VisibilityTimeout"] >= 6 * timeout


def test_queues_are_read_with_no_more_concurrency_than_is_reserved(
    mappings: dict[str, Mapping], template: Template
) -> None:
    functions = template.functions()
    for status in STATUSES:
        name = function_name(f"processor_{status}")
        mapping = mappings[name]
        assert template.render(mapping["EventSourceArn"]) == f"${{Queue:{queue_name(status)}.Arn}}"
        concurrency = mapping["ScalingConfig"]["MaximumConcurrency"]
        assert 2 <= concurrency <= functions[name]["ReservedConcurrentExecutions"]
        assert mapping["BatchSize"] <= 10
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "MaximumBatchingWindowInSeconds" not in mapping  # FIFO queues have none


def test_the_filter_policies_cover_exactly_the_statuses(template: Template) -> None:
    routed = {}
    for subscription in template.of_type("AWS::SNS::Subscription").values():
        assert subscription["RawMessageDelivery"] is True
        assert subscription["Protocol"] == "sqs"
        assert set(subscription["FilterPolicy"]) == {"status"}
        assert subscription.get("FilterPolicyScope", "MessageAttributes") == "MessageAttributes"
        (status,) = subscription["FilterPolicy"]["status"]
        assert status not in routed
        routed[status] = template.render(subscription["Endpoint"])
    assert routed == {status: f"${{Queue:{queue_name(status)}.Arn}}" for status in STATUSES}


def test_the_topic_may_send_to_each_queue_and_nothing_else_may(template: Template) -> None:
    senders = 0
    for policy in template.of_type("AWS::SQS::QueuePolicy").values():
        if template.render(policy["Queues"][0]) == f"${{Queue:{TOPOLOGY.webhook_queue}}}":
            continue  # tests/infra/test_permissions.py
        for statement in policy["PolicyDocument"]["Statement"][1:]:
            assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
            assert statement["Action"] == "sqs:SendMessage"
            source = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
            assert template.render(source) == f"${{Topic:{TOPOLOGY.event_topic}}}"
            senders += 1
    assert senders == len(STATUSES)


def test_the_topic_is_fifo_with_throughput_per_order(template: Template) -> None:
    topics = {found["TopicName"]: found for found in template.of_type("AWS::SNS::Topic").values()}
    topic = topics.pop(TOPOLOGY.event_topic)
    assert not any("FifoTopic" in other for other in topics.values())  # those are for people, not for orders
    assert topic["FifoTopic"] is True
    assert topic["TopicName"].endswith(".fifo")
    assert topic["FifoThroughputScope"] == "MessageGroup"
    assert not topic.get("ContentBasedDeduplication")  # ids are event and attempt


def test_the_stream_has_exactly_one_reader_which_sees_every_record(
    mappings: dict[str, Mapping], template: Template, queues: dict[str, Mapping]
) -> None:
    (reader,) = [name for name, mapping in mappings.items() if "StartingPosition" in mapping]
    assert reader == function_name("relay")
    assert set(mappings) == {
        function_name(part) for part in ("relay", "webhook", *(f"processor_{it}" for it in STATUSES))
    }
    mapping = mappings[reader]
    (stream,) = template.of_type("Custom::ReplicaStreamArn")
    assert template.render(mapping["EventSourceArn"]) == f"${{ReplicaStreamArn:{stream}.StreamArn}}"
    assert "FilterCriteria" not in mapping  # the view needs the peer's records too
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BatchSize"] == 100
    assert mapping["ParallelizationFactor"] == 1  # more keeps order per item, not per order
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 1 <= mapping["MaximumRetryAttempts"] <= 10_000
    assert 60 <= mapping["MaximumRecordAgeInSeconds"] < 24 * 3600  # a stream forgets after a day
    failures = mapping["DestinationConfig"]["OnFailure"]["Destination"]
    assert template.render(failures) == f"${{Queue:{TOPOLOGY.relay_failures_queue}.Arn}}"
    assert "FifoQueue" not in queues[TOPOLOGY.relay_failures_queue]  # a FIFO queue would be refused


def test_the_sentinel_starts_every_minute_without_making_up_for_missed_looks(template: Template) -> None:
    rules = template.of_type("AWS::Events::Rule").values()
    (rule,) = (found for found in rules if "ScheduleExpression" in found)
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Targets"]
    assert template.render(target["Arn"]) == f"${{Alias:{live_function('sentinel')}}}"
    invoke = template.asynchronous("sentinel")
    assert invoke["MaximumRetryAttempts"] == 0
    assert invoke["MaximumEventAgeInSeconds"] == 60
    assert template.functions()[function_name("sentinel")]["ReservedConcurrentExecutions"] == 1
