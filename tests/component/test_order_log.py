"""One contract for the order log: the adapter over moto, and the in-memory replica that the simulation drives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from loadtests.simulation.memory_log import MemoryLog
from shared.adapters.order_log import OrderLog
from shared.domain.effects import effect_of
from shared.domain.orders import Event, Item
from tests.component.region import RegionUnderTest

NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
EVENT = Event(
    order_id="o", event_id="e1", status="delivered", origin_region="us-east-1", recorded_at=NOW, subject="ana",
    body_hash="h", idempotency_key="k", occurred_at=NOW - timedelta(hours=1), attempt=2, courier="Luis", city="Cali",
    note="n", items=(Item("café", Decimal("10.50"), 3),), copied_items=True,
)  # fmt: skip


@pytest.fixture(params=["adapter", "memory"])
def log(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return MemoryLog()
    region: RegionUnderTest = request.getfixturevalue("region")
    return region.module("runtime").order_log()


def test_an_event_reads_back_as_it_was_written(log: OrderLog) -> None:
    assert log.record_event(EVENT) is True
    assert log.order("o").events == (EVENT,)
    bare = Event("bare", "e2", "created", "us-east-2", NOW, "ana", "h")
    log.record_event(bare)
    assert log.order("bare").events == (bare,)
    assert log.order("nobody").events == ()


def test_the_first_write_of_an_event_stands(log: OrderLog) -> None:
    log.record_event(EVENT)
    assert log.record_event(replace(EVENT, origin_region="us-east-2", recorded_at=NOW + timedelta(1))) is False
    assert log.order("o").events == (EVENT,)


def test_the_first_write_of_an_effect_stands_and_a_difference_is_told(log: OrderLog) -> None:
    effect = effect_of(EVENT, origin_region="us-east-1", recorded_at=NOW)
    assert log.record_effect(effect) == "written"
    assert (
        log.record_effect(replace(effect, origin_region="us-east-2", recorded_at=NOW + timedelta(1))) == "already there"
    )
    assert log.record_effect(replace(effect, content={**effect.content, "total": "0"})) == "content differs"
    assert log.effect("o", "e1") == effect
    assert log.order("o").effects == (effect,)
    assert log.effect("o", "e2") is None


def test_heartbeats_are_overwritten_and_the_newest_counts(log: OrderLog) -> None:
    assert log.newest_beat(region="us-east-1", numbers=range(4)) is None
    log.beat(region="us-east-1", numbers=range(4), now=NOW, announced_through=None)
    log.beat(region="us-east-1", numbers=range(1, 2), now=NOW + timedelta(seconds=15), announced_through=NOW)
    beat = log.newest_beat(region="us-east-1", numbers=range(4))
    assert beat is not None
    assert (beat.beat_at, beat.announced_through) == (NOW + timedelta(seconds=15), NOW)
    assert log.newest_beat(region="us-east-2", numbers=range(4)) is None


def test_an_order_larger_than_a_page_is_read_whole(region: RegionUnderTest) -> None:
    log = region.module("runtime").order_log()
    for number in range(5):
        log.record_event(replace(EVENT, event_id=f"e{number}", note="x" * 300_000))
    region.counted()
    assert len(log.order("o").events) == 5
    assert region.counted()["Query"] > 1
