"""`relevo reconcile`: finds what differs between view and log, and repairs it beside a running projection."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from runbooks import reconcile, view_audit
from runbooks.view_audit import Audit
from runbooks.view_repair import Repair
from shared.adapters import items
from shared.adapters.order_rows import waits_for, work_key
from shared.adapters.order_view import kpi_key
from shared.domain.effects import effect_of
from shared.topology import TOPOLOGY
from tests.runbooks.shop import NOW, TIMING, Shop
from tests.runbooks.two_regions import HERE, PEER, TwoRegions


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def shop(regions: TwoRegions) -> Shop:
    return Shop(regions)


def kinds(report: Any) -> list[str]:
    return sorted(one["kind"] for one in report["found"])


def compared(regions: TwoRegions) -> Any:
    """What a comparison without `--rebuild` finds; it writes nothing."""
    done = regions.run("reconcile", HERE, "--json")
    report = json.loads(done.stdout)
    assert done.exit_code == (1 if report["found"] else 0)
    return report


def rebuilt(regions: TwoRegions) -> None:
    """Rebuild, and find nothing any more afterwards."""
    done = regions.run("reconcile", HERE, "--rebuild", "--yes")
    assert done.exit_code == 0, done.output
    assert compared(regions)["found"] == []


def test_a_view_that_equals_its_log_has_no_difference(regions: TwoRegions, shop: Shop) -> None:
    for number in range(60):
        event = shop.order(f"o{number}", "delivered", origin=(HERE, PEER)[number % 2])
        if number % 3:
            shop.done(event, by=event.origin_region)
    assert compared(regions) == {
        "region": HERE, "found": [], "left": [], "not_judged": [], "unreadable_log_items": 0,
    }  # fmt: skip


def test_an_order_that_was_never_projected_is_found_and_projected(regions: TwoRegions, shop: Shop) -> None:
    shop.order("a", "delivered")
    event = shop.record("b", "delivered", price=70)
    assert kinds(compared(regions)) == ["order missing"]
    rebuilt(regions)
    assert shop.sales() == 170
    assert [work.event_id for work in shop.queries.pending(HERE)] == ["a-delivered", event.event_id]


@pytest.mark.parametrize(
    "fields",
    [{"status": "cancelled"}, {"total": "1"}, {"list_key": "x"}, {"conflicts": ["made up"]}, {"courier": None}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_tampered_row_is_found_and_repaired_with_its_figures(
    regions: TwoRegions, shop: Shop, fields: dict[str, object]
) -> None:
    shop.order("a", "delivered")
    shop.order("b", "delivered")
    shop.spoil("ORDER#a", "ROW", **fields)
    assert "row differs" in kinds(compared(regions))
    rebuilt(regions)
    assert shop.sales() == 200


def test_a_row_that_cannot_be_read_is_replaced(regions: TwoRegions, shop: Shop) -> None:
    shop.order("a", "delivered")
    shop.spoil("ORDER#a", "ROW", day="someday")
    assert "row unreadable" in kinds(compared(regions))
    rebuilt(regions)
    assert shop.sales() == 100


def test_a_tampered_figure_is_found_and_gets_what_it_lacks(regions: TwoRegions, shop: Shop) -> None:
    shop.order("a", "delivered")
    key = shop.kpi_item()
    shop.spoil(key["pk"], key["sk"], sales=Decimal("999.5"), **{"product:made up": 3})
    report = compared(regions)
    assert kinds(report) == ["figures differ"]
    assert "sales by +899.5" in report["found"][0]["detail"]
    rebuilt(regions)
    assert shop.sales() == 100


def test_a_lost_kpi_item_is_made_again_and_one_without_rows_is_emptied(regions: TwoRegions, shop: Shop) -> None:
    shop.order("a", "delivered")
    key = shop.kpi_item()
    shop.remove(key["pk"], key["sk"])
    shop.client.put_item(
        TableName=TOPOLOGY.order_view_table,
        Item={**items.to_wire(kpi_key(date(2026, 1, 1), 0)), "sales": {"N": "5"}},
    )
    assert kinds(compared(regions)) == ["figures differ", "figures differ"]
    rebuilt(regions)
    assert shop.sales() == 100


def test_without_yes_a_rebuild_prints_its_plan_and_writes_nothing(regions: TwoRegions, shop: Shop) -> None:
    shop.record("a")
    before = shop.view_items()
    done = regions.run("reconcile", HERE, "--rebuild")
    assert done.exit_code == 1
    for said in ("plan:", "undo: none needed", "nothing done; add --yes"):
        assert said in done.output
    assert shop.view_items() == before


def test_what_the_relay_projects_within_its_time_is_no_difference(
    regions: TwoRegions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.record("a")
    monkeypatch.setattr(reconcile, "SETTLE_SECONDS", 5.0)
    looks = Audit.verified

    def relay_catches_up(audit: Audit, order_ids: Any) -> Any:
        found = looks(audit, order_ids)
        shop.projection.project("a")
        return found

    monkeypatch.setattr(Audit, "verified", relay_catches_up)
    assert compared(regions)["found"] == []


def test_figures_that_move_while_their_rows_are_summed_are_not_called_different(
    regions: TwoRegions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order leaves the day while another one with the same figures enters: the items look as they were."""
    shop.order("a", "delivered")
    sums, moves = view_audit.add_rows, []

    def moving(found: Any, rows: Any) -> None:
        sums(found, rows)
        if not moves and found:
            found.clear()  # the scan saw neither
            for item in shop.view_items("KPI#"):
                moves.append(item)
                shop.spoil(item["pk"], item["sk"], version=item["version"] + 2)

    monkeypatch.setattr(view_audit, "add_rows", moving)
    assert compared(regions)["found"] == []
    assert moves


