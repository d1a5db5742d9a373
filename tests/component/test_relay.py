"""The relay: projects before it publishes, publishes only its own, and lets nobody's trouble stop the others."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.topology import TOPOLOGY
from tests.component.pipeline import catch, from_peer, register, without_seen, work_of
from tests.component.region import RegionUnderTest, stream_record

LINES = [{"product": "p", "price": "2.50", "quantity": 2}]


def records_of(region: RegionUnderTest) -> list[dict[str, Any]]:
    return [stream_record(item, number) for number, item in enumerate(region.log_items(), 1)]


def view_without_time(region: RegionUnderTest) -> list[dict[str, Any]]:
    return without_seen([item for item in region.view_items() if not item["sk"].startswith("FRESHNESS")])


def test_an_own_event_is_projected_then_published_to_the_queue_of_its_status(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o", items=LINES)
    seen_when_publishing: list[set[str]] = []
    publish = caught.publish_batch

    def look_then_publish(**sent: Any) -> dict[str, Any]:
        seen_when_publishing.append({item["sk"] for item in region.view_items("ORDER#o")})
        return publish(**sent)

    caught.publish_batch = look_then_publish  # type: ignore[method-assign]
    assert region.relay(records_of(region)) == []
    assert seen_when_publishing == [{"ROW", f"WORK#{event_id}"}]
    (message,) = caught.messages
    assert message["MessageGroupId"] == "o"
    assert message["MessageDeduplicationId"] == f"{event_id}#0"
    assert message["MessageAttributes"] == {"status": {"DataType": "String", "StringValue": "created"}}
    assert message["body"]["items"] == [{"product": "p", "price": "2.50", "quantity": 2}]
    work = work_of(region, event_id)
    assert work["pending_region"] == "us-east-1"
    assert work["published_at"] > ""


def test_only_own_events_are_published_and_only_own_effects_announced(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o")
    region.process(region.log_items("event"))
    for item in region.log_items():
        region.put(TOPOLOGY.order_log_table, from_peer(item))
    assert region.relay(records_of(region)) == []
    assert (caught.messages, caught.announcements) == ([], [])
    assert work_of(region, event_id)["pending_region"] == "us-east-2#announce"
    assert region.call("GET", "/v1/orders").json["orders"][0]["order_id"] == "o"


def test_a_peers_event_waits_for_the_peer(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o")
    (item,) = region.log_items()
    region.put(TOPOLOGY.order_log_table, from_peer(item))
    region.relay(records_of(region))
    assert caught.messages == []
    assert work_of(region, event_id)["pending_region"] == "us-east-2"


def test_an_own_effect_is_announced_once_and_noted(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o", items=LINES, status="delivered")
    region.process(region.log_items("event"))
    region.relay(records_of(region))
    (announcement,) = caught.announcements
    assert (announcement["Source"], announcement["DetailType"]) == ("relevo", "OrderEffect")
    assert announcement["EventBusName"] == TOPOLOGY.effect_bus
    assert announcement["detail"] == {
        "event_id": event_id, "order_id": "o", "status": "delivered", "kind": "receipt", "origin_region": "us-east-1",
        "content": {"total": "5.00", "currency": "COP", "lines": 1, "units": 2},
    }  # fmt: skip
    work = work_of(region, event_id)
    assert "pending_region" not in work
    assert work["announced_at"] > ""


def test_an_event_whose_effect_is_there_is_not_published_again(region: RegionUnderTest) -> None:
    caught = catch(region)
    register(region, "o")
    region.process(region.log_items("event"))
    region.relay(records_of(region))
    assert caught.messages == []


def test_an_event_whose_effect_is_there_is_no_work(region: RegionUnderTest) -> None:
    """Nobody would end it: the effect's own record may have been read long ago."""
    catch(region)
    event_id = register(region, "o")
    region.process(region.log_items("event"))
    region.relay([stream_record(item) for item in region.log_items("event")])
    assert "pending_region" not in work_of(region, event_id)


