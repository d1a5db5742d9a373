"""Two versions on one log: what a recorded release wrote means the same here, and what is written here it can read.

A test that fails here says that this version cannot run beside that one.
"""

from __future__ import annotations

import json

import pytest

from shared.adapters.items import effect_from_plain
from shared.topology import STATUSES, TOPOLOGY
from tests.component.conftest import forget
from tests.component.pipeline import catch
from tests.component.region import RegionUnderTest
from tests.component.releases import (
    RECORDINGS,
    Release,
    assert_shown_as_recorded,
    effects_by_event,
    send,
    still_says,
    store,
    stream,
)

REGIONS = ("us-east-1", "us-east-2")


def move_to(region: RegionUnderTest, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the functions run in another Region, over the same tables."""
    monkeypatch.setenv("AWS_REGION", name)
    monkeypatch.setenv("PEER_REGION", next(other for other in REGIONS if other != name))
    forget()


def test_a_release_is_recorded() -> None:
    assert RECORDINGS  # without one, the tests below would be none


def test_the_recording_has_every_status_both_regions_and_a_conflict(release: Release) -> None:
    for entity in ("event", "effect"):
        assert {item["status"] for item in release.log(entity)} == set(STATUSES)
        assert {item["origin_region"] for item in release.log(entity)} == set(REGIONS)
    assert release.document["figures"]["conflicts"] == 1
    assert any(item.get("copied_items") for item in release.log("event"))
    assert release.log("heartbeat")


@pytest.mark.parametrize("name", REGIONS)
def test_a_recorded_log_is_projected_to_the_same_orders_and_figures(
    region: RegionUnderTest, release: Release, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_to(region, name, monkeypatch)
    caught = catch(region)
    stream(region, release.log())
    assert region.view_items("QUARANTINE") == []
    assert caught.published == []  # every effect is there
    assert_shown_as_recorded(region, release)


def test_recorded_effects_are_announced_as_they_were(region: RegionUnderTest, release: Release) -> None:
    caught = catch(region)
    stream(region, release.log())
    found = {sent["detail"]["event_id"]: sent for sent in caught.announcements}
    assert set(found) == {recorded["detail"]["event_id"] for recorded in release.document["announcements"]}
    for recorded in release.document["announcements"]:
        sent = found[recorded["detail"]["event_id"]]
        assert (sent["DetailType"], sent["Source"]) == (recorded["type"], recorded["source"])
        assert still_says(recorded["detail"], sent["detail"])


@pytest.mark.parametrize("name", REGIONS)
def test_recorded_events_are_published_so_that_the_recorded_version_can_process_them(
    region: RegionUnderTest, release: Release, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_to(region, name, monkeypatch)
    caught = catch(region)
    stream(region, release.log("event"))
    recorded = {message["event_id"]: message for message in release.messages(name)}
    assert set(caught.published) == set(recorded)
    for message in caught.messages:
        assert still_says(recorded[message["body"]["event_id"]], message["body"])
        assert message["MessageAttributes"]["status"]["StringValue"] == message["body"]["status"]


def test_recorded_messages_give_the_very_effects_that_were_recorded(region: RegionUnderTest, release: Release) -> None:
    bodies = [sent["body"] for sent in release.document["messages"]]
    assert region.process([{"text": body, "order_id": json.loads(body)["order_id"]} for body in bodies]) == []
    assert effects_by_event(region.log_items("effect")) == effects_by_event(release.log("effect"))


def test_recorded_effects_keep_their_hash_and_stand_when_their_messages_come_again(
    region: RegionUnderTest, release: Release
) -> None:
    for item in release.log("effect"):
        assert effect_from_plain(item).content_hash == item["content_hash"]
    store(region, release.log())
    before = region.log_items()
    bodies = [sent["body"] for sent in release.document["messages"]]
    texts = [{"text": body, "order_id": json.loads(body)["order_id"]} for body in bodies]
    assert region.process(texts) == []
    assert region.log_items() == before


def test_a_request_that_the_recorded_version_took_is_a_repeat_here(region: RegionUnderTest, release: Release) -> None:
    store(region, release.log())
    before = region.log_items()
    for request in release.document["requests"]:
        answer = send(region, request)
        assert answer.status == 200, (request, answer.text)
        assert answer.json.get("event_id", request["event_id"]) == request["event_id"]
    assert region.log_items() == before


def test_the_same_requests_write_items_that_the_recorded_version_can_read(
    region: RegionUnderTest, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it reads is there with the same value and type: only attributes may be new."""
    recorded = {item["event_id"]: item for item in release.log("event")}
    log = TOPOLOGY.order_log_table
    for request in release.document["requests"]:
        move_to(region, request["region"], monkeypatch)
        away = [item for item in region.log_items("event") if item["event_id"] in request.get("not_yet_arrived", ())]
        for item in away:
            key = {name: {"S": item[name]} for name in ("pk", "sk")}
            region.module("runtime").order_log()._client.delete_item(TableName=log, Key=key)
        answer = send(region, request)
        assert answer.status == request["status"], answer.text
        store(region, away)
    written = {item["event_id"]: item for item in region.log_items("event")}
    assert set(written) == set(recorded)
    for event_id, item in recorded.items():
        assert still_says(item, written[event_id]), (item, written[event_id])
