"""The sentinel over real tables: beats, loses its peer only with reason, drains, takes over, publishes again, parks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.adapters import clients
from shared.adapters.control import Control, RegisterTakenError
from shared.topology import TOPOLOGY
from tests.component.pipeline import Caught, catch, from_peer, register, work_of
from tests.component.region import LambdaContext, RegionUnderTest, stream_record
from tests.written_metrics import gauges_of_a_look

START = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
CREATED = {
    "pk": "ORDER#o", "sk": "EVENT#created-there", "entity": "event", "schema": 1, "order_id": "o",
    "event_id": "created-there", "status": "created", "origin_region": "us-east-2", "subject": "eva",
    "recorded_at": "2026-11-21T16:00:00.000Z", "body_hash": "h", "total": "2.00",
    "items": [{"product": "p", "price": "2.00", "quantity": 1}],
}  # fmt: skip


@dataclass
class Watch:
    """A sentinel whose clock and peer a test moves."""

    region: RegionUnderTest
    caught: Caught
    peer_serves: bool = True
    peer_beats: bool = True

    def look(self, seconds: float = 0) -> Any:
        """Let time pass, the peer beat if it does, and look."""
        assert self.region.at is not None
        self.region.at += timedelta(seconds=seconds)
        sentinel = self.region.module("sentinel")._sentinel
        if self.peer_beats:
            sentinel.log.beat(region="us-east-2", numbers=range(4), now=self.region.at, announced_through=None)
        sentinel.peer_serving = lambda: self.peer_serves
        return sentinel.look()

    def lose_peer(self) -> None:
        self.peer_serves = self.peer_beats = False
        for _ in range(8):
            if self.look(15).gone_looks == 2:
                return
        raise AssertionError("the peer is not lost")

    def relay_log(self) -> None:
        assert self.region.relay_everything() == []


@pytest.fixture
def watch(region: RegionUnderTest) -> Watch:
    region.at = START
    return Watch(region, catch(region))


def register_of(region: RegionUnderTest) -> str:
    return region.module("runtime").control().register().draining  # type: ignore[no-any-return]


def test_a_look_beats_in_every_heartbeat_partition(watch: Watch) -> None:
    watch.peer_beats = False
    watch.look()
    beats = watch.region.log_items("heartbeat")
    assert {beat["pk"] for beat in beats} == {f"HEARTBEAT#us-east-1#{number}" for number in range(4)}
    assert {beat["beat_at"] for beat in beats} == {"2026-11-21T17:00:00.000Z"}
    assert {beat["origin_region"] for beat in beats} == {"us-east-1"}
    watch.look(15)
    assert {beat["beat_at"] for beat in watch.region.log_items("heartbeat")} == {"2026-11-21T17:00:15.000Z"}


def own_beats(watch: Watch) -> list[dict[str, Any]]:
    return [item for item in watch.region.log_items("heartbeat") if item["region"] == "us-east-1"]


def vouched(watch: Watch) -> set[str | None]:
    """Up to when this Region's heartbeats say that its effects were announced."""
    return {item.get("announced_through") for item in own_beats(watch)}


def test_the_beat_vouches_for_what_came_back_through_the_relay_and_no_further(watch: Watch) -> None:
    watch.look()
    watch.relay_log()
    watch.look(15)
    assert vouched(watch) == {"2026-11-21T16:59:00.000Z"}  # the beat that was relayed, less the margin
    register(watch.region, "o")
    watch.region.at += timedelta(seconds=300)
    watch.relay_log()
    watch.look(15)
    assert vouched(watch) == {"2026-11-21T16:59:15.000Z"}  # not past the event whose effect is not announced


def test_a_shard_that_never_moved_or_stands_still_vouches_for_nothing_new(watch: Watch) -> None:
    """Heartbeats lie in several partitions, since a relay may stand still in one shard of the stream alone."""
    watch.look()
    first = own_beats(watch)
    watch.region.relay([stream_record(beat) for beat in first[1:]])
    watch.look(15)
    assert vouched(watch) == {None}
    watch.region.relay([stream_record(beat) for beat in (first[0], *own_beats(watch)[1:])])
    watch.look(15)
    assert vouched(watch) == {"2026-11-21T16:59:00.000Z"}