def test_replayed_reordered_and_split_batches_change_nothing(region: RegionUnderTest) -> None:
    catch(region)
    for number in range(3):
        register(region, f"o{number}", items=LINES, courier=f"c{number}")
        register(region, f"o{number}", "in_transit")
        register(region, f"o{number}", "delivered" if number else "cancelled")
    region.process([event for event in region.log_items("event") if event["order_id"] == "o1"])
    records = records_of(region)
    region.relay(records)
    expected = view_without_time(region)
    figures = region.call("GET", "/v1/metrics").json
    assert (figures["sales"], figures["delivered"]) == ("10.00", 2)
    rng = random.Random(7)
    for _ in range(3):
        again = rng.choices(records, k=16)
        for start in range(0, len(again), 6):
            assert region.relay(again[start : start + 6]) == []
    assert view_without_time(region) == expected


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_of_arrival_gives_the_same_view(region: RegionUnderTest, order: tuple[int, ...]) -> None:
    catch(region)
    register(region, "o", items=LINES)
    register(region, "o", "assigned", courier="Luis")
    register(region, "o", "delivered")
    log = sorted(region.log_items(), key=lambda item: item["recorded_at"])
    table = region.module("runtime").settings().order_log_table
    for item in log:
        region.module("runtime").order_log()._client.delete_item(
            TableName=table, Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}}
        )
    for number in order:
        region.put(TOPOLOGY.order_log_table, from_peer(log[number]))
        region.relay([stream_record(from_peer(log[number]), number)])
    (row,) = region.view_items("ORDER#", "ROW")
    assert (row["status"], row["courier"], row["total"]) == ("delivered", "Luis", "5.00")
    figures = region.call("GET", "/v1/metrics").json
    assert figures["orders_by_status"] | {"delivered": 1} == figures["orders_by_status"]
    assert sum(figures["orders_by_status"].values()) == 1
    assert figures["sales"] == "5.00"


def test_a_failed_projection_is_reported_at_its_first_record_and_the_others_go_on(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = catch(region)
    ids = {name: register(region, name) for name in ("a", "b", "c")}
    register(region, "b", "assigned")
    records = records_of(region)  # a, b, b, c by key
    project = region.module("relay").Projection.project

    def ill(self: Any, order_id: str, rows: Any) -> Any:
        if order_id == "b":
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "ill"}}, "TransactWriteItems")
        return project(self, order_id, rows)

    monkeypatch.setattr(region.module("relay").Projection, "project", ill)
    failed = region.relay(records)
    assert failed == [records[1]["dynamodb"]["SequenceNumber"]]
    assert {item["order_id"] for item in region.view_items("ORDER#", "ROW")} == {"a", "c"}
    assert caught.published == [ids["a"], ids["c"]]
    monkeypatch.setattr(region.module("relay").Projection, "project", project)
    assert region.relay(records[1:]) == []
    assert {item["order_id"] for item in region.view_items("ORDER#", "ROW")} == {"a", "b", "c"}
    assert set(ids.values()) <= set(caught.published)


def test_a_failure_to_publish_does_not_fail_the_batch_and_holds_back_its_lane(region: RegionUnderTest) -> None:
    caught = catch(region)
    first = register(region, "o", "failed", attempt=1)
    other_order = register(region, "x", "failed", attempt=1)
    caught.refuse = {first}
    assert region.relay(records_of(region)) == []
    assert caught.published == [other_order]
    work = work_of(region, first)
    assert work["pending_region"] == "us-east-1"
    assert "published_at" not in work
    caught.refuse = set()
    second = register(region, "o", "failed", attempt=2)
    other_status = register(region, "o", "assigned", attempt=3)
    new = [event for event in region.log_items("event") if event["event_id"] in (second, other_status)]
    assert region.relay([stream_record(event, 9 + n) for n, event in enumerate(new)]) == []
    assert caught.published == [other_order, other_status]
    assert work_of(region, second)["pending_region"] == "us-east-1"


def test_behind_a_failed_event_of_the_same_batch_its_lane_waits(region: RegionUnderTest) -> None:
    caught = catch(region)
    first = register(region, "o", "failed", attempt=1)
    second = register(region, "o", "failed", attempt=2)
    caught.refuse = {first}
    log = sorted(region.log_items(), key=lambda item: item["attempt"])
    assert region.relay([stream_record(item, n) for n, item in enumerate(log)]) == []
    assert caught.published == []
    assert {work_of(region, event_id).get("published_at") for event_id in (first, second)} == {None}


def test_a_silent_topic_or_bus_costs_one_time_limit_and_no_projection(region: RegionUnderTest) -> None:
    caught = catch(region)
    caught.silent = True
    for number in range(12):
        register(region, f"o{number}")
    region.process([event for event in region.log_items("event") if event["order_id"] < "o1"])
    assert region.relay(records_of(region)) == []
    assert caught.requests == 2  # one to the topic, one to the bus
    assert len(region.view_items("ORDER#", "ROW")) == 12
    pending = [item for item in region.view_items("ORDER#", "WORK#") if item.get("pending_region") == "us-east-1"]
    assert len(pending) == 12


