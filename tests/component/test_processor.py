"""The processor: one insert for an event's effect, whatever was redelivered, redriven or done by the peer meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from shared.adapters.items import event_from_plain
from shared.domain.effects import effect_of
from tests.component.pipeline import register
from tests.component.region import RegionUnderTest


class PeerLog:
    """The peer's replica: has an effect, has none, or does not answer."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def effect(self, order_id: str, event_id: str) -> object:
        self.asked.append(event_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def with_peer(region: RegionUnderTest, answer: object) -> PeerLog:
    peer = PeerLog(answer)
    region.module("processor")._processor.peer_log = lambda: peer
    return peer


def test_the_effect_of_an_event_is_inserted(region: RegionUnderTest) -> None:
    event_id = register(region, "o", "delivered", items=[{"product": "p", "price": 2}])
    region.module("processor")
    region.counted()
    assert region.process(region.log_items("event")) == []
    assert region.counted()["PutItem"] == 1
    (effect,) = region.log_items("effect")
    assert effect["sk"] == f"EFFECT#{event_id}"
    assert effect.items() >= {"kind": "receipt", "origin_region": "us-east-1", "status": "delivered"}.items()
    assert len(effect["content_hash"]) == 64


def test_a_redelivered_message_changes_nothing(region: RegionUnderTest) -> None:
    register(region, "o")
    events = region.log_items("event")
    region.process(events)
    (before,) = region.log_items("effect")
    region.at = region.clock().replace(year=region.clock().year + 1)
    assert region.process(events + events) == []
    assert region.log_items("effect") == [before]


def test_an_effect_of_the_peer_stands(region: RegionUnderTest) -> None:
    register(region, "o")
    (event,) = region.log_items("event")
    made = effect_of(event_from_plain(event), origin_region="us-east-2", recorded_at=region.clock())
    region.module("runtime").order_log().record_effect(made)  # as the peer's code does, into its own replica
    before = region.log_items("effect")
    assert region.process([event]) == []
    assert region.log_items("effect") == before


def test_an_effect_that_would_change_is_counted_and_the_first_one_stands(
    region: RegionUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    register(region, "o", city="Cali")
    (event,) = region.log_items("event")
    region.process([event])
    before = region.log_items("effect")
    capsys.readouterr()
    assert region.process([{**event, "city": "Pasto"}]) == []
    assert region.log_items("effect") == before
    assert '"EffectContentDiffers":[1.0]' in capsys.readouterr().out
    region.process([event])
    assert "EffectContentDiffers" not in capsys.readouterr().out


def test_after_an_error_the_rest_of_that_order_waits_and_other_orders_do_not(region: RegionUnderTest) -> None:
    register(region, "a", "failed", attempt=1)
    register(region, "a", "failed", attempt=2)
    register(region, "b", "failed", attempt=1)
    register(region, "c", "failed", attempt=1)
    by_order = {name: [event for event in region.log_items("event") if event["order_id"] == name] for name in "abc"}
    first, second = sorted(by_order["a"], key=lambda event: event["attempt"])
    ill = {"text": '{"entity":"event"}', "group": "a", "order_id": "a"}
    assert region.process([*by_order["c"], ill, first, *by_order["b"], second]) == ["m2", "m3", "m5"]
    assert [effect["order_id"] for effect in region.log_items("effect")] == ["b", "c"]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '{"entity":"effect"}'])
def test_a_message_that_is_no_event_comes_again(region: RegionUnderTest, text: str) -> None:
    register(region, "b")
    ill = {"text": text, "group": "a", "order_id": "a"}
    assert region.process([ill, *region.log_items("event")]) == ["m1"]


def test_a_young_message_does_not_ask_the_peer(region: RegionUnderTest) -> None:
    peer = with_peer(region, None)
    register(region, "o")
    region.process(region.log_items("event"), age_seconds=50)
    assert peer.asked == []


def test_an_old_message_asks_the_peer_first(region: RegionUnderTest) -> None:
    event_id = register(region, "o")
    (item,) = region.log_items("event")
    peer = with_peer(region, effect_of(event_from_plain(item), origin_region="us-east-2", recorded_at=region.clock()))
    assert region.process([item], age_seconds=70) == []
    assert peer.asked == [event_id]
    assert region.log_items("effect") == []  # the peer's own will arrive


@pytest.mark.parametrize("answer", [None, ConnectTimeoutError(endpoint_url="https://there")])
def test_an_old_message_is_worked_on_when_the_peer_has_nothing_or_is_away(
    region: RegionUnderTest, answer: object
) -> None:
    peer = with_peer(region, answer)
    register(region, "o")
    assert region.process(region.log_items("event"), age_seconds=3600) == []
    assert len(peer.asked) == 1
    assert len(region.log_items("effect")) == 1


def test_the_peer_is_asked_within_a_second(region: RegionUnderTest) -> None:
    client: Any = region.module("runtime").peer_order_log()._client
    assert client.meta.region_name == "us-east-2"
    assert client.meta.config.read_timeout <= 1
    assert client.meta.config.connect_timeout <= 1
    assert client.meta.config.retries["total_max_attempts"] == 1


def test_a_delivered_without_items_is_not_processed(region: RegionUnderTest) -> None:
    """The relay does not send one; if it came all the same, it must not become an empty receipt."""
    register(region, "o", "delivered")
    register(region, "x", "delivered", items=[{"product": "p", "price": 1}])
    assert region.process(sorted(region.log_items("event"), key=lambda event: event["order_id"])) == ["m1"]
    assert [effect["order_id"] for effect in region.log_items("effect")] == ["x"]
