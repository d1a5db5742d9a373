"""An unknown newer version on the same log: it adds attributes and kinds of things, and this one goes on beside it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.component.pipeline import catch
from tests.component.region import RegionUnderTest, stream_record
from tests.component.releases import Release, assert_shown_as_recorded, effects_by_event, send, stream

MORE: dict[str, Any] = {
    "schema": 2,
    "priority": "high",
    "weight_grams": Decimal("1250.5"),
    "seals": {"a", "b"},
    "signature": b"\x00\xff",
    "address": {"street": "Calle 19 # 4-71", "point": [Decimal("4.6"), Decimal("-74.07")], "gate": None},
}


def newer(item: dict[str, Any]) -> dict[str, Any]:
    """A stored item as a newer version might write it: all that is known, and more at every level."""
    more = {**item, **MORE}
    if "items" in item:
        more["items"] = [{**line, "sku": "S-1", "discount": Decimal("0.1")} for line in item["items"]]
    return more


def unknown(event: dict[str, Any]) -> list[dict[str, Any]]:
    """What no older version can know, in the order of an event."""
    order = {"pk": event["pk"], "order_id": event["order_id"]}
    return [
        {**newer(event), "sk": "EVENT#returned", "event_id": "returned", "status": "returned"},
        {**order, "sk": "EVENT#claim", "entity": "claim", "event_id": "claim", "recorded_at": event["recorded_at"]},
        {**order, "sk": "REFUND#1", "entity": "refund", "amount": Decimal("10.5"), **MORE},
        {**order, "sk": "EFFECT#2", "entity": "settlement", "event_id": event["event_id"], "content": {"a": 1}},
    ]


def between(items: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Both in one batch, one of the others behind each of the first items."""
    mixed = list(items)
    for number, other in enumerate(others):
        mixed.insert(2 * number, other)
    return mixed


def test_attributes_of_a_newer_version_change_nothing_that_is_shown(region: RegionUnderTest, release: Release) -> None:
    catch(region)
    stream(region, [newer(item) for item in release.log()])
    assert region.view_items("QUARANTINE") == []
    assert_shown_as_recorded(region, release)


def test_events_of_a_newer_version_are_published_and_processed(region: RegionUnderTest, release: Release) -> None:
    caught = catch(region)
    stream(region, [newer(item) for item in release.log("event")])
    texts = [{"text": sent["Message"], "order_id": sent["body"]["order_id"]} for sent in caught.messages]
    assert region.process(texts) == []
    own = {message["event_id"] for message in release.messages("us-east-1")}
    expected = effects_by_event([item for item in release.log("effect") if item["event_id"] in own])
    assert effects_by_event(region.log_items("effect")) == expected


def test_messages_of_a_newer_version_give_the_known_effects(region: RegionUnderTest, release: Release) -> None:
    more = {"schema": 2, "priority": "high", "address": {"point": [4.6, -74.07]}, "weight_grams": 1250.5}
    texts = []
    for message in release.messages():
        lines = [{**line, "sku": "S-1"} for line in message.get("items", [])]
        sent = {**message, **more, **({"items": lines} if lines else {})}
        texts.append({"text": json.dumps(sent), "order_id": message["order_id"]})
    assert region.process(texts) == []
    assert effects_by_event(region.log_items("effect")) == effects_by_event(release.log("effect"))


def test_what_only_a_newer_version_knows_is_set_aside_whole_and_stops_nobody(
    region: RegionUnderTest, release: Release
) -> None:
    """In the middle of one batch, in one order, and elsewhere in the log: the rest goes on as if it were not there."""
    caught = catch(region)
    event = release.log("event")[0]
    strangers = [*unknown(event), {"pk": "CAMPAIGN#7", "sk": "CAMPAIGN", "entity": "campaign", **MORE}]
    stream(region, between(release.log(), strangers))
    set_aside = region.view_items("QUARANTINE")
    assert len(set_aside) == len(strangers)
    for stranger in strangers:
        assert any(stranger["pk"] in item["record"] and stranger["sk"] in item["record"] for item in set_aside)
    assert_shown_as_recorded(region, release)
    assert not {"returned", "claim"} & {*caught.published, *caught.announced}


def test_an_order_of_recorded_newer_and_unknown_items_goes_on(region: RegionUnderTest, release: Release) -> None:
    """Old and new attributes alternate within an order, strangers among them, and clients go on registering."""
    caught = catch(region)
    events = [event for event in release.log("event") if event["order_id"] == "p-1001"]
    *earlier, last = events
    assert last["status"] == "delivered"
    mixed = [newer(event) if number % 2 else event for number, event in enumerate(earlier)]
    stream(region, between(mixed, unknown(earlier[0])))
    assert set(caught.published) == {event["event_id"] for event in earlier}
    (row,) = region.view_items("ORDER#p-1001", "ROW")
    assert row["status"] == "in_transit"
    (request,) = [sent for sent in release.document["requests"] if sent["event_id"] == last["event_id"]]
    answer = send(region, request)
    assert (answer.status, answer.json["event_id"]) == (201, last["event_id"])
    region.relay(
        [stream_record(item, 90) for item in region.log_items("event") if item["event_id"] == last["event_id"]]
    )
    texts = [{"text": sent["Message"], "order_id": "p-1001"} for sent in caught.messages]
    assert region.process(texts) == []
    of_order = [item for item in release.log("effect") if item["order_id"] == "p-1001"]
    assert effects_by_event(region.log_items("effect")) == effects_by_event(of_order)
    (row,) = region.view_items("ORDER#p-1001", "ROW")
    assert (row["status"], row["total"]) == ("delivered", release.document["orders"]["p-1001"]["total"])


RICHER: dict[str, Any] = {
    "flat": {"insured": True, "premium": 10, "insurer": "Andina"},
    "a fraction": {"premium": Decimal("10.5")},
    "a list": {"legs": [{"hours": 4, "by": "road"}]},
    "an object": {"insurer": {"name": "Andina", "rate": Decimal("0.02")}},
}


@pytest.mark.parametrize("name", RICHER)
def test_an_effect_of_a_newer_version_is_announced_shown_and_stands(
    region: RegionUnderTest, release: Release, name: str
) -> None:
    """It may say more than this version would: the first effect of an event counts, whoever wrote it."""
    caught = catch(region)
    effect = next(item for item in release.log("effect") if item["origin_region"] == region.name)
    event = next(item for item in release.log("event") if item["event_id"] == effect["event_id"])
    content = {**effect["content"], **RICHER[name]}
    richer = {**newer(effect), "kind": "insured", "content": content, "content_hash": "f" * 64}
    stream(region, [event, richer])
    assert region.process([event]) == []
    assert region.log_items("effect") == [richer]
    (announcement,) = caught.announcements
    (shown,) = region.call("GET", f"/v1/orders/{event['order_id']}").json["effects"]
    for found in (announcement["detail"], shown):
        assert found["kind"] == "insured"
        assert json.loads(json.dumps(found["content"]), parse_float=Decimal) == content


def test_an_unreadable_effect_of_a_newer_version_stands_and_holds_no_message_up(
    region: RegionUnderTest, release: Release
) -> None:
    catch(region)
    effect = release.log("effect")[0]
    event = next(item for item in release.log("event") if item["event_id"] == effect["event_id"])
    other_form = {**effect, "entity": "effect-set", "contents": [effect["content"]]}
    stream(region, [event, other_form])
    other_event = {**event, "event_id": "another", "idempotency_key": "another"}
    assert region.process([event, other_event]) == []
    assert other_form in region.log_items()
