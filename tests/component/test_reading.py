"""Reading: an order straight from the log, pages of the list, the figures of a day, the state of both Regions."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.order_rows import waits_for
from shared.domain.instants import to_text
from shared.domain.takeover import Guard
from shared.topology import STATUSES, TOPOLOGY
from tests.component.problems import problem
from tests.component.region import RegionUnderTest

NOON = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)  # in Bogota


def register(region: RegionUnderTest, order_id: str, at: datetime = NOON, **fields: Any) -> dict[str, Any]:
    region.at = at
    answer = region.call("POST", "/v1/orders", {"order_id": order_id, **fields})
    assert answer.status == 201, answer.text
    document: dict[str, Any] = answer.json
    return document


def walk(region: RegionUnderTest, path: str = "/v1/orders", **query: str) -> list[str]:
    """Every order id of a list, page by page."""
    found: list[str] = []
    for _ in range(100):
        page = region.call("GET", path, query=query)
        assert page.status == 200, page.text
        found += [order["order_id"] for order in page.json["orders"]]
        assert len(page.json["orders"]) <= int(query.get("limit", 50))
        if page.json["next_cursor"] is None:
            return found
        query["cursor"] = page.json["next_cursor"]
    raise AssertionError("the pages do not end")


def test_an_order_is_read_with_its_events_and_effects(region: RegionUnderTest) -> None:
    first = register(region, "o", items=[{"product": "p", "price": "1.50"}])
    register(region, "o", NOON + timedelta(seconds=1), status="delivered", note="en portería")
    region.process(region.log_items("event"))
    answer = region.call("GET", "/v1/orders/o")
    assert answer.status == 200
    assert [event["status"] for event in answer.json["events"]] == ["created", "delivered"]
    assert answer.json["events"][0]["event_id"] == first["event_id"]
    effects = {effect["kind"]: effect["content"] for effect in answer.json["effects"]}
    assert set(effects) == {"delivery_promise", "receipt"}
    assert effects["receipt"] == {"total": "1.50", "currency": "COP", "lines": 1, "units": 1}


def test_an_unknown_order_is_404(region: RegionUnderTest) -> None:
    problem(region.call("GET", "/v1/orders/nobody"), 404, "not-found")


def test_at_least_waits_for_an_event(region: RegionUnderTest) -> None:
    done = register(region, "o")
    assert region.call("GET", "/v1/orders/o", query={"at_least": done["event_id"]}).status == 200
    for path in ("/v1/orders/o", "/v1/orders/not-here-yet"):
        answer = region.call("GET", path, query={"at_least": "e" * 32})
        problem(answer, 503, "not-replicated-yet")
        assert answer.headers["Retry-After"] == "1"


def test_two_events_that_exclude_each_other_are_flagged(region: RegionUnderTest) -> None:
    register(region, "o", status="cancelled")
    register(region, "o", status="delivered")
    answer = region.call("GET", "/v1/orders/o").json
    assert (answer["status"], answer["conflict"], answer["conflicts"]) == (
        "delivered",
        True,
        ["both delivered and cancelled"],
    )


def test_pages_show_every_order_once_newest_first(region: RegionUnderTest) -> None:
    expected = []
    for number in range(12):  # over several buckets, two of them a day apart, and one month
        at = NOON - timedelta(seconds=37 * number, days=number // 9)
        at = at - timedelta(days=25) if number == 11 else at
        register(region, f"o{number}", at)
        expected.append(f"o{number}")
    region.relay_everything()
    region.at = NOON
    for limit in ("1", "3", "5", "100"):
        assert walk(region, limit=limit) == expected


def test_pages_with_filters_show_what_fits_once(region: RegionUnderTest) -> None:
    for number in range(12):
        at = NOON - timedelta(seconds=50 * number)
        register(region, f"o{number}", at, status=STATUSES[number % 6], attempt=1, courier=f"c{number % 2}")
    region.relay_everything()
    region.at = NOON
    assert walk(region, limit="1", status="delivered") == ["o4", "o10"]
    assert walk(region, limit="2", courier="c1") == ["o1", "o3", "o5", "o7", "o9", "o11"]
    assert walk(region, limit="2", courier="c0", status="in_transit") == ["o2", "o8"]
    assert walk(region, courier="nobody") == []


def test_a_day_shows_what_was_registered_on_it_in_bogota(region: RegionUnderTest) -> None:
    midnight = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
    for name, at in (("yesterday", midnight - timedelta(milliseconds=1)), ("today", midnight), ("later", NOON)):
        register(region, name, at)
    region.relay_everything()
    region.at = NOON + timedelta(days=2)
    assert walk(region, day="2026-11-21") == ["later", "today"]
    assert walk(region, day="2026-11-20") == ["yesterday"]
    assert walk(region, day="2026-11-19") == []


def test_a_page_costs_one_query_for_each_bucket_that_it_spans(region: RegionUnderTest) -> None:
    start = NOON.replace(second=45)
    for number in range(8):  # four to a bucket of a minute
        register(region, f"o{number}", start - timedelta(seconds=15 * number))
    region.relay_everything()
    region.at = start
    for limit, queries in (("1", 1), ("4", 1), ("5", 2), ("8", 2)):
        region.call("GET", "/v1/orders", query={"limit": limit})
        region.counted()
        assert len(region.call("GET", "/v1/orders", query={"limit": limit}).json["orders"]) == int(limit)
        assert region.counted() == {"Query": queries}


def test_a_bucket_over_several_keys_is_listed_in_order_and_costs_a_query_for_each(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = dataclasses.replace(TOPOLOGY, list_keys=3)
    runtime = region.module("runtime")
    monkeypatch.setattr(runtime.order_view(), "_topology", spread)
    monkeypatch.setattr(runtime.order_queries(), "_topology", spread)
    start = NOON.replace(second=45)
    for number in range(12):
        register(region, f"o{number}", start - timedelta(seconds=10 * number))
    region.relay_everything()
    assert {row["list_bucket"][-3:] for row in region.view_items("ORDER#", "ROW")} == {"#00", "#01", "#02"}
    region.at = start
    for limit in ("1", "4", "100"):
        assert walk(region, limit=limit) == [f"o{number}" for number in range(12)]
    region.counted()
    region.call("GET", "/v1/orders", query={"limit": "3"})
    assert region.counted() == {"Query": 3}


def test_orders_of_fewer_keys_are_listed_after_there_are_more(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        register(region, f"o{number}", NOON - timedelta(seconds=number))
    region.relay_everything()
    spread = dataclasses.replace(TOPOLOGY, list_keys=4)
    monkeypatch.setattr(region.module("runtime").order_view(), "_topology", spread)
    monkeypatch.setattr(region.module("runtime").order_queries(), "_topology", spread)
    register(region, "new", NOON + timedelta(seconds=1))
    register(region, "o2", NOON + timedelta(seconds=2), status="delivered")
    region.relay_everything()
    assert walk(region, limit="2") == ["new", "o0", "o1", "o2", "o3"]


def put_work(region: RegionUnderTest, order_id: str, *, due_at: datetime, **more: Any) -> None:
    """A row of work that a Region has not finished: its own, unless ``origin`` says whose."""
    origin, seen_at = more.get("origin", "us-east-1"), more.get("seen_at", due_at)
    region.put(
        TOPOLOGY.order_view_table,
        {
            "pk": f"ORDER#{order_id}", "sk": "WORK#e", "order_id": order_id, "event_id": "e", "status": "created",
            "seen_at": to_text(seen_at), **waits_for(origin, order_id, due_at=due_at),
        },
    )  # fmt: skip


def test_pending_work_is_read_oldest_first_over_all_of_its_keys(region: RegionUnderTest) -> None:
    for number in range(40):
        put_work(region, f"o{number}", due_at=NOON + timedelta(seconds=number * 7 % 40))
    keys = {item["pending_key"] for item in region.view_items("ORDER#")}
    assert len(keys) == TOPOLOGY.pending_keys > 1
    queries = region.module("runtime").order_queries()
    every = queries.pending("us-east-1")
    assert len(every) == 40
    assert [work.due_at for work in every] == sorted(work.due_at for work in every)
    region.counted()
    assert queries.pending("us-east-1", limit=5) == every[:5]
    assert region.counted() == {"Query": TOPOLOGY.pending_keys}
    assert queries.pending("us-east-2") == []


def test_a_dashboard_that_dynamodb_does_not_read_to_the_end_is_a_503(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throttling leaves items out of the answer; figures without them would be wrong."""
    register(region, "o", status="delivered", items=[{"product": "p", "price": 1}])
    region.relay_everything()
    client = region.module("runtime").order_queries()._client
    batch, left_out = client.batch_get_item, []

    def partly(**request: Any) -> Any:
        table = TOPOLOGY.order_view_table
        keys = request["RequestItems"][table]["Keys"]
        answered = batch(RequestItems={table: {"Keys": keys[:50]}})
        left_out.append(len(keys[50:]))
        return {**answered, "UnprocessedKeys": {table: {"Keys": keys[50:]}} if keys[50:] else {}}

    monkeypatch.setattr(client, "batch_get_item", partly)
    assert region.call("GET", "/v1/metrics").json["sales"] == "1.00"
    assert left_out == [len(TOPOLOGY.kpi_items.all) + 2 - 50, 0]
    monkeypatch.setattr(
        client, "batch_get_item", lambda **request: {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
    )
    problem(region.call("GET", "/v1/metrics"), 503, "dependency")


def test_a_rare_filter_gives_a_cursor_instead_of_reading_everything(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.order_queries.MAX_BUCKETS", 3)
    for number in range(6):
        register(region, f"o{number}", NOON - timedelta(minutes=number), courier="rare" if number == 5 else "often")
    region.relay_everything()
    region.at = NOON
    first = region.call("GET", "/v1/orders", query={"courier": "rare"}).json
    assert first["orders"] == []
    assert first["next_cursor"]
    assert walk(region, courier="rare") == ["o5"]


def deep_cursor(bucket: object, key: object) -> str:
    import base64
    import json

    return base64.urlsafe_b64encode(json.dumps([bucket, key]).encode()).decode().rstrip("=")


NOW = "2026-11-21T17:00:00.000Z"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "1e1"}, {"limit": "٣"}, {"limit": "9" * 5000},
        {"status": "done"}, {"day": "2026-11-31"}, {"day": "20261121"}, {"day": "2026-W47-6"}, {"day": "hoy"},
        {"day": "0001-01-01"}, {"courier": "\x00"}, {"courier": "x" * 201}, {"cursor": "ñ"}, {"cursor": "e30"},
        {"cursor": "W1sw" * 1500}, {"cursor": "W1tb" * 1500}, {"cursor": deep_cursor(NOW, "x")},
        {"cursor": deep_cursor("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z")},
        {"cursor": deep_cursor("2026-99-01T00:00:00.000Z", NOW)}, {"cursor": deep_cursor(NOW, NOW + "x" * 300)},
        {"cursor": deep_cursor(NOW, NOW + "\ud800")}, {"cursor": deep_cursor(1, 2)}, {"cursor": deep_cursor(None, NOW)},
    ],
)  # fmt: skip
def test_bad_parameters_are_400(region: RegionUnderTest, query: dict[str, str]) -> None:
    problem(region.call("GET", "/v1/orders", query=query), 400, "invalid-parameter")