def test_with_more_pending_work_than_a_look_reads_nothing_new_is_vouched_for(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest of it may be among what was not read."""
    watch.look()
    watch.relay_log()
    watch.look(15)
    register(watch.region, "o")
    watch.relay_log()
    monkeypatch.setattr(watch.region.module("sentinel"), "MAX_PENDING", 1)
    watch.look(15)
    assert vouched(watch) == {"2026-11-21T16:59:00.000Z"}
    monkeypatch.undo()
    watch.look()
    assert vouched(watch) == {"2026-11-21T16:59:15.000Z"}


def test_an_effect_that_waits_long_for_its_announcement_is_not_vouched_for(watch: Watch) -> None:
    """The relay saw the effect late and could not announce it: what counts is when the effect was written."""
    event_id = register(watch.region, "o")
    watch.region.process(watch.region.log_items("event"))
    watch.caught.refuse = {event_id}
    watch.region.at += timedelta(minutes=10)
    watch.look()
    watch.relay_log()
    watch.look()
    assert vouched(watch) == {"2026-11-21T16:59:00.000Z"}


def test_a_peer_is_lost_only_when_both_signs_are_gone_in_two_looks(watch: Watch) -> None:
    watch.look()
    watch.peer_beats = False
    assert [watch.look(15).gone_looks for _ in range(6)] == [0] * 6  # its health endpoint still answers
    watch.peer_serves = False
    assert watch.look(15).gone_looks == 1
    assert register_of(watch.region) == "none"
    assert watch.look(15).gone_looks == 2
    assert register_of(watch.region) == "us-east-2"


def test_a_peer_that_beats_is_never_lost(watch: Watch) -> None:
    watch.peer_serves = False
    assert [watch.look(15).gone_looks for _ in range(10)] == [0] * 10


def test_one_sign_of_life_starts_the_count_again(watch: Watch) -> None:
    watch.look()
    watch.peer_serves = watch.peer_beats = False
    for _ in range(4):
        guard = watch.look(15)
    assert guard.gone_looks == 1
    watch.peer_serves = True
    assert watch.look(15).gone_looks == 0
    watch.peer_serves = False
    assert watch.look(15).gone_looks == 1
    assert register_of(watch.region) == "none"


def test_a_look_that_dies_in_the_middle_of_its_work_is_not_forgotten(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise work that kills every look would keep a lost peer from ever being found lost."""
    watch.look()
    watch.peer_serves = watch.peer_beats = False

    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(watch.region.module("sentinel")._sentinel.worker, "work", die)
    for _ in range(5):
        with pytest.raises(SystemExit):
            watch.look(15)
    assert register_of(watch.region) == "us-east-2"


def test_losing_the_peer_drains_it_and_only_readmit_clears_that(watch: Watch) -> None:
    watch.look()
    watch.lose_peer()
    register = watch.region.module("runtime").control().register()
    assert (register.draining, register.by) == ("us-east-2", "sentinel of us-east-1")
    watch.peer_serves = watch.peer_beats = True
    for _ in range(4):
        watch.look(15)
    assert register_of(watch.region) == "us-east-2"
    watch.region.module("runtime").control().readmit("us-east-2", by="ops", reason="back", now=START)
    watch.look(15)
    assert register_of(watch.region) == "none"


def test_a_drained_region_does_not_drain_its_peer(watch: Watch) -> None:
    watch.region.module("runtime").control().drain("us-east-1", by="ops", reason="drill", now=START)
    watch.look()
    watch.lose_peer()
    assert register_of(watch.region) == "us-east-1"


def test_a_lost_peers_events_are_taken_over_after_a_minute(watch: Watch) -> None:
    watch.look()
    event_id = register(watch.region, "o")
    (item,) = watch.region.log_items("event")
    watch.region.put(TOPOLOGY.order_log_table, from_peer(item))
    watch.relay_log()
    watch.look(61)
    assert watch.caught.messages == []  # the peer lives
    watch.lose_peer()
    (message,) = watch.caught.messages
    assert message["MessageDeduplicationId"] == f"{event_id}#1"
    assert work_of(watch.region, event_id)["pending_region"] == "us-east-1"
    watch.look(15)
    assert len(watch.caught.messages) == 1


def test_a_young_event_of_a_lost_peer_waits_its_minute(watch: Watch) -> None:
    watch.look()
    watch.lose_peer()
    register(watch.region, "o")
    (item,) = watch.region.log_items("event")
    watch.region.put(TOPOLOGY.order_log_table, from_peer(item))
    watch.relay_log()
    for seconds, published in ((15, 0), (44, 0), (1, 1)):
        watch.look(seconds)
        assert len(watch.caught.messages) == published


def test_a_drained_peer_that_beats_is_relieved_after_five_minutes(watch: Watch) -> None:
    watch.region.module("runtime").control().drain("us-east-2", by="ops", reason="drill", now=START)
    register(watch.region, "o")
    (item,) = watch.region.log_items("event")
    watch.region.put(TOPOLOGY.order_log_table, from_peer(item))
    watch.relay_log()
    for seconds, published in ((15, 0), (284, 0), (1, 1)):
        watch.look(seconds)
        assert len(watch.caught.messages) == published


def test_own_work_is_published_again_after_1_5_and_25_minutes_then_parked(watch: Watch) -> None:
    event_id = register(watch.region, "o")
    watch.relay_log()
    for seconds, attempts in ((59, 1), (1, 2), (299, 2), (1, 3), (1499, 3), (1, 4), (1499, 4), (1, 4), (3600, 4)):
        watch.look(seconds)
        assert len(watch.caught.messages) == attempts
    assert [m["MessageDeduplicationId"] for m in watch.caught.messages] == [f"{event_id}#{n}" for n in range(4)]
    assert work_of(watch.region, event_id)["pending_region"] == "us-east-1#parked"


def test_a_record_that_comes_again_does_not_start_the_tries_again(watch: Watch) -> None:
    event_id = register(watch.region, "o")
    watch.relay_log()
    watch.look(60)
    before = work_of(watch.region, event_id)
    watch.relay_log()
    assert work_of(watch.region, event_id) == before
    assert before["attempt"] == 1


def test_an_effect_is_announced_again_until_it_got_through(watch: Watch) -> None:
    event_id = register(watch.region, "o")
    watch.region.process(watch.region.log_items("event"))
    watch.caught.refuse = {event_id}
    watch.relay_log()
    watch.look(60)
    watch.caught.refuse = set()
    watch.look(299)
    assert watch.caught.announced == []
    watch.look(1)
    assert watch.caught.announced == [event_id]
    assert "pending_region" not in work_of(watch.region, event_id)
    watch.look(3600)
    assert watch.caught.announced == [event_id]


def test_a_silent_topic_costs_no_try(watch: Watch) -> None:
    event_id = register(watch.region, "o")
    watch.relay_log()
    watch.caught.silent = True
    watch.look(60)
    assert work_of(watch.region, event_id)["attempt"] == 0
    watch.caught.silent = False
    watch.region.module("sentinel")._sentinel.worker.topic._silence._until = 0.0
    watch.look(15)
    assert watch.caught.published == [event_id, event_id]


def test_a_delivered_is_published_when_its_items_have_arrived(watch: Watch) -> None:
    event_id = register(watch.region, "o", "delivered")
    watch.relay_log()
    for _ in range(10):  # however long that takes
        watch.look(1500)
    assert watch.caught.messages == []
    assert work_of(watch.region, event_id)["attempt"] == 0
    watch.region.put(TOPOLOGY.order_log_table, CREATED)
    watch.look(60)
    (message,) = watch.caught.messages
    assert (message["body"]["event_id"], message["body"]["total"]) == (event_id, "2.00")


def test_a_blocked_lane_is_published_in_order_and_opened_again(watch: Watch) -> None:
    first = register(watch.region, "o", "failed", attempt=1)
    watch.caught.refuse = {first}
    watch.relay_log()
    watch.region.at = watch.region.clock() + timedelta(seconds=5)
    second = register(watch.region, "o", "failed", attempt=2)
    watch.relay_log()
    watch.look(55)  # the first is due and refused once more; the second waits behind it
    assert watch.caught.published == []
    watch.look(60)
    assert watch.caught.published == []
    (row,) = watch.region.view_items("ORDER#o", "ROW")
    assert row.get("blocked") == {"failed"}
    watch.caught.refuse = set()
    watch.look(240)
    assert watch.caught.published == [first, second]
    (row,) = watch.region.view_items("ORDER#o", "ROW")
    assert "blocked" not in row
    third = register(watch.region, "o", "failed", attempt=3)
    watch.relay_log()
    assert watch.caught.published[-1] == third


def test_a_lane_stays_closed_when_a_later_event_slips_in_while_it_is_opened(watch: Watch) -> None:
    first = register(watch.region, "o", "failed", attempt=1)
    watch.caught.refuse = {first}
    watch.relay_log()
    work = watch.region.module("runtime").order_work()
    look = work._row_and_unpublished
    second: list[str] = []

    def slow_look(order_id: str) -> Any:
        found = look(order_id)
        if not second:
            second.append(register(watch.region, "o", "failed", attempt=2))
            watch.relay_log()
        return found

    work._row_and_unpublished = slow_look
    watch.caught.refuse = set()
    watch.look(60)
    assert watch.caught.published == [first]
    (row,) = watch.region.view_items("ORDER#o", "ROW")
    assert row.get("blocked") == {"failed"}


def test_a_lost_peers_unvouched_effects_are_announced(watch: Watch) -> None:
    event_id = register(watch.region, "o")
    watch.region.process(watch.region.log_items("event"))
    for item in watch.region.log_items():
        watch.region.put(TOPOLOGY.order_log_table, from_peer(item))
    watch.relay_log()
    watch.look()
    assert watch.caught.announced == []
    watch.lose_peer()
    assert watch.caught.announced == [event_id]
    watch.look(15)
    assert watch.caught.announced == [event_id]


def test_what_the_lost_peer_vouched_for_is_not_announced_again(watch: Watch) -> None:
    register(watch.region, "o")
    watch.region.process(watch.region.log_items("event"))
    for item in watch.region.log_items():
        watch.region.put(TOPOLOGY.order_log_table, from_peer(item))
    watch.relay_log()
    watch.look()
    log = watch.region.module("runtime").order_log()
    log.beat(region="us-east-2", numbers=range(4), now=START + timedelta(seconds=1), announced_through=START)
    watch.lose_peer()
    watch.look(60)
    assert watch.caught.announced == []


def test_one_orders_trouble_does_not_stop_the_others(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {name: register(watch.region, name) for name in "abc"}
    watch.relay_log()
    watch.caught.messages.clear()
    log = watch.region.module("runtime").OrderLog
    order = log.order

    def ill(self: Any, order_id: str) -> Any:
        if order_id == "b":
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "ill"}}, "Query")
        return order(self, order_id)

    monkeypatch.setattr(log, "order", ill)
    watch.look(60)
    assert sorted(watch.caught.published) == sorted([ids["a"], ids["c"]])
    monkeypatch.setattr(log, "order", order)
    watch.look(15)
    assert ids["b"] in watch.caught.published


