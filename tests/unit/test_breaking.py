"""Where the design breaks: limits are found where they are, keys carry 100x, and each step says what to change."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from loadtests.capacity.breaking import MULTIPLES, WIDEST_KPI_ITEMS, Breaking, largest_load, survivors_load
from loadtests.commands import register
from shared.adapters.batch_reads import MOST_IN_ONE_READ
from shared.adapters.order_view import MAX_NEW_EVENTS
from shared.demand import alone, demand_of, shared_by_all
from shared.durations import DURATIONS
from shared.hot_keys import LOST_RACES_AT_MOST, moves_at_most
from shared.quotas import QUOTAS, is_red
from shared.sizing import check
from shared.topology import TOPOLOGY, Growth, KpiItems, Topology

FOUND = Breaking(TOPOLOGY)


def hot_keys(topology: Topology) -> list[str]:
    """Keys that one Region alone makes hot at 100x."""
    demand = demand_of(alone(topology.baseline, 100), topology)
    keys = [quota for quota in QUOTAS if quota.is_of_key]
    return [quota.name for quota in keys if is_red(quota.used(demand), min(quota.limits.values()))]


@given(st.floats(0.01, 1e6))
def test_a_limit_is_found_where_it_is(limit: float) -> None:
    assert largest_load(lambda orders: orders <= limit) == pytest.approx(limit, rel=1e-3, abs=2e-3)


def test_what_never_breaks_is_never_reached() -> None:
    assert largest_load(lambda _: True) == math.inf


def test_each_limit_is_green_just_below_and_red_just_above() -> None:
    assert len(FOUND.breaks) > 15
    for found in FOUND.breaks:
        limit = found.quota.limit(found.region)
        assert not is_red(found.quota.used(FOUND.demand(found.red_at * 0.99, 2)), limit), found.quota.name
        assert is_red(found.quota.used(FOUND.demand(found.red_at * 1.01 + 0.1, 2)), limit), found.quota.name
        assert found.red_at < found.full_at


def test_no_key_is_hot_at_100x_and_nothing_else_breaks_either() -> None:
    assert TOPOLOGY.keys_carry == 100 * TOPOLOGY.baseline.orders_per_second
    assert hot_keys(TOPOLOGY) == []
    ten, hundred, thousand = FOUND.steps
    assert (ten.multiple, hundred.multiple, thousand.multiple) == MULTIPLES
    assert ten.holds
    assert hundred.holds, list(FOUND.changes(hundred))
    assert not thousand.holds
    assert thousand.cells > 1
    assert thousand.first == FOUND.breaks[0]
    check(dataclasses.replace(TOPOLOGY, baseline=Growth(steps=(1, 100))))


@pytest.mark.parametrize(
    "few",
    [KpiItems(orders=1), KpiItems(products=1), KpiItems(couriers=1), KpiItems(product_spread=1, products=8)],
    ids=str,
)
def test_with_as_few_items_as_a_day_once_had_a_key_is_hot_at_100x(few: KpiItems) -> None:
    hot = hot_keys(dataclasses.replace(TOPOLOGY, kpi_items=few))
    assert hot
    assert all("KPI item" in name for name in hot)


def test_one_key_of_pending_work_would_be_hot_at_175_orders_a_second_and_four_carry_four_times_that() -> None:
    name = "write units of a key of the pending index"
    (quota,) = [quota for quota in QUOTAS if quota.name == name]
    one = Breaking(dataclasses.replace(TOPOLOGY, pending_keys=1))
    assert one.orders_at(quota, 700) == pytest.approx(175, rel=1e-3)
    assert FOUND.orders_at(quota, 700) == pytest.approx(175 * TOPOLOGY.pending_keys, rel=1e-3)


def test_cells_carry_what_they_are_counted_for() -> None:
    for step in FOUND.steps:
        assert (step.cells - 1) * FOUND.cell_orders < step.orders <= step.cells * FOUND.cell_orders
        told = list(FOUND.changes(step))
        assert bool(told) is not step.holds
        assert ("cells of 2 Regions" in "".join(told)) is (step.cells > 1)
        assert all(found.red_at < step.orders / step.cells for found in step.broken)


def test_the_widest_keys_still_fit_one_read_and_one_transaction() -> None:
    for kpi_items in (WIDEST_KPI_ITEMS, TOPOLOGY.kpi_items):
        assert len(kpi_items.all) + len(TOPOLOGY.regions) <= MOST_IN_ONE_READ
        assert 1 + 2 * (1 + kpi_items.products + 1) + MAX_NEW_EVENTS <= 100
        assert MAX_NEW_EVENTS >= 20


def test_more_regions_share_the_front_door_but_not_the_projection() -> None:
    by_name = {found.quota.name: found for found in FOUND.breaks}
    for shared in ("requests of all APIs", "FIFO publishes", "FIFO SendMessage calls, high throughput"):
        assert by_name[shared].red_at_in_three == pytest.approx(2 * by_name[shared].red_at, rel=0.01), shared
    for everywhere in ("transactions on a KPI item of orders", "write units of the order log"):
        assert by_name[everywhere].red_at_in_three == pytest.approx(by_name[everywhere].red_at, rel=0.01), everywhere


@given(st.floats(0.1, 1000), st.floats(0, 1000))
def test_what_is_left_of_two_regions_is_one_alone(orders: float, reads: float) -> None:
    growth = Growth(orders, reads)
    assert survivors_load(orders, reads, 2, growth.viewers) == alone(growth, 1)
    three, two = survivors_load(orders, reads, 3, growth.viewers), shared_by_all(growth, 1, 2)
    assert three == two  # two of three are left


def test_races_are_lost_as_often_as_the_limit_allows() -> None:
    # Poisson: no other one comes within the length of a transaction before or after.
    undisturbed = math.exp(-2 * moves_at_most() * DURATIONS["view transaction"].seconds)
    assert 1 - undisturbed == pytest.approx(LOST_RACES_AT_MOST)


def test_the_command_says_what_1x_is_and_what_breaks_first() -> None:
    app = typer.Typer()
    register(app)
    shown = CliRunner().invoke(app, ["capacity"], env={"COLUMNS": "200"}).output
    assert "1x is 1 orders/s and 1 reads/s over all Regions" in shown
    assert "86,400 a day" in shown
    assert shown.index("1,000x") > shown.index("Where it breaks")
    told = json.loads(CliRunner().invoke(app, ["capacity", "--json"]).output)["beyond"]
    assert [step["multiple"] for step in told["steps"]] == list(MULTIPLES)
    assert [step["holds"] for step in told["steps"]] == [True, True, False]
    at = [one["red_at_orders_per_second"] for one in told["breaks"]]
    assert at == sorted(at)
    assert told["steps"][-1]["breaks_first"] == told["breaks"][0]["name"]