def test_the_figures_of_a_day_cost_one_call(region: RegionUnderTest) -> None:
    for number in range(20):
        register(
            region, f"o{number}", status="delivered", courier="Luis", items=[{"product": f"p{number}", "price": 1}]
        )
    region.relay_everything()
    region.call("GET", "/v1/metrics")
    region.counted()
    answer = region.call("GET", "/v1/metrics")
    assert region.counted() == {"BatchGetItem": 1}
    assert answer.json["delivered"] == 20
    assert answer.json["sales"] == "20.00"
    assert answer.json["average_per_delivered_order"] == "1.00"
    assert answer.json["top_couriers"] == [{"courier": "Luis", "delivered": 20}]
    assert len(answer.json["top_products"]) == 10
    assert answer.json["freshness_seconds"] == {"us-east-1": 0}


def test_an_order_counts_on_the_day_of_the_event_that_decided_it(region: RegionUnderTest) -> None:
    register(region, "o", NOON, items=[{"product": "p", "price": 3}])
    region.relay_everything()
    assert region.call("GET", "/v1/metrics").json["orders_by_status"]["created"] == 1
    register(region, "o", NOON, status="delivered", occurred_at="2026-11-20T10:00:00-05:00")
    region.relay_everything()
    today, yesterday = (region.call("GET", "/v1/metrics", query={"day": f"2026-11-{day}"}).json for day in (21, 20))
    assert (sum(today["orders_by_status"].values()), today["sales"]) == (0, "0.00")
    assert (yesterday["orders_by_status"]["delivered"], yesterday["sales"]) == (1, "3.00")