def test_the_function_looks_until_its_minute_is_over_and_survives_a_failed_look(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch(region)
    module = region.module("sentinel")
    module._sentinel.peer_serving = lambda: True
    moments = iter(range(10_000))
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    look = module._sentinel.look

    def sometimes() -> Any:
        if next(moments) == 1:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "ill"}}, "Query")
        return look()

    monkeypatch.setattr(module._sentinel, "look", sometimes)
    context = LambdaContext()
    context.get_remaining_time_in_millis = lambda: int((60 - clock[0]) * 1000)  # type: ignore[method-assign]
    assert module.handler({}, context) == {"looks": 4, "failed": 1}
    assert clock[0] == 45


def written(printed: str) -> list[dict[str, Any]]:
    """The EMF documents among printed lines."""
    return [line for line in map(json.loads, printed.splitlines()) if "_aws" in line]


def run_of(watch: Watch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """One invocation that has time for one look; returns what it wrote."""
    module = watch.region.module("sentinel")
    watch.look()  # sets the peer up
    module.metrics.clear_metrics()
    watch.relay_log()
    capsys.readouterr()
    assert module.handler({}, LambdaContext(seconds=3)) == {"looks": 1, "failed": 0}
    (document,) = written(capsys.readouterr().out)
    return document


def test_every_look_writes_every_gauge_that_alarms_miss(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    register(watch.region, "o")
    document = run_of(watch, capsys)
    assert gauges_of_a_look() <= set(document)
    values = {name: document[name][0] for name in gauges_of_a_look()}
    assert (values["Looks"], values["PeerServing"], values["PeerLostNow"], values["DrainedHere"]) == (1, 1, 0, 0)
    assert values["PendingWork"] == 1
    assert values["FreshnessSeconds"] <= 1


def test_a_look_tells_what_it_saw_of_a_lost_peer(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    register(watch.region, "o")
    (item,) = watch.region.log_items("event")
    watch.look()
    watch.relay_log()
    watch.lose_peer()
    watch.region.put(TOPOLOGY.order_log_table, from_peer(item))
    watch.relay_log()
    watch.region.at = watch.region.clock() + timedelta(seconds=45)
    document = run_of(watch, capsys)
    assert document["PeerServing"] == [0]
    assert document["PeerLostNow"] == [1]
    assert document["PeerHeartbeatAgeSeconds"][0] > 90
    assert document["PeerFreshnessSeconds"][0] > 90
    assert document["FreshnessSeconds"][0] <= 1


def test_a_look_that_fails_writes_no_gauge(
    watch: Watch, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = watch.region.module("sentinel")

    def ill() -> Any:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "ill"}}, "Query")

    monkeypatch.setattr(module._sentinel, "look", ill)
    module.metrics.clear_metrics()
    assert module.handler({}, LambdaContext(seconds=3)) == {"looks": 1, "failed": 1}
    (document,) = written(capsys.readouterr().out)
    assert document["LookFailed"] == [1]
    assert not gauges_of_a_look() & set(document)


def test_the_register_names_at_most_one_region(region: RegionUnderTest) -> None:
    control = Control(clients.dynamodb(), TOPOLOGY.control_table)
    control.drain("us-east-1", by="a", reason="r", now=START)
    with pytest.raises(RegisterTakenError):
        control.drain("us-east-2", by="b", reason="r", now=START)
    assert control.register().draining == "us-east-1"
    control.drain("us-east-1", by="c", reason="again", now=START)
    with pytest.raises(RegisterTakenError):
        control.readmit("us-east-2", by="b", reason="r", now=START)
    control.readmit("us-east-1", by="b", reason="r", now=START)
    control.drain("us-east-2", by="b", reason="r", now=START)
    assert control.register().draining == "us-east-2"