def test_figures_that_never_hold_still_are_reported_as_not_judged(
    regions: TwoRegions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order("a", "delivered")
    sums, version = view_audit.add_rows, [10]

    def moving(found: Any, rows: Any) -> None:
        sums(found, rows)
        found.clear()
        version[0] += 1
        for item in shop.view_items("KPI#"):
            shop.spoil(item["pk"], item["sk"], version=version[0])

    monkeypatch.setattr(view_audit, "add_rows", moving)
    done = regions.run("reconcile", HERE)
    assert done.exit_code == reconcile.NOT_JUDGED
    assert "could not be judged" in done.output


def test_a_projection_between_comparison_and_repair_of_a_figure_is_not_undone(
    regions: TwoRegions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order("a", "delivered")
    key = shop.kpi_item()
    same = next(f"b{n}" for n in range(99) if shard(f"b{n}") == int(key["pk"].rpartition("#")[2]))
    shop.spoil(key["pk"], key["sk"], sales=Decimal(1))
    repair, raced = Repair.kpis, []

    def racing(self: Repair, difference: Any) -> bool:
        if not raced:
            raced.append(same)
            shop.order(same, "delivered", price=11)
            assert repair(self, difference) is False, "it moved, so it has to be compared again"
            return False
        return repair(self, difference)

    monkeypatch.setattr(Repair, "kpis", racing)
    rebuilt(regions)
    assert shop.sales() == 111


def shard(order_id: str) -> int:
    from shared.domain.kpis import shard_of

    return shard_of(order_id, TOPOLOGY.kpi_items.orders)


def test_a_repair_that_is_sent_twice_adds_nothing_twice(shop: Shop) -> None:
    shop.order("a", "delivered")
    key = shop.kpi_item()
    shop.spoil(key["pk"], key["sk"], sales=Decimal(1))
    audit = Audit(shop.client, HERE, lambda: NOW)
    (difference,), _ = audit.kpi_pass()
    repair = Repair(shop.client, HERE, TIMING, lambda: NOW)
    assert repair.kpis(difference)
    assert not repair.kpis(difference)
    assert shop.sales() == 100


def test_a_projection_of_the_same_order_beside_the_repair_moves_figures_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order("a", "delivered")
    shop.spoil("ORDER#a", "ROW", status="cancelled", day="2026-01-01")
    audit, repair = Audit(shop.client, HERE, lambda: NOW), Repair(shop.client, HERE, TIMING, lambda: NOW)
    replace, raced = type(shop.view).replace_row, []

    def racing(self: Any, *arguments: Any, **more: Any) -> None:
        if not raced and self is repair.view:
            raced.append(1)
            shop.projection.project("a")  # the relay was faster
        replace(self, *arguments, **more)

    monkeypatch.setattr(type(shop.view), "replace_row", racing)
    repair.order(audit, "a", audit.verified(["a"])["a"])
    assert raced
    assert audit.verified(["a"]) == {}
    # The tampered row is taken out of a day to which it was never added, and put into its own: once.
    assert shop.sales() == 200


def test_work_that_waits_for_nobody_is_given_back(regions: TwoRegions, shop: Shop) -> None:
    mine, theirs = shop.order("a"), shop.order("b", origin=PEER)
    for event in (mine, theirs):
        shop.spoil(
            f"ORDER#{event.order_id}", work_key(event.event_id), pending_region=None, pending_key=None, due_at=None
        )
    lost = shop.order("c")
    shop.remove("ORDER#c", work_key(lost.event_id))
    assert kinds(compared(regions)) == ["work differs"] * 3
    rebuilt(regions)
    assert sorted(work.order_id for work in shop.queries.pending(HERE)) == ["a", "c"]
    assert [work.order_id for work in shop.queries.pending(PEER)] == ["b"]


def test_effects_that_the_relay_never_saw_are_left_to_the_sentinel_to_announce(regions: TwoRegions, shop: Shop) -> None:
    for order_id, by in (("a", HERE), ("b", PEER)):
        event = shop.order(order_id, origin=by)
        shop.log.record_effect(effect_of(event, origin_region=by, recorded_at=NOW))
        shop.remove(f"ORDER#{order_id}", work_key(event.event_id))
    assert kinds(compared(regions)) == ["work differs"] * 2
    rebuilt(regions)
    assert [work.order_id for work in shop.queries.pending(HERE)] == ["a"]
    unvouched = shop.queries.unvouched_effects(PEER, after=NOW - timedelta(seconds=1), limit=9)
    assert [work.order_id for work in unvouched] == ["b"]


def test_parked_and_forgotten_work_is_no_difference(regions: TwoRegions, shop: Shop) -> None:
    parked, old = shop.order("a"), shop.order("b")
    shop.spoil("ORDER#a", work_key(parked.event_id), **waits_for(f"{HERE}#parked", "a", due_at=NOW))
    shop.log.record_effect(effect_of(old, origin_region=HERE, recorded_at=NOW - timedelta(days=8)))
    shop.remove("ORDER#b", work_key(old.event_id))
    assert compared(regions)["found"] == []


def test_what_the_log_lacks_is_reported_and_left_alone(regions: TwoRegions, shop: Shop) -> None:
    gone, half = shop.order("a", "delivered"), shop.order("b")
    shop.order("b", "delivered")
    for event in (gone, half):
        shop.remove(f"ORDER#{event.order_id}", f"EVENT#{event.event_id}", TOPOLOGY.order_log_table)
    report = compared(regions)
    assert {one["kind"] for one in report["found"]} >= {"log lacks"}
    done = regions.run("reconcile", HERE, "--rebuild", "--yes")
    assert done.exit_code == 1
    assert "see the restore runbook" in done.output
    assert shop.view.row("a") is not None, "the row is the last trace of the order"


def test_only_the_named_region_is_read(regions: TwoRegions, shop: Shop) -> None:
    shop.order("a")
    regions.silence(PEER)
    assert compared(regions)["found"] == []


def test_a_silent_region_is_one_line(regions: TwoRegions) -> None:
    regions.silence(HERE)
    done = regions.run("reconcile", HERE)
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
