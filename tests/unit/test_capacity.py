"""Capacity: what a load asks of AWS, against every quota, and when the answer is no."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from loadtests.capacity import forecast
from loadtests.commands import register
from shared.demand import Demand, Load, alone, demand_of, littles_law, shared_by_all
from shared.durations import DURATIONS
from shared.quotas import QUOTAS, Quota, UnknownRegionError, is_red
from shared.sizing import SizingError, check, disagreements, needed_concurrency, sizes_of
from shared.topology import TOPOLOGY, Function, Growth, KpiItems, Topology, UsagePlan
from tests.topologies import with_load, with_reserved

runner = CliRunner()
rates = st.floats(0, 2000)

# What follows the load alone. The relay's batches and notes grow more slowly, since batches fill.
PROPORTIONAL: dict[str, Callable[[Demand], float]] = {
    "requests": lambda d: d.gateway_requests,
    "log writes": lambda d: d.log_writes,
    "log reads": lambda d: d.log_reads,
    "account reads": lambda d: d.account_reads,
    "list index": lambda d: d.list_index_writes,
    "pending index": lambda d: d.pending_index_writes,
    "published": lambda d: d.events_published,
    "sends": lambda d: d.queue_sends,
    "receives": lambda d: d.queue_receives,
    "deletes": lambda d: d.queue_deletes,
    "announced": lambda d: d.effects_announced,
    "webhooks": lambda d: d.functions["webhook"].concurrency,
    "api": lambda d: d.functions["api"].concurrency,
    "authorizer": lambda d: d.functions["authorizer"].concurrency,
    "processor": lambda d: d.functions["processor"].concurrency,
}
BATCHED: dict[str, Callable[[Demand], float]] = {
    "freshness": lambda d: d.freshness_writes,
    "relay": lambda d: d.functions["relay"].per_second,
}


# What grows faster than the load: more couriers a day make larger items, and all of an item is billed.
GROWING: dict[str, Callable[[Demand], float]] = {
    "view writes": lambda d: d.view_writes - d.freshness_writes,
    "view reads": lambda d: d.view_reads,
    "couriers' item": lambda d: d.kpi.courier.writes,
}


def with_one_quota_of_100(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = dict.fromkeys(TOPOLOGY.region_names, 100.0)
    quota = Quota("SNS", "publishes", "messages/s", limits, lambda d: d.events_published, "a test")
    monkeypatch.setattr(forecast, "QUOTAS", (quota,))


def relevo(*arguments: str) -> Any:
    app = typer.Typer()
    register(app)
    return runner.invoke(app, [*arguments], env={"COLUMNS": "200"})


@given(st.integers(1, 20), st.integers(1, 40))
def test_littles_law_is_how_many_are_under_way_on_average(per_second: int, tenths: int) -> None:
    """Arrivals at even distances, each there for its time: counted at many moments long after the first."""
    seconds = tenths / 10
    arrivals = [number / per_second for number in range(10 * per_second)]
    moments = [5 + number / 25 for number in range(100)]
    there = sum(sum(at <= moment < at + seconds for at in arrivals) for moment in moments) / len(moments)
    assert there == pytest.approx(littles_law(per_second, seconds), abs=1)


@pytest.mark.parametrize("what", [*PROPORTIONAL, *BATCHED])
@given(orders=rates, reads=rates, peer_orders=rates)
def test_doubling_the_load_doubles_the_units(what: str, orders: float, reads: float, peer_orders: float) -> None:
    amount = (PROPORTIONAL | BATCHED)[what]
    once = amount(demand_of(Load(orders, reads, peer_orders)))
    twice = amount(demand_of(Load(2 * orders, 2 * reads, 2 * peer_orders)))
    if what in PROPORTIONAL:
        standing = amount(demand_of(Load(0, 0)))  # heartbeats, looks and health checks
        assert twice - standing == pytest.approx(2 * (once - standing))
    else:
        assert once - 1e-6 <= twice <= 2 * once + 1e-6


@pytest.mark.parametrize("what", GROWING)
@given(orders=rates, reads=rates)
def test_what_names_couriers_grows_at_least_as_the_load(what: str, orders: float, reads: float) -> None:
    standing, once, twice = (GROWING[what](demand_of(Load(n * orders, n * reads))) for n in (0, 1, 2))
    assert twice - standing >= 2 * (once - standing) - 1e-6 * once


@given(orders=rates, reads=rates, multiple=st.integers(1, 10))
def test_one_region_alone_carries_what_both_regions_carried(orders: float, reads: float, multiple: int) -> None:
    growth = Growth(orders_per_second=orders, reads_per_second=reads)
    both, one = shared_by_all(growth, multiple, 2), alone(growth, multiple)
    assert (one.orders, one.reads) == pytest.approx((2 * both.orders, 2 * both.reads))
    shared, single, idle = demand_of(both), demand_of(one), demand_of(Load(0, 0))
    for what in ("published", "sends", "deletes", "announced", "account reads", "api", "processor"):
        amount = PROPORTIONAL[what]
        assert amount(single) == pytest.approx(2 * amount(shared))
    # Replicas write everything anyway, so losing a peer brings no write to the log; it even takes its heartbeats away.
    assert single.log_writes <= shared.log_writes
    assert shared.log_writes - idle.log_writes == pytest.approx(2 * orders * multiple)


@given(orders=rates, peer_orders=rates)
def test_the_peers_orders_are_projected_and_noted_but_neither_published_nor_answered(
    orders: float, peer_orders: float
) -> None:
    without, there = demand_of(Load(orders, 0)), demand_of(Load(orders, 0, peer_orders))
    for same in ("requests", "published", "sends", "announced", "api", "processor"):
        assert PROPORTIONAL[same](there) == PROPORTIONAL[same](without)
    for more in ("log writes", "list index", "pending index"):
        assert PROPORTIONAL[more](there) >= PROPORTIONAL[more](without) + peer_orders * 0.99


@pytest.mark.parametrize(("percent", "red"), [(69, False), (70, False), (71, True)])
def test_a_quota_at_71_percent_is_red_and_at_69_green(percent: int, red: bool) -> None:
    assert is_red(percent * 30, 3000) is red
    found = forecast.forecast(with_load(percent / 100 * 3000 / 10))
    uses = {use.region: use for use in found.uses(found.hardest) if use.quota.name == "FIFO publishes"}
    assert uses["us-east-2"].is_red is red
    assert not uses["us-east-1"].is_red  # ten times the quota
    assert bool(uses["us-east-2"].advice) is red


@pytest.mark.parametrize(("percent", "code"), [(69, 0), (71, 1)])
def test_the_exit_code_says_whether_one_region_carries_10x(
    monkeypatch: pytest.MonkeyPatch, percent: int, code: int
) -> None:
    with_one_quota_of_100(monkeypatch)
    done = relevo("capacity", "--orders-per-second", str(percent / 10))  # 10x is 69 or 71
    assert done.exit_code == code, done.output
    assert ("HOLDS" if not code else "TOO SMALL") in done.output


def test_only_the_load_of_one_region_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    with_one_quota_of_100(monkeypatch)
    found = forecast.forecast(with_load(9))
    by_name = {scenario.name: [use.is_red for use in found.uses(scenario)] for scenario in found.scenarios}
    assert by_name["10x, all Regions"] == [False, False]
    assert by_name["10x, one Region alone"] == [True, True]
    assert not found.holds


def test_todays_load_holds_and_every_step_and_quota_is_told() -> None:
    done = relevo("capacity", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["holds"] is True
    steps = [(found["multiple"], found["serving"]) for found in told["scenarios"]]
    assert steps == [
        (multiple, serving) for serving in ("all Regions", "one Region alone") for multiple in TOPOLOGY.baseline.steps
    ]
    for scenario in told["scenarios"]:
        assert {(use["name"], use["region"]) for use in scenario["quotas"]} == {
            (quota.name, region) for quota in QUOTAS for region in TOPOLOGY.region_names
        }
    assert told["durations"]["api write"]["basis"] == "measured in the lab"


def test_a_load_that_is_too_much_names_what_to_ask_for_and_what_to_change() -> None:
    done = relevo("capacity", "--orders-per-second", "300", "--json")
    assert done.exit_code == 1
    told = json.loads(done.output)
    assert "ask AWS for 4,300 messages/s in us-east-2" in told["ask"]
    assert "no quota: more pending_keys in the topology" in told["ask"]
    assert not any("messages/s in us-east-1" in line for line in told["ask"])
    assert any(line.startswith("api reserves 200 at once, but") for line in told["synth_refuses"])
    shown = relevo("capacity", "--orders-per-second", "300")
    assert shown.exit_code == 1
    assert "SNS: FIFO publishes: ask AWS for 4,300 messages/s in us-east-2" in shown.output


@given(st.floats(1, 5000))
def test_what_is_asked_for_is_enough_and_not_much_more(orders: float) -> None:
    found = forecast.forecast(with_load(orders))
    for use in found.red:
        if use.quota.can_be_raised:
            asked = float(use.advice.split()[3].replace(",", ""))
            assert not is_red(use.used, asked)
            assert asked <= 1.1 * use.used / 0.7 + 1
            assert asked > use.limit


@pytest.mark.parametrize("arguments", [("--orders-per-second", "0"), ("--reads-per-second", "-1")])
def test_a_load_that_is_none_is_refused(arguments: tuple[str, str]) -> None:
    assert relevo("capacity", *arguments).exit_code == 2


def test_a_tiny_load_still_gets_limits_that_aws_takes() -> None:
    sizes = sizes_of(with_load(0.001, 0))
    assert min(sizes.write.rate, sizes.read.rate) >= 1
    assert sizes.requests_per_window >= 10


def test_a_region_without_known_quotas_is_refused_by_name() -> None:
    with pytest.raises(UnknownRegionError, match="eu-west-1"):
        QUOTAS[0].limit("eu-west-1")


def test_durations_say_where_they_come_from() -> None:
    for name, duration in DURATIONS.items():
        assert duration.basis in ("measured in the lab", "set by the code", "assumed"), name
        assert duration.source
        assert duration.day >= "2026-11-21"


def with_plan(requests_per_second: int = 1, burst: int = 10, requests_a_day: int = 1) -> Topology:
    return dataclasses.replace(TOPOLOGY, usage_plans=(UsagePlan("p", requests_per_second, burst, requests_a_day),))


def importing(**limits: float) -> Topology:
    return dataclasses.replace(TOPOLOGY, imports=dataclasses.replace(TOPOLOGY.imports, **limits))


@pytest.mark.parametrize(
    ("topology", "said"),
    [
        (with_reserved(api=2), "api reserves 2 at once, but 10x on one Region needs 3"),
        (with_reserved(relay=3), "relay reserves 3 at once, but 10x on one Region needs 4"),
        (with_reserved(processor=96), "all functions reserve 906 at once"),
        (with_reserved(api=1, processor=209), "the queues' functions may be 1270 at once"),
        (with_load(300), "api reserves 200 at once"),
        (with_load(1, 700), "the gateway takes 10000 requests/s"),
        (with_load(200), "logins are throttled at 50/s"),
        (with_load(300), "the order view would be warm"),
        (with_plan(requests_per_second=71), "plan p lets one client make 71 requests/s, 10 at once, but all clients"),
        (with_plan(burst=141), "plan p lets one client make 1 requests/s, 141 at once, but all clients together"),
        (with_plan(requests_per_second=36), "plan p lets one client make 36 requests/s, but the firewall blocks"),
        (with_plan(requests_a_day=86_401), "plan p cannot use up 86401 requests a day"),
        (dataclasses.replace(TOPOLOGY, kpi_items=KpiItems(orders=8)), "transactions on a KPI item of orders: 12.5 of"),
        (dataclasses.replace(TOPOLOGY, kpi_items=KpiItems(products=2)), "transactions on a KPI item of products"),
        (importing(orders_per_second=150), "transactions on a KPI item of orders"),
        (importing(rows=400_000), "400000 rows take 15 invocations of the importer"),
        (dataclasses.replace(TOPOLOGY, keys_carry=800), "write units of a key of the pending index: 800.0 of 1,000.0"),
    ],
)
def test_sizes_that_disagree_are_refused_with_the_numbers(topology: Topology, said: str) -> None:
    with pytest.raises(SizingError) as refused:
        check(topology)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "topology",
    [
        TOPOLOGY,
        with_reserved(api=3),
        with_reserved(relay=4),
        with_reserved(processor=95),
        with_plan(requests_per_second=35, burst=140),
    ],
)
def test_sizes_that_just_suffice_are_taken(topology: Topology) -> None:
    check(topology)


def test_a_small_function_is_named_once_and_everything_at_once() -> None:
    topology = dataclasses.replace(TOPOLOGY, api=Function(1024, 10, 1), relay=Function(1024, 60, 1))
    assert len(list(disagreements(topology))) == 2


@given(orders=st.floats(0.1, 150), reads=st.floats(0.1, 150))
def test_sizes_follow_the_load_with_room_to_spare(orders: float, reads: float) -> None:
    topology = with_load(orders, reads)
    sizes, demand = sizes_of(topology), demand_of(alone(topology.baseline, 10), topology)
    assert sizes.write.rate >= 2 * demand.load.orders
    assert sizes.read.rate >= 2 * demand.load.reads
    assert sizes.requests_per_window >= 300 * (demand.load.orders + demand.load.reads)
    assert sizes.logins_per_window >= 300 * demand.load.logins
    assert sizes.order_log.writes >= max(4000, demand.log_writes)
    assert sizes.order_view.reads >= max(12000, demand.view_reads)
    assert sizes.pending_index.writes >= max(4000, demand.pending_index_writes)
    for name in demand.functions:
        assert needed_concurrency(name, demand) >= demand.functions[name].concurrency
