"""Registering what happens to orders: the two POST routes of v1, idempotency, transitions, and what they cost."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.topology import STATUSES
from tests.component.problems import problem
from tests.component.region import RegionUnderTest

ORDER = {
    "order_id": "o-1",
    "courier": "Luis",
    "items": [{"product": "café", "price": 10.5, "quantity": 2}],
    "city": "Cali",
}


def test_a_new_order_is_answered_201_with_the_order_and_its_event(region: RegionUnderTest) -> None:
    answer = region.call("POST", "/v1/orders", ORDER)
    assert answer.status == 201
    assert answer.json.items() >= {"order_id": "o-1", "status": "created", "total": "21.00", "conflict": False}.items()
    (event,) = region.log_items("event")
    assert answer.json["event_id"] == event["event_id"]
    assert event["sk"] == f"EVENT#{event['event_id']}"
    assert event.items() >= {"origin_region": "us-east-1", "subject": "ana", "total": "21.00", "schema": 1}.items()
    assert event["items"] == [{"product": "café", "price": "10.50", "quantity": 2}]


@pytest.mark.parametrize("status", STATUSES)
def test_an_order_may_start_with_any_status(region: RegionUnderTest, status: str) -> None:
    answer = region.call("POST", "/v1/orders", {"order_id": "o", "status": status, "attempt": 1})
    assert (answer.status, answer.json["status"]) == (201, status)


def test_registering_costs_one_query_and_one_put(region: RegionUnderTest) -> None:
    region.call("POST", "/v1/orders", ORDER)
    region.counted()
    assert region.call("POST", "/v1/orders/o-1/events", {"status": "delivered"}).status == 201
    assert region.counted() == {"Query": 1, "PutItem": 1}
    assert region.call("POST", "/v1/orders", {"order_id": "o-2"}).status == 201
    assert region.counted() == {"Query": 1, "PutItem": 1}


def test_a_repeat_is_answered_200_and_writes_nothing(region: RegionUnderTest) -> None:
    first = region.call("POST", "/v1/orders", ORDER)
    region.counted()
    second = region.call("POST", "/v1/orders", dict(reversed(ORDER.items())))
    assert second.status == 200
    assert second.json == first.json
    assert region.counted() == {"Query": 1}


def test_a_repeat_stays_a_repeat_after_the_order_went_on(region: RegionUnderTest) -> None:
    region.call("POST", "/v1/orders", ORDER, headers={"Idempotency-Key": "k"})
    region.call("POST", "/v1/orders/o-1/events", {"status": "delivered"})
    answer = region.call("POST", "/v1/orders", ORDER, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.json["status"]) == (200, "delivered")


def test_a_key_with_another_body_is_a_conflict(region: RegionUnderTest) -> None:
    key = {"Idempotency-Key": "k"}
    assert region.call("POST", "/v1/orders", {"city": "Cali"}, headers=key).status == 201
    problem(region.call("POST", "/v1/orders", {"city": "Pasto"}, headers=key), 409, "idempotency-key-reused")
    assert len(region.log_items("event")) == 1


def test_a_key_belongs_to_its_subject(region: RegionUnderTest) -> None:
    key = {"Idempotency-Key": "k"}
    mine = region.call("POST", "/v1/orders", {}, headers=key, sub="ana")
    theirs = region.call("POST", "/v1/orders", {}, headers=key, sub="eva")
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.json["order_id"] != theirs.json["order_id"]


def test_two_subjects_may_use_one_key_on_one_order(region: RegionUnderTest) -> None:
    key = {"Idempotency-Key": "k"}
    assert region.call("POST", "/v1/orders", ORDER, headers=key, sub="ana").status == 201
    answer = region.call("POST", "/v1/orders/o-1/events", {"status": "assigned"}, headers=key, sub="eva")
    assert (answer.status, answer.json["status"]) == (201, "assigned")


def test_without_an_order_id_the_key_gives_one_that_repeats_find_again(region: RegionUnderTest) -> None:
    first = region.call("POST", "/v1/orders", {}, headers={"Idempotency-Key": "k"})
    again = region.call("POST", "/v1/orders", {}, headers={"idempotency-key": "k"})
    assert (first.status, again.status) == (201, 200)
    assert first.json["order_id"] == again.json["order_id"]


@pytest.mark.parametrize("body", [{}, {"order_id": None}])
def test_without_an_order_id_and_a_key_nothing_is_registered(region: RegionUnderTest, body: dict[str, Any]) -> None:
    found = problem(region.call("POST", "/v1/orders", body), 422, "invalid-body")
    assert [error["pointer"] for error in found["errors"]] == ["/order_id"]
    assert region.log_items() == []


def test_a_transition_that_is_ruled_out_is_a_conflict(region: RegionUnderTest) -> None:
    region.call("POST", "/v1/orders", {"order_id": "o", "status": "delivered"})
    for status in ("created", "in_transit", "cancelled"):
        found = region.call("POST", "/v1/orders/o/events", {"status": status})
        assert "already delivered" in problem(found, 409, "transition-ruled-out")["detail"]
    # A second delivery is one too, whatever its attempt.
    problem(region.call("POST", "/v1/orders/o/events", {"status": "delivered", "attempt": 2}), 409)


def test_delivered_follows_cancelled(region: RegionUnderTest) -> None:
    region.call("POST", "/v1/orders", {"order_id": "o", "status": "cancelled"})
    answer = region.call("POST", "/v1/orders/o/events", {"status": "delivered"})
    assert answer.status == 201, answer.text
    assert answer.json["conflict"] is True


def test_a_failed_attempt_needs_its_number_or_a_key(region: RegionUnderTest) -> None:
    region.call("POST", "/v1/orders", {"order_id": "o"})
    path = "/v1/orders/o/events"
    for body in ({"status": "failed"}, {"status": "failed", "attempt": None}):
        found = problem(region.call("POST", path, body), 422)
        assert [error["pointer"] for error in found["errors"]] == ["/attempt"]
    assert region.call("POST", path, {"status": "failed", "attempt": 1}).status == 201
    assert region.call("POST", path, {"status": "assigned", "attempt": 2}).status == 201
    assert region.call("POST", path, {"status": "failed", "attempt": 2}).json["attempt"] == 2


def test_a_delivered_carries_the_items_that_are_known(region: RegionUnderTest) -> None:
    region.call("POST", "/v1/orders", ORDER)
    region.call("POST", "/v1/orders/o-1/events", {"status": "delivered"})
    (delivered,) = [event for event in region.log_items("event") if event["status"] == "delivered"]
    assert delivered.get("items") == [{"product": "café", "price": "10.50", "quantity": 2}]
    assert delivered["copied_items"] is True


def test_a_delivered_without_known_items_is_accepted(region: RegionUnderTest) -> None:
    answer = region.call("POST", "/v1/orders", {"order_id": "o", "status": "delivered"})
    assert (answer.status, answer.json["total"]) == (201, None)


ODD_IDS = ("日本 語", "a+b&c=d", "🚚", "..", '"\\^`{|}<>[]', "x?y#z")
# A gateway that decodes the path would leave these ambiguous; REST APIs do not decode it.
ODD_IN_DECODED_PATHS = ("pedido ñ/1", "50%41")


@pytest.mark.parametrize(
    ("order_id", "segment"),
    [(odd, odd) for odd in ODD_IDS] + [(odd, quote(odd, safe="")) for odd in (*ODD_IDS, *ODD_IN_DECODED_PATHS)],
)
def test_any_order_id_works_in_a_path(region: RegionUnderTest, order_id: str, segment: str) -> None:
    assert region.call("POST", "/v1/orders", {"order_id": order_id}).status == 201
    assert region.call("POST", f"/v1/orders/{segment}/events", {"status": "assigned"}).status == 201
    assert region.call("GET", f"/v1/orders/{segment}").json["order_id"] == order_id


@pytest.mark.parametrize("segment", ["x" * 65, "%00", "%ff", "%20", quote("ñ" * 65)])
def test_an_order_id_beyond_the_limits_is_refused_in_a_path(region: RegionUnderTest, segment: str) -> None:
    problem(region.call("POST", f"/v1/orders/{segment}/events", {"status": "assigned"}), 400, "invalid-parameter")
    problem(region.call("GET", f"/v1/orders/{segment}"), 400, "invalid-parameter")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (None, 400), ("", 400), ("{", 400), ("[]", 422), ("null", 422), ('{"order_id": NaN}', 400),
        ('{"order_id":"a","order_id":"b"}', 400), ("[" * 30_000, 400),
        ('{"order_id":"' + "x" * 70_000 + '"}', 413), ('{"order_id":"o","items":[{"product":"p","price":1e400}]}', 422),
        ('{"order_id":"o","items":[{"product":"p","price":1e-400}]}', 422), ('{"order_id":' + "9" * 5000 + "}", 400),
        ('{"order_id":"\\ud800"}', 422), ('{"order_id":"o","\\ud800":1}', 422), ('{"order_id":"o","attempt":1e0}', 422),
    ],
)  # fmt: skip
def test_no_body_makes_a_5xx(region: RegionUnderTest, raw: str | None, status: int) -> None:
    problem(region.call("POST", "/v1/orders", raw=raw), status)
    assert region.log_items() == []


def test_a_deeply_nested_body_is_refused(region: RegionUnderTest) -> None:
    """How deep a parser goes depends on the Python; what it can parse is refused field by field."""
    answer = region.call("POST", "/v1/orders", raw='{"items":' + '{"a":' * 9_000 + "1" + "}" * 9_001)
    problem(answer, answer.status)
    assert answer.status in (400, 422)


def test_a_price_of_nothing_is_nothing_however_it_is_written(region: RegionUnderTest) -> None:
    raw = '{"order_id":"o","items":[{"product":"p","price":-0e999999999999}]}'
    assert region.call("POST", "/v1/orders", raw=raw).json["total"] == "0.00"


def test_every_fault_of_a_body_is_named(region: RegionUnderTest) -> None:
    body = {
        "order_id": "",
        "courier": 5,
        "items": [{"product": "p"}, {"price": -1, "product": "\x07", "x/y~": 1}],
        "z": 0,
    }
    found = problem(region.call("POST", "/v1/orders", body), 422)
    pointers = [error["pointer"] for error in found["errors"]]
    assert sorted(pointers) == [
        "/courier", "/items/0/price", "/items/1/price", "/items/1/product", "/items/1/x~1y~0", "/order_id", "/z",
    ]  # fmt: skip


def test_a_body_in_base64_is_read(region: RegionUnderTest) -> None:
    encoded = base64.b64encode(json.dumps({"order_id": "ñ"}).encode()).decode()
    assert region.call("POST", "/v1/orders", raw=encoded, base64=True).json["order_id"] == "ñ"
    latin = base64.b64encode(b'{"order_id":"\xf1"}').decode()
    problem(region.call("POST", "/v1/orders", raw=latin, base64=True), 400, "not-json")
    problem(region.call("POST", "/v1/orders", raw=base64.b64encode(b" " * 70_000).decode(), base64=True), 413)


@pytest.mark.parametrize("key", ["", "x" * 201, "ñ", "a\tb"])
def test_a_bad_key_is_refused(region: RegionUnderTest, key: str) -> None:
    problem(region.call("POST", "/v1/orders", {}, headers={"Idempotency-Key": key}), 400, "invalid-parameter")


def test_scopes_are_checked(region: RegionUnderTest) -> None:
    problem(region.call("POST", "/v1/orders", ORDER, scope="orders:read"), 403, "forbidden")
    problem(region.call("POST", "/v1/orders", ORDER, sub=None), 401, "unauthorized")
    assert region.log_items() == []


def test_answers_carry_region_and_correlation_id(region: RegionUnderTest) -> None:
    sent = region.call("POST", "/v1/orders", ORDER, headers={"x-correlation-id": "abc-1"})
    assert (sent.headers["X-Region"], sent.headers["X-Correlation-Id"]) == ("us-east-1", "abc-1")
    made = region.call("POST", "/v1/orders", ORDER, headers={"X-Correlation-Id": "a\nb"})
    assert made.headers["X-Correlation-Id"] not in ("a\nb", "")


def test_unknown_routes_and_methods_are_problems(region: RegionUnderTest) -> None:
    problem(region.call("GET", "/nothing/ñ"), 404, "not-found")
    found = region.call("DELETE", "/v1/orders/o")
    problem(found, 405, "method-not-allowed")
    assert found.headers["Allow"] == "GET"


def test_a_preflight_request_is_answered(region: RegionUnderTest) -> None:
    answer = region.call("OPTIONS", "/v1/orders", sub=None, headers={"Origin": "https://dashboard.example"})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}, "Query"),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
    ],
)
def test_an_ill_service_is_503_with_retry_after(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(region.module("runtime").OrderLog, "order", fail)
    answer = region.call("POST", "/v1/orders", ORDER)
    problem(answer, 503, "dependency")
    assert answer.headers["Retry-After"] == "1"
    assert "slow down" not in answer.text


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "ReplicatedWriteConflictException"])
def test_a_write_that_failed_is_not_acknowledged(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Only one error of the insert means that the command is there already."""

    def fail(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutItem")

    monkeypatch.setattr(region.module("runtime").order_log()._client, "put_item", fail)
    problem(region.call("POST", "/v1/orders", ORDER), 503, "dependency")
    monkeypatch.undo()
    assert region.call("POST", "/v1/orders", ORDER).status == 201


def test_two_registrations_at_once_write_one_event(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one queried before the first one wrote: the insert itself has to refuse the copy."""
    first = region.call("POST", "/v1/orders", ORDER)
    (before,) = region.log_items("event")
    log = region.module("runtime").OrderLog
    empty = region.module("runtime").order_log().order("nobody's")
    monkeypatch.setattr(log, "order", lambda self, order_id: empty)
    region.at = region.clock().replace(year=region.clock().year + 1)
    second = region.call("POST", "/v1/orders", ORDER)
    assert (second.status, second.json["event_id"]) == (200, first.json["event_id"])
    assert region.log_items("event") == [before]
