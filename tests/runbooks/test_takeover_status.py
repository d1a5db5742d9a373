"""`relevo takeover status`: register, what the sentinels saw, and pending work, from whichever Region answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.adapters.control import Control
from shared.adapters.order_rows import waits_for, work_key
from shared.domain.instants import to_text
from shared.domain.takeover import Guard
from shared.topology import TOPOLOGY
from tests.runbooks.shop import NOW, Shop
from tests.runbooks.two_regions import HERE, PEER, TwoRegions


def test_pending_work_is_counted_by_whose_it_is(regions: TwoRegions) -> None:
    shop = Shop(regions)
    shop.order("mine")
    shop.order("theirs", origin=PEER)
    parked, taken = shop.order("parked"), shop.order("taken", origin=PEER)
    shop.spoil("ORDER#parked", work_key(parked.event_id), **waits_for(f"{HERE}#parked", "parked", due_at=NOW))
    shop.spoil(
        "ORDER#taken", work_key(taken.event_id), **waits_for(HERE, "taken", due_at=NOW), taken_over_at=to_text(NOW),
        seen_at=to_text(NOW - timedelta(hours=1)),
    )  # fmt: skip
    shop.done(shop.order("done"))
    pending = regions.run_json("takeover", "status")["regions"][HERE]["pending"]
    assert {name: some["count"] for name, some in pending.items()} == {"own": 2, "peer": 1, "parked": 1}
    assert pending["own"]["taken_over"] == 1
    assert pending["own"]["oldest_seconds"] >= 3600
    text = regions.run("takeover", "status").output
    assert "own work: 2 pending" in text
    assert "1 taken over from the peer" in text


def test_register_and_guard_are_told_with_their_ages(regions: TwoRegions) -> None:
    shop, now = Shop(regions), datetime.now(UTC)
    Control(shop.client, TOPOLOGY.control_table).drain(PEER, by="sentinel of us-east-1", reason="lost", now=now)
    shop.queries.keep_guard(
        Guard(
            looked_at=now - timedelta(seconds=5), draining=PEER, peer_serving_at=now - timedelta(seconds=90),
            peer_beat="2026-11-21T12:00:00.000Z", peer_beat_seen_at=now - timedelta(seconds=100), gone_looks=3,
        )
    )  # fmt: skip
    found = regions.run_json("takeover", "status")["regions"][HERE]
    assert (found["register"]["draining"], found["register"]["reason"]) == (PEER, "lost")
    assert found["sentinel"]["peer_is_lost"]
    assert found["sentinel"]["looks_on_time"]
    assert 90 <= found["sentinel"]["peer_served_seconds_ago"] < 120
    text = regions.run("takeover", "status").output
    assert f"{PEER} is LOST" in text
    assert f"{PEER}: register: no Region is drained" in text, "replication is behind there, and that shows"


def test_a_sentinel_that_stopped_looking_is_called_late(regions: TwoRegions) -> None:
    Shop(regions).queries.keep_guard(Guard(looked_at=datetime.now(UTC) - timedelta(minutes=5)))
    text = regions.run("takeover", "status").output
    assert "LATE" in text
    assert "has not looked yet" in text


def test_a_lost_region_is_told_of_and_the_other_is_shown(regions: TwoRegions) -> None:
    regions.silence(PEER)
    done = regions.run("takeover", "status")
    assert done.exit_code == 0
    assert f"{PEER}: no answer" in done.output
    assert f"{HERE}: register" in done.output


def test_with_no_region_answering_the_command_fails(regions: TwoRegions) -> None:
    for region in TOPOLOGY.region_names:
        regions.silence(region)
    assert regions.run("takeover", "status").exit_code == 1
