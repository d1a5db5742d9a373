"""The demand model against the code: calls and units that it counts for an order are those that an order costs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadtests.colombia import GIVEN_NAMES, PRODUCTS, SURNAMES
from shared import viewers
from shared.adapters.batch_reads import MOST_IN_ONE_READ
from shared.adapters.order_view import FIGURES
from shared.demand import (
    LOG_WRITES,
    NOTES_OF_OWN,
    NOTES_OF_PEER,
    PROJECTION_WRITES,
    Load,
    demand_of,
)
from shared.hot_keys import DELIVERED_SHARE, NAME_BYTES, ORDER_ITEM_BYTES, PRODUCTS_OF_ORDER, kpi_load
from shared.topology import TOPOLOGY
from tests.component.aws import dead_letter_queues
from tests.component.pipeline import catch, from_peer, register
from tests.component.region import RegionUnderTest, stream_record
from tests.component.webhook_receiver import Receiver, messages_of, subscribe, tell

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
    region.at = region.clock()  # what is remembered for seconds stays remembered
    caught = catch(region)
    # What a process does once: settings, keyring, guard, the list's bucket, who subscribed to webhooks.
    register(region, "first")
    region.process(region.log_items("event"))
    region.relay([stream_record(item, 1) for item in region.log_items()])
    region.counted()
    requests = caught.requests
    register(region, "o", items=LINES)
    (event,) = [item for item in region.log_items("event") if item["order_id"] == "o"]
    region.relay([stream_record(event, 2)])
    region.process([event])
    (effect,) = [item for item in region.log_items("effect") if item["order_id"] == "o"]
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
    assert expected.pop("GetItem") == 0  # of a dashboard's status alone
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
        # Row and work, the item that counts the order, and once it is delivered its products and courier.
        names = PRODUCTS_OF_ORDER + 1 if status == "delivered" else 0
        assert sorted(kinds) == ["KPI"] * (1 + names) + ["ORDER", "ORDER"]
        assert written.notes_of_orders() == NOTES_OF_OWN
        monkeypatch.undo()
    # A transaction costs two units a KB: row, work and the item that counts the order are below one.
    sizes = {item["sk"].partition("#")[0]: size_of(item) for item in region.view_items("ORDER#")}
    assert 2 * sum(math.ceil(size / 1024) for size in sizes.values()) == PROJECTION_WRITES
    counted = [item for item in region.view_items("KPI#", FIGURES) if "status:delivered" in item]
    assert [size_of(item) <= ORDER_ITEM_BYTES for item in counted] == [True]
    assert {status for status, _ in JOURNEY} >= {"delivered"}
    assert 1 / len(JOURNEY) == DELIVERED_SHARE


def test_a_name_takes_no_more_of_an_item_than_the_model_says() -> None:
    """By the sizes that DynamoDB counts: a number costs half a byte a digit and one more."""
    names = [f"product:{name}" for name, *_ in PRODUCTS]
    names += [f"courier:{given} {surname}" for given in GIVEN_NAMES for surname in SURNAMES]
    sizes = [len(name.encode()) + 1 + math.ceil(len("1000") / 2) for name in names]
    assert sum(sizes) / len(sizes) <= NAME_BYTES


def test_the_dashboard_reads_as_many_items_as_the_model_counts_in_one_call(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        register(region, f"o{number}", "delivered", items=LINES, courier=f"c{number}")
    region.relay([stream_record(item, number) for number, item in enumerate(region.log_items(), 1)])
    asked: list[Any] = []
    client = region.module("runtime").order_queries()._client
    batch = client.batch_get_item
    monkeypatch.setattr(client, "batch_get_item", lambda **request: asked.append(request) or batch(**request))
    assert region.call("GET", "/v1/metrics").json["delivered"] == 30
    (request,) = asked
    keys = request["RequestItems"][TOPOLOGY.order_view_table]["Keys"]
    assert len(keys) == len(TOPOLOGY.kpi_items.all) + len(TOPOLOGY.regions) <= MOST_IN_ONE_READ
    assert len({key["pk"]["S"] for key in keys}) == len(TOPOLOGY.kpi_items.all) + 1  # partitions; freshness has one
    assert kpi_load(1.0, TOPOLOGY).units_per_read == 0.5 * len(keys)  # small items: half a unit each


def test_a_dashboard_page_makes_the_calls_that_the_model_counts(region: RegionUnderTest) -> None:
    region.call("GET", "/v1/metrics")  # what a process does once
    region.counted()
    region.call("GET", "/v1/metrics")
    assert region.counted() == {"BatchGetItem": 1}
    region.call("GET", "/v1/status")
    assert region.counted() == {
        "GetItem": viewers.status_gets(TOPOLOGY), "Query": viewers.status_queries(TOPOLOGY),
    }  # fmt: skip
    without, one = (demand_of(Load(orders=0, reads=0, viewers=pages)) for pages in (0, 1))
    more = {name: rate - without.aws_calls[name] for name, rate in one.aws_calls.items()}
    assert more.pop("DynamoDB BatchGetItem") == pytest.approx(viewers.METRICS)
    assert more.pop("DynamoDB GetItem") == pytest.approx(viewers.STATUSES * viewers.status_gets(TOPOLOGY))
    assert more.pop("DynamoDB Query") == pytest.approx(viewers.STATUSES * viewers.status_queries(TOPOLOGY))
    assert set(more.values()) == {0}
    assert one.gateway_requests - without.gateway_requests == pytest.approx(viewers.READS + viewers.LOGINS)
    figures = viewers.METRICS * one.kpi.units_per_read
    assert figures < one.view_reads - without.view_reads < 1.2 * figures


def test_a_dashboard_page_asks_as_often_as_the_model_says() -> None:
    source = (Path(__file__).parents[2] / "global_stack/site/src/App.tsx").read_text()
    every = {
        name: int(value.replace("_", "")) for name, value in re.findall(r"const (\w+)_EVERY_MS = ([\d_]+);", source)
    }
    assert every["METRICS"] == 1000 * viewers.METRICS_EVERY_SECONDS
    assert every["YESTERDAY"] == 1000 * viewers.DAY_BEFORE_EVERY_SECONDS
    assert every["STATUS_BESIDE"] == 1000 * viewers.STATUS_EVERY_SECONDS
    # No view asks for more figures; the one for operators asks for statuses, which are cheap, more often.
    assert every["METRICS_BESIDE"] > every["METRICS"]


def test_the_sentinel_looks_at_as_many_queues_as_the_model_counts(region: RegionUnderTest) -> None:
    with dead_letter_queues():
        sentinel = region.module("sentinel")
        sentinel.tell_dead_letters()  # finds out the queues' addresses, once
        region.counted()
        sentinel.tell_dead_letters()
        looks = region.counted()["GetQueueAttributes"]
    model = demand_of(Load(orders=0, reads=0))
    assert model.queue_looks == model.aws_calls["SQS GetQueueAttributes"] == pytest.approx(looks / 60)


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


def test_a_webhook_makes_the_reads_that_the_model_counts(region: RegionUnderTest) -> None:
    """Beside what the order costs: its look-up, and what it takes to tell of it."""
    region.at = region.clock()
    subscribe(region)
    catch(region)
    Receiver(region)
    for order in ("first", "o"):
        register(region, order)
        (event,) = [item for item in region.log_items("event") if item["order_id"] == order]
        region.process([event])
        (effect,) = [item for item in region.log_items("effect") if item["order_id"] == order]
        region.counted()
        region.relay([stream_record(effect, 1)])
        with messages_of(event) as records:
            assert tell(region, *records) == []
        told = region.counted()
    plain, heard = (demand_of(Load(1, 0, with_peer=False, heard=share)) for share in (0, 1))
    assert told["Query"] == heard.aws_calls["DynamoDB Query"] - plain.aws_calls["DynamoDB Query"]
    reads = [demand.log_reads + demand.account_reads for demand in (plain, heard)]
    assert told["Query"] == reads[1] - reads[0]  # each is below 4 KB, and consistent