def test_an_effect_that_could_not_be_announced_stays_pending(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o")
    region.process(region.log_items("event"))
    caught.refuse = {event_id}
    assert region.relay(records_of(region)) == []
    work = work_of(region, event_id)
    assert (work.get("pending_region"), "announced_at" in work) == ("us-east-1", False)
    (effect,) = region.log_items("effect")
    assert work["recorded_at"] == effect["recorded_at"]


def test_a_delivered_without_items_waits_and_holds_back_its_lane(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o", "delivered")
    assert region.relay(records_of(region)) == []
    assert caught.messages == []
    assert work_of(region, event_id)["pending_region"] == "us-east-1"
    (row,) = region.view_items("ORDER#o", "ROW")
    assert row.get("blocked") == {"delivered"}


def test_a_delivered_gets_items_that_are_known_here_by_now(region: RegionUnderTest) -> None:
    caught = catch(region)
    event_id = register(region, "o", "delivered")
    created = {
        "pk": "ORDER#o", "sk": "EVENT#from-the-peer", "entity": "event", "schema": 1, "order_id": "o",
        "event_id": "from-the-peer", "status": "created", "origin_region": "us-east-2", "subject": "eva",
        "recorded_at": "2026-11-21T10:00:00.000Z", "body_hash": "h",
        "items": [{"product": "p", "price": "2.50", "quantity": 2}], "total": "5.00",
    }  # fmt: skip
    region.put(TOPOLOGY.order_log_table, created)
    region.relay(records_of(region))
    (message,) = caught.messages
    assert message["body"]["event_id"] == event_id
    assert message["body"]["total"] == "5.00"


MALFORMED: dict[str, dict[str, Any]] = {
    "unknown entity": {"entity": "surprise"},
    "no entity": {"entity": None},
    "unknown status": {"status": "lost"},
    "no time": {"recorded_at": "yesterday"},
    "bad price": {"items": [{"product": "p", "price": "free", "quantity": 1}]},
    "bad items": {"items": "p"},
    "bad line": {"items": ["p"]},
    "number for a time": {"recorded_at": 5},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_record_that_cannot_be_read_is_set_aside_and_stops_nobody(region: RegionUnderTest, name: str) -> None:
    caught = catch(region)
    good = register(region, "good")
    (item,) = region.log_items()
    bad = {**item, "pk": "ORDER#bad", "order_id": "bad", **MALFORMED[name]}
    region.put(TOPOLOGY.order_log_table, bad)
    assert region.relay([stream_record(bad, 1), stream_record(item, 2)]) == []
    assert caught.published == [good]
    set_aside = {item["sk"]: item["record"] for item in region.view_items("QUARANTINE")}
    assert list(set_aside) == ["1".rjust(21, "0")]
    assert "bad" in set_aside["1".rjust(21, "0")]


def test_a_removal_from_the_log_is_set_aside_too(region: RegionUnderTest) -> None:
    catch(region)
    record = {
        "eventName": "REMOVE",
        "dynamodb": {"Keys": {"pk": {"S": "ORDER#o"}}, "OldImage": {"pk": {"S": "ORDER#o"}}, "SequenceNumber": "5"},
    }
    assert region.relay([record]) == []
    (set_aside,) = region.view_items("QUARANTINE")
    assert "REMOVE" in set_aside["reason"]


def test_a_good_event_is_projected_beside_a_malformed_one_of_its_order(region: RegionUnderTest) -> None:
    catch(region)
    register(region, "o")
    (item,) = region.log_items()
    region.put(TOPOLOGY.order_log_table, {**item, "sk": "EVENT#bad", "event_id": "bad", "status": "lost"})
    assert region.relay([stream_record(item, 1)]) == []
    assert [row["status"] for row in region.view_items("ORDER#o", "ROW")] == ["created"]


def test_own_heartbeats_that_come_back_are_noted_and_freshness_per_region(region: RegionUnderTest) -> None:
    catch(region)
    log = region.module("runtime").order_log()
    log.beat(region="us-east-1", numbers=range(2), now=region.clock(), announced_through=None)
    log.beat(region="us-east-2", numbers=range(2), now=region.clock(), announced_through=None)
    assert region.relay(records_of(region)) == []
    assert [item["sk"] for item in region.view_items("RELAYED")] == ["00", "01"]
    assert set(region.call("GET", "/v1/metrics").json["freshness_seconds"]) == {"us-east-1", "us-east-2"}


@pytest.mark.parametrize("is_new", [False, True])
def test_a_projection_that_loses_a_race_starts_again(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    catch(region)
    register(region, "o", items=LINES)
    if not is_new:
        region.relay(records_of(region))
    register(region, "o", "delivered")
    view = region.module("runtime").OrderView
    read, stale = view.rows, []

    def late(self: Any, order_ids: list[str]) -> Any:
        found = read(self, order_ids)
        stale.append(found)  # between the look and the write, another projection of the same order gets through
        region.module("runtime").projection().project("o")
        return found

    monkeypatch.setattr(view, "rows", late)
    assert region.relay(records_of(region)) == []
    assert len(stale) == 1
    (row,) = region.view_items("ORDER#o", "ROW")
    assert (row["status"], row["version"]) == ("delivered", Decimal(1 if is_new else 2))
    figures = region.call("GET", "/v1/metrics").json
    assert (figures["delivered"], figures["sales"], sum(figures["orders_by_status"].values())) == (1, "5.00", 1)


def test_an_event_that_is_projected_meanwhile_is_not_taken_back(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a look at the log an event arrives, and another projection of the order is faster with it."""
    catch(region)
    register(region, "o", items=LINES)
    register(region, "o", "delivered")
    log = region.module("runtime").OrderLog
    read, overtaken = log.order, []

    def slow(self: Any, order_id: str) -> Any:
        found = read(self, order_id)
        if overtaken:
            return found
        overtaken.append(order_id)
        region.module("runtime").projection().project("o")
        return replace(found, events=tuple(event for event in found.events if event.status == "created"))

    monkeypatch.setattr(log, "order", slow)
    assert region.relay(records_of(region)) == []
    assert overtaken == ["o"]
    assert [row["status"] for row in region.view_items("ORDER#o", "ROW")] == ["delivered"]
    assert region.call("GET", "/v1/metrics").json["sales"] == "5.00"


def test_a_lane_is_blocked_only_where_there_is_a_row(region: RegionUnderTest) -> None:
    """Half a row could not be read, and would stop the order's projection for good."""
    region.module("runtime").order_work().block("o", "created")
    assert region.view_items() == []


def test_many_events_at_once_are_projected_in_steps(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    catch(region)
    for attempt in range(1, 8):
        register(region, "o", "failed", attempt=attempt)
    monkeypatch.setattr("shared.adapters.projection.MAX_NEW_EVENTS", 3)
    assert region.relay(records_of(region)) == []
    assert len(region.view_items("ORDER#o", "WORK#")) == 7
    (row,) = region.view_items("ORDER#o", "ROW")
    assert len(row["seen"]) == 7
    assert json.dumps(region.call("GET", "/v1/metrics").json["orders_by_status"]["failed"]) == "1"


def test_a_batch_costs_two_calls_an_order_and_few_for_all(region: RegionUnderTest) -> None:
    """Rows are read in one call and notes written in one; only an order's log and its row are calls of their own."""
    region.at = region.clock()
    catch(region)
    for number in range(12):
        register(region, f"o{number}")
    region.relay(records_of(region))  # the time bucket enters the directory once
    for number in range(12):
        register(region, f"n{number}")
    records = [record for record in records_of(region) if record["dynamodb"]["NewImage"]["order_id"]["S"][0] == "n"]
    region.counted()
    assert region.relay(records) == []
    assert region.counted() == {"BatchGetItem": 1, "Query": 12, "TransactWriteItems": 12, "BatchWriteItem": 1}
    region.process(region.log_items("event"))
    effects = [record for record in records_of(region) if record["dynamodb"]["NewImage"]["entity"]["S"] == "effect"]
    region.relay(effects[:1])  # who subscribed to webhooks is asked now and then
    region.counted()
    assert region.relay(effects[1:]) == []
    assert region.counted() == {"BatchWriteItem": 1}


def test_rows_that_dynamodb_left_out_are_read_one_by_one(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch(region)
    for order_id in ("a", "b"):
        register(region, order_id)
    client = region.module("runtime").order_view()._client
    read = client.batch_get_item

    def short(**request: Any) -> Any:
        ((table, wanted),) = request["RequestItems"].items()
        first, *others = wanted["Keys"]
        answer = read(RequestItems={table: {**wanted, "Keys": [first]}})
        return {**answer, "UnprocessedKeys": {table: {"Keys": others}}}

    monkeypatch.setattr(client, "batch_get_item", short)
    region.counted()
    assert region.relay(records_of(region)) == []
    assert region.counted()["GetItem"] == 1
    register(region, "b", "delivered", items=LINES)
    assert region.relay(records_of(region)) == []
    assert {row["order_id"]: row["status"] for row in region.view_items("ORDER#", "ROW")} == {
        "a": "created",
        "b": "delivered",
    }
