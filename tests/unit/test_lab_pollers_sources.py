"""Event source mappings are read from a template whole, and a setting that the lab does not play is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtests.lab.polling.event_filter import FilterError, check_pattern, passes
from loadtests.lab.polling.event_sources import MappingError, QueueSource, StreamSource, read_sources

FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "relevo-relay"}}
RESOURCES: dict[str, Any] = {
    "Relay": FUNCTION,
    "Live": {
        "Type": "AWS::Lambda::Alias",
        "Properties": {"FunctionName": {"Ref": "Relay"}, "Name": "live"},
    },
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "relevo-created.fifo"}},
    "Failures": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "relevo-relay-failures"}},
    "Nameless": {"Type": "AWS::SQS::Queue", "Properties": {}},
    "Stream": {"Type": "Custom::ReplicaStreamArn", "Properties": {"TableName": "relevo-order-log"}},
}


def mapping(**properties: object) -> dict[str, Any]:
    given = {
        "FunctionName": {"Ref": "Relay"},
        "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
        **properties,
    }
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": given}


def read(**properties: object) -> StreamSource | QueueSource:
    (source,) = read_sources({"Resources": {**RESOURCES, "Mapping": mapping(**properties)}})
    return source


def test_a_stream_mapping_is_read_with_every_setting() -> None:
    source = read(
        EventSourceArn={"Fn::GetAtt": ["Stream", "StreamArn"]},
        StartingPosition="TRIM_HORIZON",
        BatchSize=50,
        MaximumBatchingWindowInSeconds=1,
        ParallelizationFactor=2,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=10,
        MaximumRecordAgeInSeconds=21600,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": {"Fn::GetAtt": ["Failures", "Arn"]}}},
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
    )
    assert source == StreamSource(
        "relevo-relay",
        "relevo-order-log",
        batch_size=50,
        batching_window_seconds=1,
        parallelization_factor=2,
        bisects=True,
        maximum_retries=10,
        maximum_age_seconds=21600,
        reports_failures=True,
        failure_queue="relevo-relay-failures",
        filters=({"eventName": ["INSERT"]},),
        starting_position="TRIM_HORIZON",
    )


def test_a_queue_mapping_is_read_with_every_setting() -> None:
    source = read(
        BatchSize=7,
        ScalingConfig={"MaximumConcurrency": 30},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    assert source == QueueSource(
        "relevo-relay", "relevo-created.fifo", batch_size=7, reports_failures=True, maximum_concurrency=30
    )


def test_a_function_behind_an_alias_is_invoked_through_it() -> None:
    assert read(FunctionName={"Ref": "Live"}).function == "relevo-relay:live"


def test_a_disabled_mapping_is_left_out() -> None:
    assert read_sources({"Resources": {**RESOURCES, "Mapping": mapping(Enabled=False)}}) == []


@pytest.mark.parametrize(
    "properties",
    [
        {"TumblingWindowInSeconds": 30},
        {"EventSourceArn": {"Fn::GetAtt": ["Nameless", "Arn"]}},
        {"EventSourceArn": {"Fn::GetAtt": ["Relay", "Arn"]}},
        {"EventSourceArn": {"Fn::ImportValue": "elsewhere"}},
        {"FunctionName": {"Ref": "Queue"}},
        {"MaximumBatchingWindowInSeconds": 5},
        {"EventSourceArn": {"Fn::GetAtt": ["Stream", "StreamArn"]}, "StartingPosition": "AT_TIMESTAMP"},
        {"FilterCriteria": {"Filters": [{"Pattern": '{"body": [{"cidr": "10.0.0.0/8"}]}'}]}},
    ],
)
def test_what_the_lab_cannot_play_is_refused(properties: dict[str, object]) -> None:
    with pytest.raises(MappingError, match=r"^Mapping: "):
        read(**properties)


@pytest.mark.parametrize(
    ("pattern", "record", "expected"),
    [
        ({"eventName": ["INSERT"]}, {"eventName": "INSERT"}, True),
        ({"eventName": ["INSERT", "MODIFY"]}, {"eventName": "MODIFY"}, True),
        ({"eventName": ["INSERT"]}, {"eventName": "REMOVE"}, False),
        ({"eventName": ["INSERT"]}, {}, False),
        ({"a": {"b": {"S": ["x"]}}}, {"a": {"b": {"S": "x"}}}, True),
        ({"a": {"b": {"S": ["x"]}}}, {"a": "x"}, False),
        ({"a": [{"exists": False}]}, {}, True),
        ({"a": [{"exists": True}]}, {"a": None}, True),
        ({"a": [None]}, {"a": None}, True),
        ({"a": [{"prefix": "EVENT#"}]}, {"a": "EVENT#1"}, True),
        ({"a": [{"suffix": "#1"}]}, {"a": "EVENT#2"}, False),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "x"}, False),
        ({"a": [{"anything-but": [{"prefix": "x"}]}]}, {"a": "zx"}, True),
        ({"a": [{"equals-ignore-case": "Ana"}]}, {"a": "aNA"}, True),
        ({"a": [{"numeric": [">", 1, "<=", 3]}]}, {"a": 3}, True),
        ({"a": [{"numeric": ["=", 1]}]}, {"a": "1"}, False),
        ({"a": [1]}, {"a": True}, False),
        ({"a": ["x"]}, {"a": ["y", "x"]}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "x"}, False),
    ],
)
def test_filters_follow_lambdas_rules(pattern: dict[str, object], record: dict[str, object], expected: bool) -> None:
    assert passes([check_pattern(pattern)], record) is expected


def test_without_filters_every_record_passes_and_with_several_one_is_enough() -> None:
    assert passes([], {"a": 1})
    assert passes([{"a": [2]}, {"a": [1]}], {"a": 1})


@pytest.mark.parametrize("pattern", [{}, [], {"a": "x"}, {"a": [["x"]]}, {"a": [{"wildcard": "*"}]}])
def test_a_pattern_that_is_not_played_is_refused(pattern: object) -> None:
    with pytest.raises(FilterError):
        check_pattern(pattern)


def test_an_alias_is_read_as_the_cdk_names_it() -> None:
    """The CDK takes the function's name out of the alias's ARN, and puts the alias behind it."""
    name = {"Fn::Select": [6, {"Fn::Split": [":", {"Ref": "Live"}]}]}
    assert read(FunctionName={"Fn::Join": ["", [name, ":live"]]}).function == "relevo-relay:live"
