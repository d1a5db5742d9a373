"""Every function: sized from topology, with logs that end, and with the environment that handlers read."""

from __future__ import annotations

import dataclasses

import pytest

from shared.adapters.settings import Settings
from shared.topology import STATUSES, TOPOLOGY, Function, function_name
from tests.infra.templates import Template

SIZES: dict[str, Function] = {
    "api": TOPOLOGY.api,
    "authorizer": TOPOLOGY.authorizer,
    "health": TOPOLOGY.health,
    "relay": TOPOLOGY.relay,
    "sentinel": TOPOLOGY.sentinel,
    "webhook": TOPOLOGY.webhook,
    "importer": TOPOLOGY.importer,
    **{f"processor_{status}": TOPOLOGY.processor for status in STATUSES},
}
# One stream shard, one provider call: what is reserved beyond the topology's functions.
OTHERS = {"stream_arn"}
EVERYWHERE = {
    *("ORDER_LOG_TABLE", "ORDER_VIEW_TABLE", "ACCOUNTS_TABLE", "CONTROL_TABLE"),
    *("TIME_SCALE", "PEER_REGION", "PEER_ENDPOINT", "PEER_AWS_ENDPOINT_URL"),
    *("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"),
}
ANNOUNCERS = {"EVENT_TOPIC_ARN", "EFFECT_BUS_NAME"}
EXTRA = {
    "api": {"KEYRING_SECRET_ARN"},
    "authorizer": {"KEYRING_SECRET_ARN"},
    "health": {"KEYRING_SECRET_ARN"},
    "relay": ANNOUNCERS,
    "sentinel": ANNOUNCERS,
    "webhook": {"WEBHOOK_QUEUE_URL"},
    "importer": set(),
    "stream_arn": set(),
    **{f"processor_{status}": {"STATUS"} for status in STATUSES},
}


def test_functions_are_sized_as_topology_says(template: Template) -> None:
    functions = template.functions()
    for part, size in SIZES.items():
        found = functions[function_name(part)]
        sizes = (found["MemorySize"], found["Timeout"], found["ReservedConcurrentExecutions"])
        assert sizes == (size.memory_mb, size.timeout_seconds, size.reserved_concurrency), part
    assert set(functions) == {function_name(part) for part in (*SIZES, *OTHERS)}


def test_what_is_reserved_fits_into_an_accounts_default_concurrency(template: Template) -> None:
    reserved = sum(found["ReservedConcurrentExecutions"] for found in template.functions().values())
    assert reserved <= 1000 - 100  # Lambda keeps a hundred unreserved


def test_functions_share_runtime_code_and_tracing(template: Template) -> None:
    found = template.functions().values()
    assert {one["Runtime"] for one in found} == {"python3.13"}
    assert {tuple(one["Architectures"]) for one in found} == {("arm64",)}
    assert {one["TracingConfig"]["Mode"] for one in found} == {"Active"}
    assert len({one["Code"]["S3Key"] for one in found}) == 1


def test_every_function_logs_to_a_group_of_its_own_that_forgets(template: Template) -> None:
    for name, found in template.functions().items():
        group = template.resources[found["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert group["LogGroupName"] == f"/aws/lambda/{name}"
        assert group["RetentionInDays"] == 30


@pytest.mark.parametrize("part", EXTRA)
def test_the_environment_is_the_one_that_handlers_read(template: Template, region: str, part: str) -> None:
    variables = template.functions()[function_name(part)]["Environment"]["Variables"]
    assert set(variables) == EVERYWHERE | EXTRA[part]
    assert variables["TIME_SCALE"] == {"Ref": "TimeScale"}
    assert variables.get("STATUS", part.removeprefix("processor_")) == part.removeprefix("processor_")
    plain = {name: value if isinstance(value, str) else template.render(value) for name, value in variables.items()}
    read = Settings.from_environment({**plain, "AWS_REGION": region, "TIME_SCALE": "1"})
    assert read.peer_region == TOPOLOGY.peer_of(region)
    known = {field.name.upper() for field in dataclasses.fields(Settings)} | {"AWS_REGION"}
    assert {name for name in variables if not name.startswith("POWERTOOLS_")} <= known


def test_the_handlers_named_are_modules_of_the_package(template: Template) -> None:
    modules = {found["Handler"] for found in template.functions().values()}
    names = ("api", "authorizer", "health", "importer", "processor", "relay", "sentinel", "stream_arn", "webhook")
    assert modules == {f"regions.handlers.{name}.handler" for name in names}