def test_the_status_tells_of_both_regions(region: RegionUnderTest) -> None:
    region.at = NOON
    region.put(
        TOPOLOGY.control_table,
        {"pk": "DRAINING", "sk": "DRAINING", "draining": "us-east-2", "by": "ops", "reason": "drill", "since": NOW},
    )
    region.put(
        TOPOLOGY.order_log_table,
        {
            "pk": "HEARTBEAT#us-east-2#1",
            "sk": "HEARTBEAT",
            "beat_at": "2026-11-21T16:59:50.000Z",
            "entity": "heartbeat",
        },
    )
    answer = region.call("GET", "/v1/status").json
    assert answer["seen_from"] == "us-east-1"
    assert answer["regions"]["us-east-1"].items() >= {"healthy": True, "drained": False}.items()
    there = answer["regions"]["us-east-2"]
    assert there.items() >= {"healthy": False, "drained": True, "drained_by": "ops", "drained_because": "drill"}.items()
    assert (there["drained_since"], there["heartbeat_age_seconds"]) == (NOW, 10)
    for told in answer["regions"].values():
        assert told["oldest_pending_seconds"] is None
    assert (answer["regions"]["us-east-1"]["replication_lag_seconds"], there["replication_lag_seconds"]) == (0, None)


def test_the_status_tells_how_far_a_peer_lags_and_how_long_the_oldest_work_of_either_waits(
    region: RegionUnderTest,
) -> None:
    region.at = NOON
    guard = Guard(looked_at=NOON, peer_beat=to_text(NOON - timedelta(seconds=12.5)), peer_beat_seen_at=NOON)
    region.module("runtime").order_queries().keep_guard(guard)
    # What was seen first counts, not what is due first.
    for number, origin, seen in ((1, "us-east-1", 30), (2, "us-east-1", 95.25), (3, "us-east-2", 700)):
        due_at = NOON + timedelta(seconds=60 * number)
        put_work(region, f"o{number}", due_at=due_at, origin=origin, seen_at=NOON - timedelta(seconds=seen))
    told = region.call("GET", "/v1/status").json["regions"]
    lags = {name: (seen["replication_lag_seconds"], seen["oldest_pending_seconds"]) for name, seen in told.items()}
    assert lags == {"us-east-1": (0, 95.25), "us-east-2": (12.5, 700)}


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v1/orders", "orders:read"), ("/v1/orders/o", "orders:list"), ("/v1/metrics", "orders:list"),
        ("/v1/status", ""),
    ],
)  # fmt: skip
def test_reading_needs_its_scope(region: RegionUnderTest, path: str, scope: str) -> None:
    problem(region.call("GET", path, scope=scope), 403, "forbidden")
    problem(region.call("GET", path, sub=None), 401, "unauthorized")
