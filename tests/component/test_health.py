"""The health verdict depends on this Region alone (I6), and a drained Region sheds work only under I7's condition."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.topology import TOPOLOGY
from tests.component.problems import problem
from tests.component.region import Answer, RegionUnderTest

ERRORS = [
    ClientError({"Error": {"Code": "InternalServerError", "Message": "ill"}}, "GetItem"),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
]


def health(region: RegionUnderTest, path: str = "/health") -> Answer:
    return region.call("GET", path, sub=None, function="health")


def fail_with(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def drain(region: RegionUnderTest, name: str) -> None:
    region.module("runtime").control().drain(name, by="ops", reason="drill", now=region.clock())


def test_a_region_that_works_says_so_in_the_text_that_route_53_searches(region: RegionUnderTest) -> None:
    answer = health(region)
    assert answer.status == 200
    assert '"serving":true' in answer.text[:5120]
    assert answer.headers["X-Region"] == "us-east-1"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("error", ERRORS)
def test_a_region_whose_log_does_not_answer_is_503(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(region.module("runtime").OrderLog, "reachable", fail_with(error))
    answer = health(region)
    assert answer.status == 503
    assert answer.json == {"serving": False, "region": "us-east-1", "fault": type(error).__name__}


def test_the_verdict_depends_on_this_region_alone(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drained, a peer long gone, old work pending, a view, a bus and a topic that are ill: none of it counts."""
    drain(region, "us-east-1")
    region.put(
        TOPOLOGY.order_view_table,
        {
            "pk": "GUARD",
            "sk": "GUARD",
            "looked_at": "2026-01-01T00:00:00.000Z",
            "draining": "us-east-1",
            "gone_looks": 9,
        },
    )
    region.put(
        TOPOLOGY.order_view_table,
        {"pk": "ORDER#o", "sk": "WORK#e", "pending_key": "us-east-1#00", "due_at": "2026-01-01T00:00:00.000Z"},
    )
    runtime = region.module("runtime")
    for name in ("OrderQueries", "OrderView", "OrderWork", "EventTopic", "EffectBus", "Accounts"):
        for method in [m for m in vars(getattr(runtime, name)) if not m.startswith("__")]:
            monkeypatch.setattr(getattr(runtime, name), method, fail_with(AssertionError("was asked")))
    for method in ("order", "newest_beat", "record_event", "record_effect"):
        monkeypatch.setattr(runtime.OrderLog, method, fail_with(AssertionError("was asked")))
    monkeypatch.setattr(runtime.Control, "register", fail_with(AssertionError("was asked")))
    assert health(region).status == 200


def test_the_verdict_is_looked_up_again_after_five_seconds(region: RegionUnderTest) -> None:
    region.at = region.clock()
    health(region)
    region.counted()
    region.at += timedelta(seconds=4.9)
    health(region)
    assert region.counted() == {}
    region.at += timedelta(seconds=0.1)
    health(region)
    assert region.counted() == {"GetItem": 1}


