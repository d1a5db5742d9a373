"""Reads the event source mappings of a synthesized template: which function reads what, and with which settings.

Pure. A setting that the lab's pollers do not play is refused here, so that none is silently left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from loadtests.lab.polling.event_filter import FilterError, Pattern, check_pattern

Resources = Mapping[str, Mapping[str, object]]

MAPPING: Final = "AWS::Lambda::EventSourceMapping"
INFINITE: Final = -1
_READ: Final = frozenset(
    {
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "Enabled",
        "EventSourceArn",
        "FilterCriteria",
        "FunctionName",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
        "ScalingConfig",
        "StartingPosition",
    }
)
_WITHOUT_EFFECT: Final = frozenset({"Tags", "KmsKeyArn", "MetricsConfig", "LoggingConfig"})  # on what is delivered


class MappingError(Exception):
    """An event source mapping that the lab cannot play."""


@dataclass(frozen=True)
class StreamSource:
    """A DynamoDB stream, found by its table, and the function that reads it."""

    function: str
    table: str
    batch_size: int = 100
    batching_window_seconds: float = 0.0
    parallelization_factor: int = 1
    bisects: bool = False
    maximum_retries: int = INFINITE
    maximum_age_seconds: int = INFINITE
    reports_failures: bool = False
    failure_queue: str | None = None
    filters: tuple[Pattern, ...] = ()
    starting_position: Literal["TRIM_HORIZON", "LATEST"] = "TRIM_HORIZON"


@dataclass(frozen=True)
class QueueSource:
    """A queue, found by its name, and the function that reads it."""

    function: str
    queue: str
    batch_size: int = 10
    reports_failures: bool = False
    filters: tuple[Pattern, ...] = ()
    maximum_concurrency: int = 1000


Source = StreamSource | QueueSource


def read_sources(template: Mapping[str, object]) -> list[Source]:
    """The enabled event sources of a template; raises ``MappingError`` for one that cannot be played."""
    resources = cast("Resources", template.get("Resources", {}))
    return list(_sources(resources))


def _sources(resources: Resources) -> Iterator[Source]:
    for name, resource in resources.items():
        if resource.get("Type") != MAPPING:
            continue
        properties = cast("Mapping[str, object]", resource.get("Properties", {}))
        unknown = set(properties) - _READ - _WITHOUT_EFFECT
        if unknown:
            raise MappingError(f"{name}: the lab's pollers do not play {', '.join(sorted(unknown))}")
        if properties.get("Enabled", True):
            try:
                yield _source(properties, resources)
            except (MappingError, FilterError) as error:
                raise MappingError(f"{name}: {error}") from error


def _source(properties: Mapping[str, object], resources: Resources) -> Source:
    function = _function_name(properties["FunctionName"], resources)
    reports = "ReportBatchItemFailures" in cast("list[str]", properties.get("FunctionResponseTypes", []))
    filters = _filters(properties)
    kind, target = _target(properties["EventSourceArn"], resources)
    if kind == "queue":
        if _number(properties, "MaximumBatchingWindowInSeconds", 0):
            raise MappingError("a batching window on a queue is not played (FIFO queues have none)")
        scaling = cast("Mapping[str, object]", properties.get("ScalingConfig", {}))
        return QueueSource(
            function,
            target,
            batch_size=_number(properties, "BatchSize", 10),
            reports_failures=reports,
            filters=filters,
            maximum_concurrency=_number(scaling, "MaximumConcurrency", 1000),
        )
    position = properties.get("StartingPosition")
    if position not in ("TRIM_HORIZON", "LATEST"):
        raise MappingError(f"StartingPosition {position!r} is not one of a DynamoDB stream")
    return StreamSource(
        function,
        target,
        batch_size=_number(properties, "BatchSize", 100),
        batching_window_seconds=_number(properties, "MaximumBatchingWindowInSeconds", 0),
        parallelization_factor=_number(properties, "ParallelizationFactor", 1),
        bisects=bool(properties.get("BisectBatchOnFunctionError", False)),
        maximum_retries=_number(properties, "MaximumRetryAttempts", INFINITE),
        maximum_age_seconds=_number(properties, "MaximumRecordAgeInSeconds", INFINITE),
        reports_failures=reports,
        failure_queue=_failure_queue(properties, resources),
        filters=filters,
        starting_position=position,
    )


def _number(properties: Mapping[str, object], name: str, default: int) -> int:
    return int(cast("int", properties.get(name, default)))


def _filters(properties: Mapping[str, object]) -> tuple[Pattern, ...]:
    criteria = cast("Mapping[str, list[dict[str, str]]]", properties.get("FilterCriteria", {}))
    return tuple(check_pattern(json.loads(entry["Pattern"])) for entry in criteria.get("Filters", []))


def _failure_queue(properties: Mapping[str, object], resources: Resources) -> str | None:
    config = cast("Mapping[str, Mapping[str, object]]", properties.get("DestinationConfig", {}))
    destination = config.get("OnFailure", {}).get("Destination")
    if destination is None:
        return None
    kind, name = _target(destination, resources)
    if kind != "queue":
        raise MappingError(f"the on-failure destination {name} is not a queue")
    return name


def _function_name(reference: object, resources: Resources) -> str:
    if isinstance(reference, str):
        return reference
    match reference:
        # An alias as the CDK names it: the function's name out of the alias's ARN, and the alias.
        case {"Fn::Join": ["", [{"Fn::Select": [6, {"Fn::Split": [":", {"Ref": _} as alias]}]}, str(qualifier)]]}:
            return f"{_function_name(alias, resources).partition(':')[0]}{qualifier}"
    kind, properties = _referred(reference, resources)
    match kind:
        case "AWS::Lambda::Function":
            return _literal(properties, "FunctionName")
        case "AWS::Lambda::Alias":
            return f"{_function_name(properties['FunctionName'], resources)}:{_literal(properties, 'Name')}"
        case _:
            raise MappingError(f"{reference!r} is a {kind}, not a function")


def _target(reference: object, resources: Resources) -> tuple[Literal["queue", "stream"], str]:
    """The queue's name, or the name of the table whose stream is meant."""
    if isinstance(reference, str):
        _, _, service, _, _, name = reference.split(":", 5)
        return ("queue", name) if service == "sqs" else ("stream", name.split("/")[1])
    kind, properties = _referred(reference, resources)
    match kind:
        case "AWS::SQS::Queue":
            return "queue", _literal(properties, "QueueName")
        case _ if "TableName" in properties:  # a table, or the provider that looks a replica's stream up
            return "stream", _literal(properties, "TableName")
        case _:
            raise MappingError(f"{reference!r} is a {kind}, neither a queue nor a table's stream")


def _referred(reference: object, resources: Resources) -> tuple[str, Mapping[str, object]]:
    match reference:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]} if name in resources:
            resource = resources[name]
            return str(resource["Type"]), cast("Mapping[str, object]", resource.get("Properties", {}))
        case _:
            raise MappingError(f"{reference!r} does not lead to a resource of this template")


def _literal(properties: Mapping[str, object], name: str) -> str:
    value = properties.get(name)
    if not isinstance(value, str):
        raise MappingError(f"{name} is not given by name, so the deployed resource cannot be found: {value!r}")
    return value
