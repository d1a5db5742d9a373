"""`relevo conflicts list`: every order whose events contradict each other, and no other."""

from __future__ import annotations

from tests.runbooks.shop import Shop
from tests.runbooks.two_regions import HERE, PEER, TwoRegions


def make_conflicts(shop: Shop) -> None:
    shop.order("calm", "delivered")
    shop.order("both", "delivered")
    shop.order("both", "cancelled")
    shop.order("twice", "assigned")
    shop.order("twice", "assigned", suffix="-again")


def test_only_orders_with_contradicting_events_are_listed_with_the_reason(regions: TwoRegions) -> None:
    make_conflicts(Shop(regions))
    report = regions.run_json("conflicts", "list", "--region", HERE)
    reasons = {order["order_id"]: order["conflicts"] for order in report["orders"]}
    assert reasons == {
        "both": ["both delivered and cancelled"],
        "twice": ["two different events for assigned, attempt 1"],
    }
    assert "both: delivered: both delivered and cancelled" in regions.run("conflicts", "list", "--region", HERE).output


def test_an_order_that_only_one_view_flags_is_told_of_as_such(regions: TwoRegions) -> None:
    make_conflicts(Shop(regions))
    done = regions.run("conflicts", "list")
    assert f"both: delivered: both delivered and cancelled (only in {HERE})" in done.output


def test_a_region_that_does_not_answer_is_told_of_and_the_other_is_listed(regions: TwoRegions) -> None:
    make_conflicts(Shop(regions))
    regions.silence(PEER)
    report = regions.run_json("conflicts", "list")
    assert PEER in report["no_answer"]
    assert len(report["orders"]) == 2


def test_without_conflicts_it_says_so(regions: TwoRegions) -> None:
    Shop(regions).order("calm")
    assert "no conflicts" in regions.run("conflicts", "list").output


def test_a_region_that_is_none_is_refused(regions: TwoRegions) -> None:
    assert regions.run("conflicts", "list", "--region", "eu-west-1").exit_code == 2