def test_a_known_keyring_outlives_its_secret(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    health(region)
    from shared.domain.auth import KeyringError

    region.module("runtime").keyring_source()._read = fail_with(KeyringError("gone"))
    region.at = region.clock() + timedelta(hours=1)
    assert health(region).status == 200


def test_the_health_functions_calls_end_within_two_seconds(region: RegionUnderTest) -> None:
    client = region.module("runtime").brief_order_log()._client
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout < TOPOLOGY.health.timeout_seconds


@pytest.mark.parametrize(("drained", "here", "there"), [(None, False, False), ("us-east-2", False, True)])
def test_the_register_is_told_as_this_replica_knows_it(
    region: RegionUnderTest, drained: str | None, here: bool, there: bool
) -> None:
    if drained:
        drain(region, drained)
    for name, expected in (("us-east-1", here), ("us-east-2", there)):
        answer = health(region, f"/control/drained/{name}")
        assert answer.status == 200
        assert answer.text == json.dumps({"region": name, "drained": expected}, separators=(",", ":"))


@pytest.mark.parametrize("error", ERRORS)
def test_a_register_that_cannot_be_read_drains_nobody(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(region.module("runtime").Control, "register", fail_with(error))
    answer = health(region, "/control/drained/us-east-2")
    assert answer.status == 503
    assert '"drained":true' not in answer.text


@pytest.mark.parametrize(
    "path", ["/control/drained/eu-west-1", "/control/drained/", "/control", "/control/drained/a/b"]
)
def test_other_paths_are_404(region: RegionUnderTest, path: str) -> None:
    problem(health(region, path), 404, "not-found")


# Shedding: who answers 503 and who does not.


def guard(region: RegionUnderTest, *, draining: str, drained_ago: float | None, peer_ago: float | None) -> None:
    """What the sentinel saw: which Region is drained, since when, and when the peer served last."""
    region.at = region.clock()

    def moment(ago: float | None) -> str | None:
        from shared.domain.instants import to_text

        return to_text(region.clock() - timedelta(seconds=ago)) if ago is not None else None

    item = {
        "pk": "GUARD", "sk": "GUARD", "looked_at": moment(0), "draining": draining,
        "drained_seen_at": moment(drained_ago),
        "peer_serving_at": moment(peer_ago), "gone_looks": 0,
    }  # fmt: skip
    region.put(TOPOLOGY.order_view_table, {name: value for name, value in item.items() if value is not None})


def status_of_an_order(region: RegionUnderTest) -> int:
    return region.call("POST", "/v1/orders", {"order_id": "o"}).status


def test_a_drained_region_sheds_work_once_the_ttl_has_passed_and_its_peer_serves(region: RegionUnderTest) -> None:
    guard(region, draining="us-east-1", drained_ago=60, peer_ago=30)
    for method, path, body in (
        ("POST", "/v1/orders", {"order_id": "o"}), ("POST", "/v1/orders/o/events", {"status": "assigned"}),
        ("GET", "/v1/orders", None), ("GET", "/v1/orders/o", None), ("GET", "/v1/metrics", None),
        ("GET", "/metrics", None),
        ("POST", "/registrar_pedido_entregado", {}), ("GET", "/pedidos", None), ("POST", "/v1/order", {}),
    ):  # fmt: skip
        answer = region.call(method, path, body)
        problem(answer, 503, "drained")
        assert (answer.headers["Retry-After"], answer.headers["Connection"]) == ("1", "close")
    assert region.log_items() == []
    assert region.call("GET", "/v1/status").status == 200  # what on-call needs
    assert health(region).status == 200


@pytest.mark.parametrize(
    ("draining", "drained_ago", "peer_ago"),
    [
        ("none", None, 1), ("us-east-2", None, 1), ("us-east-1", 59, 1), ("us-east-1", 600, 31),
        ("us-east-1", 600, None),
        ("us-east-1", None, 1),
    ],
)  # fmt: skip
def test_otherwise_a_region_serves(
    region: RegionUnderTest, draining: str, drained_ago: float | None, peer_ago: float | None
) -> None:
    guard(region, draining=draining, drained_ago=drained_ago, peer_ago=peer_ago)
    assert status_of_an_order(region) == 201


def test_a_region_that_knows_nothing_serves(region: RegionUnderTest) -> None:
    assert status_of_an_order(region) == 201


@pytest.mark.parametrize("error", ERRORS)
def test_a_region_that_cannot_ask_its_sentinel_serves(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    region.module("api")
    monkeypatch.setattr(region.module("runtime").OrderQueries, "guard", fail_with(error))
    assert status_of_an_order(region) == 201


def test_the_guard_is_read_at_most_once_in_five_seconds(region: RegionUnderTest) -> None:
    region.at = region.clock()
    region.call("GET", "/v1/orders/o")
    region.counted()
    region.at += timedelta(seconds=4.9)
    region.call("GET", "/v1/orders/o")
    assert region.counted() == {"Query": 1}
    region.at += timedelta(seconds=0.1)
    region.call("GET", "/v1/orders/o")
    assert region.counted() == {"Query": 1, "GetItem": 1}
