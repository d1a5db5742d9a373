"""The sizes in the templates are those of the demand model, and a topology that disagrees makes the synthesis fail."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from loadtests.capacity.cost import COMPOSITE_ALARMS, FIREWALL_RULES, METRIC_ALARMS
from shared.demand import RELAY_BATCH, RELAY_WINDOW_SECONDS, demand_of, peak_alone
from shared.quotas import ACCOUNT_CONCURRENCY, UNRESERVED
from shared.sizing import Pace, SizingError, Warmth, reserved_in_all, sizes_of
from shared.topology import STATUSES, TOPOLOGY, Topology, function_name
from tests.infra.templates import Template
from tests.topologies import with_load, with_reserved

SIZES = sizes_of()


def throttles(template: Template) -> dict[tuple[str, str], Pace]:
    settings = template.only("AWS::ApiGateway::Stage")["MethodSettings"]
    return {
        (setting["ResourcePath"].replace("~1", "/"), setting["HttpMethod"]): Pace(
            setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"]
        )
        for setting in settings
    }


def warmth(found: dict[str, Any]) -> Warmth:
    units = found["WarmThroughput"]
    return Warmth(units["ReadUnitsPerSecond"], units["WriteUnitsPerSecond"])


def test_throttles_are_the_models(template: Template) -> None:
    found = throttles(template)
    for (path, method), pace in {
        ("//v1/orders", "POST"): SIZES.write,
        ("//v1/orders/{order_id}/events", "POST"): SIZES.write,
        ("//registrar_pedido_entregado", "POST"): SIZES.write,
        ("//v1/orders", "GET"): SIZES.read,
        ("//token", "POST"): SIZES.login,
        ("//health", "GET"): SIZES.health,
        ("/*", "*"): SIZES.read,
    }.items():
        assert found[path, method] == pace, (path, method)


def test_every_throttle_lets_the_largest_step_of_both_regions_through(template: Template) -> None:
    load = peak_alone()
    for where, pace in throttles(template).items():
        assert pace.rate >= 2 * max(load.orders, load.reads), where
        assert pace.burst >= pace.rate, where


def test_the_firewalls_rates_are_the_models(template: Template) -> None:
    acl = template.only("AWS::WAFv2::WebACL")
    limits = {
        rule["Name"]: rule["Statement"]["RateBasedStatement"]["Limit"]
        for rule in acl["Rules"] if "RateBasedStatement" in rule["Statement"]
    }  # fmt: skip
    assert limits == {"requests": SIZES.requests_per_window, "logins": SIZES.logins_per_window}


def test_tables_and_indexes_are_as_warm_as_the_model_says(template: Template, data: Template) -> None:
    tables = {found["TableName"]: found for found in data.of_type("AWS::DynamoDB::GlobalTable").values()}
    assert warmth(tables[TOPOLOGY.order_log_table]) == SIZES.order_log
    view = template.only("AWS::DynamoDB::Table")
    assert warmth(view) == SIZES.order_view
    indexes = {found["IndexName"]: warmth(found) for found in view["GlobalSecondaryIndexes"]}
    assert indexes == {"list": SIZES.list_index, "pending": SIZES.pending_index}


def test_functions_reserve_twice_what_littles_law_asks_for_on_one_region(template: Template) -> None:
    demand = demand_of(peak_alone())
    functions = template.functions()
    for name in ("api", "authorizer", "health", "relay", "webhook"):
        reserved = functions[function_name(name)]["ReservedConcurrentExecutions"]
        assert reserved >= math.ceil(2 * demand.functions[name].concurrency), name
    for status in STATUSES:
        reserved = functions[function_name(f"processor_{status}")]["ReservedConcurrentExecutions"]
        assert reserved >= math.ceil(2 * demand.functions["processor"].concurrency), status


def test_what_is_reserved_is_what_the_model_adds_up(template: Template) -> None:
    reserved = sum(found["ReservedConcurrentExecutions"] for found in template.functions().values())
    assert reserved == reserved_in_all(TOPOLOGY)
    assert reserved <= ACCOUNT_CONCURRENCY - UNRESERVED


def test_the_relay_reads_the_stream_in_the_batches_that_the_model_counts_with(template: Template) -> None:
    (source,) = [
        found for found in template.of_type("AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in found
    ]
    assert source["BatchSize"] == RELAY_BATCH
    assert source["MaximumBatchingWindowInSeconds"] == RELAY_WINDOW_SECONDS
    assert source["ParallelizationFactor"] == 1  # the model gives each shard one batch at a time


@pytest.mark.parametrize(
    ("topology", "said"),
    [
        (with_reserved(api=2), "api reserves 2 at once, but 10x on one Region needs 3"),
        (with_reserved(processor=98), "all functions reserve 918 at once"),
        (with_load(300), "relay reserves 40 at once, but 10x on one Region needs"),
    ],
)
def test_a_topology_that_disagrees_makes_the_synthesis_fail(
    package: Path, tmp_path: Path, topology: Topology, said: str
) -> None:
    import app

    with pytest.raises(SizingError) as refused:
        app.build(topology, outdir=str(tmp_path))
    assert said in str(refused.value)
    assert not list(tmp_path.glob("*.template.json"))


def test_more_load_makes_a_warmer_log(tmp_path: Path) -> None:
    import aws_cdk as cdk

    from global_stack.data import DataStack

    grown = with_load(150)
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    DataStack(app, "relevo-data", topology=grown)
    app.synth()
    tables = Template.read(tmp_path, "relevo-data").of_type("AWS::DynamoDB::GlobalTable").values()
    (log,) = [found for found in tables if found["TableName"] == TOPOLOGY.order_log_table]
    assert warmth(log).writes >= 2 * demand_of(peak_alone(grown), grown).log_writes > SIZES.order_log.writes


def test_the_bill_counts_the_alarms_that_there_are(template: Template) -> None:
    assert len(template.of_type("AWS::CloudWatch::Alarm")) == METRIC_ALARMS
    assert len(template.of_type("AWS::CloudWatch::CompositeAlarm")) == COMPOSITE_ALARMS


def test_the_bill_counts_the_rules_that_there_are(template: Template) -> None:
    assert len(template.only("AWS::WAFv2::WebACL")["Rules"]) == FIREWALL_RULES
