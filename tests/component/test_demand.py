"""The demand model against the code: calls and units that it counts for an order are those that an order costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from shared.demand import (
    KPI_WRITES,
    LOG_WRITES,
    NOTES_OF_OWN,
    NOTES_OF_PEER,
    PROJECTION_WRITES,
    Load,
    demand_of,
)
from shared.topology import TOPOLOGY
from tests.component.pipeline import catch, from_peer, register
from tests.component.region import RegionUnderTest, stream_record

LINES = [
    {"product": "Café Huila 500 g", "price": "32000", "quantity": 2},
    {"product": "Panela orgánica 1 kg", "price": 12500},
]
JOURNEY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("created", {"items": LINES, "city": "Medellín"}),
    ("assigned", {"courier": "Luis Fernando"}),
    ("in_transit", {}),
    ("delivered", {}),
)


def bytes_of(value: Any) -> int:
    """DynamoDB's size of a value, about: text as UTF-8, numbers as if they were long, lists and maps framed."""
    match value:
        case str():
            return len(value.encode())
        case bool() | None:
            return 1
        case Mapping():
            return 3 + sum(len(name) + bytes_of(part) + 1 for name, part in value.items())
        case list():
            return 3 + sum(bytes_of(part) + 1 for part in value)
        case set() | frozenset():
            return sum(map(bytes_of, value))
    return 21


def size_of(item: Mapping[str, Any]) -> int:
    return sum(len(name) + bytes_of(value) for name, value in item.items())


class Written:
    """What the view's client was asked to write, by call."""

    def __init__(self, region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.actions: list[Any] = []
        self.notes: list[Any] = []
        client = region.module("runtime").order_view()._client
        transact, batch = client.transact_write_items, client.batch_write_item

        def transacted(**request: Any) -> Any:
            self.actions += request["TransactItems"]
            return transact(**request)

        def batched(**request: Any) -> Any:
            ((_, puts),) = request["RequestItems"].items()
            self.notes += [put["PutRequest"]["Item"] for put in puts]
            return batch(**request)

        monkeypatch.setattr(client, "transact_write_items", transacted)
        monkeypatch.setattr(client, "batch_write_item", batched)

    def notes_of_orders(self) -> int:
        return sum(note["pk"]["S"].startswith("ORDER#") for note in self.notes)


def test_an_order_makes_the_calls_that_the_model_counts(region: RegionUnderTest) -> None:
    caught = catch(region)
    register(region, "first")  # what a process does once: settings, keyring, guard, the list's bucket
    region.relay([stream_record(item, 1) for item in region.log_items()])
    region.counted()
    requests = caught.requests
    register(region, "o", items=LINES)
    (event,) = [item for item in region.log_items("event") if item["order_id"] == "o"]
    region.relay([stream_record(event, 2)])
    region.process([event])
    (effect,) = region.log_items("effect")
    region.relay([stream_record(effect, 3)])
    counted = region.counted()
    model = demand_of(Load(orders=1, reads=0, with_peer=False))
    heartbeats = model.stream_records - LOG_WRITES
    assert heartbeats < 0.3
    counted.pop("Scan")  # the test's own
    expected = {
        name.removeprefix("DynamoDB "): rate for name, rate in model.aws_calls.items() if name.startswith("DynamoDB ")
    }
    expected["BatchWriteItem"] -= heartbeats  # they make batches of their own
    assert counted == pytest.approx(expected)
    announced = model.aws_calls["SNS PublishBatch"] + model.aws_calls["EventBridge PutEvents"]
    assert caught.requests - requests == announced


def test_a_projection_writes_what_the_model_counts(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    catch(region)
    for status, fields in JOURNEY:
        written = Written(region, monkeypatch)
        register(region, "CE-2026-000123", status, **fields)
        (event,) = [item for item in region.log_items("event") if item["status"] == status]
        region.relay([stream_record(event, 1)])
        region.process([event])
        (effect,) = [item for item in region.log_items("effect") if item["status"] == status]
        region.relay([stream_record(effect, 2)])
        kinds = [next(iter(action.values()))["Key"]["pk"]["S"].partition("#")[0] for action in written.actions]
        assert sorted(kinds) == ["KPI", "ORDER", "ORDER"]  # KPIs, row and work
        assert written.notes_of_orders() == NOTES_OF_OWN
        monkeypatch.undo()
    # A transaction costs two units a KB: row and work are below one, and the KPI item is given two.
    sizes = {item["sk"].partition("#")[0]: size_of(item) for item in region.view_items("ORDER#")}
    assert 2 * sum(math.ceil(size / 1024) for size in sizes.values()) + KPI_WRITES == PROJECTION_WRITES
    assert all(size_of(item) <= 2048 for item in region.view_items("KPI#", "SHARD"))


def test_the_peers_order_costs_a_projection_and_a_note_but_no_announcement(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = catch(region)
    register(region, "o", items=LINES)
    region.process(region.log_items("event"))
    for item in region.log_items():
        region.put(TOPOLOGY.order_log_table, from_peer(item))
    written = Written(region, monkeypatch)
    (event,), (effect,) = region.log_items("event"), region.log_items("effect")
    region.relay([stream_record(event, 1)])
    region.relay([stream_record(effect, 2)])
    assert caught.requests == 0
    assert written.notes_of_orders() == NOTES_OF_PEER
    assert len(written.actions) == 3


def test_typical_items_are_as_small_as_the_units_say(region: RegionUnderTest) -> None:
    """One unit for each write of the log, and one to read a whole order consistently."""
    catch(region)
    for status, fields in JOURNEY:
        register(region, "CE-2026-000123", status, **fields)
    region.process(region.log_items("event"))
    sizes = [size_of(item) for item in region.log_items()]
    assert len(sizes) == len(JOURNEY) * LOG_WRITES
    assert max(sizes) <= 1024
    assert sum(sizes) <= 4096
