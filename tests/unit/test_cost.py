"""Cost: a month's bill adds up, grows with the load, and tells what resilience is worth."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from loadtests.capacity.cost import MONTH_SECONDS, Bill, bill, compare
from loadtests.capacity.prices import PRICES
from loadtests.commands import register
from shared.topology import TOPOLOGY, Growth, Topology


def with_load(orders: float, reads: float) -> Topology:
    """Without dashboards, which cost the same at every step."""
    return dataclasses.replace(TOPOLOGY, baseline=Growth(orders_per_second=orders, reads_per_second=reads, viewers=0))


def dollars(found: Bill, service: str, item: str) -> float:
    (line,) = [line for line in found.lines if (line.service, line.item) == (service, item)]
    return line.dollars


def test_a_month_in_one_region_adds_up_by_hand() -> None:
    found = bill(with_load(1, 1), 10, "one Region")
    # 10 orders, 10 reads and 20 / 30 logins a second, for 730 hours.
    requests = (10 + 10 + 20 / 30) * 2_628_000
    assert MONTH_SECONDS == 2_628_000
    assert dollars(found, "API Gateway", "requests") == pytest.approx(requests / 1e6 * 3.5)
    assert dollars(found, "SNS", "FIFO messages published") == pytest.approx(26.28 * 0.3)
    assert dollars(found, "EventBridge", "effects announced") == pytest.approx(26.28)
    assert dollars(found, "WAF", "web ACL") == 5.0
    # 26.28 million orders a month for a year, 1.5 KB each.
    assert dollars(found, "DynamoDB", "storage") == pytest.approx(26.28 * 12 * 1.5 * 0.25)


def test_a_dashboard_page_costs_the_same_at_every_step_and_in_every_design() -> None:
    """A viewer reads 41 units of the view four seconds apart: about four dollars a month with its requests."""
    grown = with_load(0.1, 0.1)
    watched = dataclasses.replace(grown, baseline=dataclasses.replace(grown.baseline, viewers=10))
    more = [
        dollars(bill(watched, multiple, design), "DynamoDB", "reads")
        - dollars(bill(grown, multiple, design), "DynamoDB", "reads")
        for multiple in (1, 10)
        for design in ("all Regions", "one Region")
    ]
    assert more == pytest.approx([more[0]] * 4, rel=0.05)
    assert 3 < more[0] / 10 < 5


def test_a_write_to_the_log_costs_twice_in_two_regions() -> None:
    """Once in every replica, the source included: 1.25 dollars a million in all."""
    topology = dataclasses.replace(with_load(5, 0), heartbeat_keys=0)
    two = dollars(bill(topology, 1, "all Regions"), "DynamoDB", "replicated writes of the log")
    one = dollars(bill(topology, 1, "one Region"), "DynamoDB", "writes of the log")
    assert two == pytest.approx(2 * one)
    assert two == pytest.approx(5 * 2 * MONTH_SECONDS / 1e6 * 1.25)


@given(st.floats(0.01, 500), st.floats(0, 500))
def test_bills_add_up_and_resilience_is_a_part_of_them(orders: float, reads: float) -> None:
    for found in compare(with_load(orders, reads)):
        for one in (found.resilient, found.single):
            assert sum(one.by_service().values()) == pytest.approx(one.dollars)
            assert one.per_million_orders * one.orders / 1e6 == pytest.approx(one.dollars)
            assert all(line.dollars >= 0 for line in one.lines)
        assert 0 < found.resilience_share < 1
        assert found.single.dollars + found.resilience_dollars == pytest.approx(found.resilient.dollars)


@given(st.floats(0.01, 1), st.floats(0.01, 1))  # up to ten times that; names of couriers make larger loads dearer
def test_more_load_costs_more_in_all_and_less_for_each_order(orders: float, reads: float) -> None:
    bills = [found.resilient for found in compare(with_load(orders, reads))]
    for smaller, larger in itertools.pairwise(bills):
        assert larger.dollars > smaller.dollars
        assert larger.per_million_orders < smaller.per_million_orders


def test_one_region_pays_for_no_replica_no_health_check_and_no_transfer_between_regions() -> None:
    found = compare(TOPOLOGY)[-1]
    names = {(line.service, line.item) for line in found.single.lines}
    only_resilient = {(line.service, line.item) for line in found.resilient.lines} - names
    assert only_resilient == {
        ("DynamoDB", "replicated writes of the log"),
        ("Route 53", "health checks"),
        ("Route 53", "calculated health checks"),
        ("Data transfer", "replication"),
    }


def test_health_checks_cost_as_in_the_tested_design() -> None:
    """About 15 dollars a month for both Regions: two checks of 3.50 and a calculated one for each."""
    assert compare(TOPOLOGY)[0].resilient.by_service()["Route 53"] == pytest.approx(2 * (2 * 3.5 + 0.5) + 0.5)


def test_every_price_has_a_source_and_a_month_or_says_that_it_has_none() -> None:
    for name, price in PRICES.items():
        assert re.fullmatch(r"20\d\d-\d\d|undated", price.of), name
        assert price.source, name
        assert price.per > 0, name


def test_every_price_is_used() -> None:
    found = compare(TOPOLOGY)[0]
    used = {id(line.price) for one in (found.resilient, found.single) for line in one.lines}
    assert {name for name, price in PRICES.items() if id(price) not in used} == set()


def test_the_command_tells_steps_items_and_the_share_of_resilience() -> None:
    app = typer.Typer()
    register(app)
    done = CliRunner().invoke(app, ["cost", "--json", "--orders-per-second", "20", "--reads-per-second", "40"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["baseline"] == {"orders_per_second": 20.0, "reads_per_second": 40.0, "viewers": 10}
    expected = compare(dataclasses.replace(TOPOLOGY, baseline=Growth(orders_per_second=20, reads_per_second=40)))
    for step, found in zip(told["steps"], expected, strict=True):
        assert step["multiple"] == found.resilient.multiple
        assert step["resilient"]["dollars_per_month"] == pytest.approx(found.resilient.dollars)
        assert step["resilience_share"] == pytest.approx(found.resilience_share)
        assert all(line["price_source"] and line["price_of"] for line in step["resilient"]["lines"])
    shown = CliRunner().invoke(app, ["cost"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "what resilience costs" in shown.output
    assert f"{compare(TOPOLOGY)[-1].resilient.dollars:,.2f}" in shown.output
