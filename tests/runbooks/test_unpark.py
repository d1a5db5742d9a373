"""Parked work goes back to its Region's sentinel, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.adapters.order_rows import waits_for
from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import HERE, PEER, TwoRegions


def put_work(regions: TwoRegions, event_id: str, whose: str) -> None:
    fields = {
        "pk": "ORDER#o", "sk": f"WORK#{event_id}", "order_id": "o", "event_id": event_id, "status": "created",
        **waits_for(whose, "o", due_at=datetime(2026, 1, 21, 10, 30, tzinfo=UTC)),
        "seen_at": "2026-01-21T10:00:00.000Z", "recorded_at": "2026-01-21T10:00:00.000Z",
        "parked_at": "2026-01-21T10:31:00.000Z",
    }  # fmt: skip
    item = {name: {"S": value} for name, value in fields.items()} | {"attempt": {"N": "3"}}
    regions.client("dynamodb", HERE).put_item(TableName=TOPOLOGY.order_view_table, Item=item)


def work(regions: TwoRegions, event_id: str) -> dict[str, dict[str, str]]:
    key = {"pk": {"S": "ORDER#o"}, "sk": {"S": f"WORK#{event_id}"}}
    found: dict[str, dict[str, str]] = regions.client("dynamodb", HERE).get_item(
        TableName=TOPOLOGY.order_view_table, Key=key
    )["Item"]
    return found


def test_parked_work_is_due_again_from_its_first_try_on_and_only_with_yes(regions: TwoRegions) -> None:
    put_work(regions, "mine", f"{HERE}#parked")
    put_work(regions, "the-peers", f"{PEER}#parked")
    plan = regions.run("unpark", HERE)
    assert (plan.exit_code, "1 pieces of work are parked" in plan.output, "nothing done" in plan.output) == (
        0,
        True,
        True,
    )
    assert work(regions, "mine")["pending_region"] == {"S": f"{HERE}#parked"}
    assert regions.run("unpark", HERE, "--yes").exit_code == 0
    mine = work(regions, "mine")
    assert (mine["pending_region"], mine["attempt"], "parked_at" in mine) == ({"S": HERE}, {"N": "0"}, False)
    assert mine["due_at"]["S"] > "2026-01-21T10:30:00.000Z"
    assert work(regions, "the-peers")["pending_region"] == {"S": f"{PEER}#parked"}


def test_without_parked_work_there_is_nothing_to_do(regions: TwoRegions) -> None:
    done = regions.run("unpark", HERE, "--yes")
    assert (done.exit_code, "nothing to do" in done.output) == (0, True)


def test_a_region_that_does_not_answer_is_named_in_one_line(regions: TwoRegions) -> None:
    regions.silence(HERE)
    done = regions.run("unpark", HERE)
    assert (done.exit_code, done.output.count("relevo:")) == (1, 1)
