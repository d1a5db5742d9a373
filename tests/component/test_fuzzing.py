"""Whatever a client sends gets an answer below 500 that tells nothing of the code, for a bounded amount of work.

Found by these and fixed, each with a test of its own below: base64 that is no ASCII (500), a wait for what cannot be an
event (503), a path that is no UTF-8 (told of Python's codec), ids that look alike, headers that contradict one another.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.adapters.order_queries import MAX_BUCKETS, MONTHS_BACK, encode_cursor
from shared.adapters.tokens import issue
from shared.domain.auth import Account
from shared.domain.commands import MAX_BODY_BYTES
from shared.topology import STATUSES
from tests.component.door import authorize
from tests.component.problems import problem
from tests.component.region import Answer, LambdaContext, RegionUnderTest

# One Region for all examples of a test: what they leave behind is part of what they try.
fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
# A page reads at most so many buckets and a directory of months; everything else makes a handful of calls.
MOST_CALLS = MAX_BUCKETS + MONTHS_BACK + 12
MOST_SECONDS = 5.0
TELLTALES = ("Traceback", "regions.handlers", "shared.", "botocore", ".py", "Error(", "0x", "relevo-order")
WRITES = ("/v1/orders", "/v1/orders/o/events", "/v1/order", "/registrar_pedido_entregado", "/token")


@pytest.fixture
def bearer(region: RegionUnderTest) -> dict[str, str]:
    region.account()
    keyring = region.module("runtime").keyring_source().keyring()
    return {"Authorization": f"Bearer {issue(keyring, Account('ana', 'admin', ''), now=region.clock())}"}


def harmless(region: RegionUnderTest, method: str, path: str, **request: Any) -> Answer:
    """Send it; check what every answer owes, whatever was sent."""
    region.counted()
    started = time.process_time()
    answer = region.call(method, path, **request)
    assert time.process_time() - started < MOST_SECONDS
    assert sum(region.counted().values()) <= MOST_CALLS
    assert answer.status < 500, answer.text
    for value in answer.headers.values():
        assert "\r" not in value
        assert "\n" not in value
    if answer.status >= 400:
        document = problem(answer, answer.status)
        told = json.dumps([document["title"], document["detail"], [x["detail"] for x in document.get("errors", [])]])
        # What the client sent may be quoted; the words around it are ours.
        for telltale in TELLTALES:
            assert telltale not in told or telltale in json.dumps([path, request], default=str), told
    elif answer.text:
        strict(answer.text)
    return answer


def strict(text: str) -> Any:
    """JSON as RFC 8259 has it: no NaN, and text that can be encoded."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    text.encode()
    return json.loads(text, parse_constant=refuse)


def line(price: str) -> str:
    return f'{{"order_id":"o","items":[{{"product":"p","price":{price}}}]}}'


BOMBS = {
    "opening brackets": "[" * 30_000,
    "opening braces": '{"a":' * 12_000,
    "nested to the end": "[" * 20_000 + "]" * 20_000,
    "nested in a field": '{"order_id":"o","items":' + "[" * 15_000 + "]" * 15_000 + "}",
    "one byte too many": '"' + "x" * MAX_BODY_BYTES + '"',
    "characters that are more bytes than characters": '"' + "ñ" * (MAX_BODY_BYTES - 10) + '"',
    "a number of 60,000 digits": line("9" * 60_000),
    "a fraction of 60,000 digits": line("1." + "0" * 60_000),
    "a fraction of 60,000 digits that is not round": line("1." + "0" * 60_000 + "1"),
    "a digit too many for a whole number": line("1" * 4301),
    "1e400": line("1e400"),
    "1e-400": line("1e-400"),
    "an exponent of 18 digits": line("1e" + "9" * 18),
    "an exponent of 50,000 digits": line("1e" + "9" * 50_000),
    "minus an exponent of 18 digits": line("1e-" + "9" * 18),
    "zero with an exponent": line("0e" + "9" * 18),
    "NaN": line("NaN"),
    "Infinity": line("Infinity"),
    "minus Infinity": line("-Infinity"),
    "minus nothing": line("-0.0"),
    "a number as text of another script": line('"\u0663"'),
    "a price as text with an exponent": line('"1e3"'),
    "true": line("true"),
    "5,000 unknown fields": json.dumps({f"f{number}": 1 for number in range(5_000)}),
    "a field of 60,000 characters": json.dumps({"x" * 60_000: 1}),
    "1,800 lines": json.dumps({"order_id": "o", "items": [{"product": "p", "price": 1}] * 1_800}),
    "a key twice": '{"order_id":"o","order_id":"p"}',
    "a key twice, escaped": '{"order_id":"o","order\\u005fid":"p"}',
    "a prototype": '{"__proto__":{"order_id":"o"}}',
    "a lone surrogate": '{"order_id":"\\ud800"}',
    "a lone surrogate in a key": '{"\\udfff":1}',
    "a pair the wrong way round": '{"order_id":"\\udc00\\ud800"}',
    "NUL": '{"order_id":"a\\u0000b"}',
    "a byte order mark": "\ufeff{}",
    "two documents": '{"order_id":"o"}{"order_id":"p"}',
    "a comment": '{"order_id":"o"/**/}',
    "a comma too many": '{"order_id":"o",}',
    "white space": " " * 60_000,
    "another white space": '\u00a0{"order_id":"o"}',
    "nothing": "",
    "null": "null",
    "a date before all dates": '{"order_id":"o","occurred_at":"0001-01-01T00:00:00+23:59"}',
    "a date after all dates": '{"order_id":"o","occurred_at":"9999-12-31T23:59:59-23:59"}',
    "an offset of a hundred hours": '{"order_id":"o","occurred_at":"2026-11-21T00:00:00+99:99"}',
    "a leap second": '{"order_id":"o","occurred_at":"2026-11-21T23:59:60Z"}',
    "hour 24": '{"pedido_id":"o","productos":[{"producto":"p","precio":1}],"timestamp":"2026-W47-6T24"}',
    "an id that is a number of 4,400 digits": '{"pedido_id":' + "1" * 4_400 + "}",
    "an id that is a long number": '{"pedido_id":' + "1" * 4_200 + ',"repartidor":"r","productos":[]}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_body_made_to_do_harm_is_refused_in_words(region: RegionUnderTest, bearer: dict[str, str], name: str) -> None:
    for path in WRITES:
        headers = {"Idempotency-Key": "k", **bearer}
        harmless(region, "POST", path, raw=BOMBS[name], headers=headers)
        harmless(
            region, "POST", path, raw=base64.b64encode(BOMBS[name].encode()).decode(), base64=True, headers=headers
        )
        harmless(region, "GET", "/v1/orders/o")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4),
    max_leaves=12,
)
near_orders = st.fixed_dictionaries(
    {},
    optional={
        "order_id": anything | st.text(min_size=1, max_size=70), "status": st.sampled_from(STATUSES) | anything,
        "courier": anything | st.text(max_size=210), "city": anything, "note": anything, "attempt": anything,
        "occurred_at": anything | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
        "items": anything | st.lists(st.fixed_dictionaries({"product": st.text(), "price": anything}), max_size=3),
        "pedido_id": anything, "repartidor": anything, "productos": anything, "timestamp": anything,
        "username": anything | st.text(), "password": anything | st.text(),
    },
)  # fmt: skip


@fuzz
@given(body=near_orders | anything, path=st.sampled_from(WRITES))
def test_any_document_gets_an_answer(region: RegionUnderTest, bearer: dict[str, str], body: Any, path: str) -> None:
    harmless(region, "POST", path, raw=json.dumps(body), headers={**bearer, "Idempotency-Key": "k"})


@fuzz
@given(raw=st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: base64.b64encode(raw).decode()))
@example(raw="ñ")
def test_any_text_as_a_body_gets_an_answer(region: RegionUnderTest, raw: str) -> None:
    for encoded in (False, True):
        for path in ("/v1/orders", "/token"):
            harmless(region, "POST", path, raw=raw, base64=encoded)


def test_a_path_that_is_no_utf_8_is_refused_in_words(region: RegionUnderTest) -> None:
    document = problem(region.call("GET", "/v1/orders/%ff"), 400, "invalid-parameter")
    assert document["detail"] == "order_id: expected UTF-8, percent-encoded"


@pytest.mark.parametrize("event_id", ["0", "x" * 32, "A" * 32, "a" * 31, "a" * 33, "\u0661" * 32, "a" * 32 + "\n"])
def test_nobody_waits_for_what_cannot_be_an_event(region: RegionUnderTest, event_id: str) -> None:
    problem(region.call("GET", "/v1/orders/o", query={"at_least": event_id}), 400, "invalid-parameter")
    known = region.call("GET", "/v1/orders/o", query={"at_least": "a" * 32})
    problem(known, 503, "not-replicated-yet")  # the one 503 that a client asks for: it may come yet


def test_base64_that_is_no_ascii_is_a_bad_body(region: RegionUnderTest) -> None:
    problem(region.call("POST", "/v1/orders", raw="ñ", base64=True), 400, "not-json")


paths = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("/.%;\\?#~:@&=+,"), max_size=60
).map(lambda tail: f"/{tail}")  # fmt: skip
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
PATHS = [
    "/v1/orders/%2e%2e/%2e%2e/token", "/v1/orders/..", "/v1/orders/../../token", "/v1/orders/%252e%252e%252f",
    "/v1/orders/%00", "/v1/orders/%ff", "/v1/orders/%", "/v1/orders/%zz", "/v1/orders/%2F", "/v1/orders/a%2Fb",
    "/v1/orders/a;b=c", "/v1/orders/%0d%0aX-Evil:%201", "//v1/orders", "/v1//orders", "/v1/orders//", "/V1/ORDERS",
    "/v1/orders/%c0%ae", "/v1/orders/%ed%a0%80", "/v1/orders/" + "%41" * 3_000, "/" + "a/" * 3_000, "/v1/orders/<x>",
    "/token/", "/%74oken", "/.git/config", "/v1/orders/o/events/", "/v1/orders/o/events/../../../token", "/", "",
]  # fmt: skip


@fuzz
@given(path=paths | st.sampled_from(PATHS), method=methods)
def test_any_path_gets_an_answer(region: RegionUnderTest, path: str, method: str) -> None:
    harmless(region, method, path, raw="{}")
    if method == "GET":
        answer = region.call("GET", path, function="health", sub=None)
        assert answer.status in (200, 404)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_made_to_do_harm_finds_no_other_route(region: RegionUnderTest, path: str) -> None:
    for method in ("GET", "POST"):
        answer = harmless(region, method, path, raw="{}")
        if ".." in path or "%2" in path:
            assert answer.status in (400, 404, 405, 422), answer.text
            assert "access_token" not in answer.text


@fuzz
@given(
    query=st.dictionaries(
        st.sampled_from(["limit", "cursor", "status", "courier", "day", "at_least", "x"]),
        st.text(max_size=80) | st.integers().map(str) | st.sampled_from(["1e9", "0x10", "1_0", "+5", "\u0661", ""]),
        max_size=5,
    ),
    path=st.sampled_from(["/v1/orders", "/v1/orders/o", "/v1/metrics", "/v1/status", "/openapi.json"]),
)
def test_any_query_gets_an_answer(region: RegionUnderTest, query: dict[str, str], path: str) -> None:
    harmless(region, "GET", path, query=query)


moments = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
cursors = (
    st.tuples(moments, moments | st.tuples(moments, st.text(max_size=40)).map("#".join)).map(
        lambda it: encode_cursor(*it)
    )
    | anything.map(lambda document: base64.urlsafe_b64encode(json.dumps(document).encode()).decode())
    | st.text(max_size=80)
)  # fmt: skip


@fuzz
@given(cursor=cursors, day=st.none() | st.dates().map(str), status=st.none() | st.sampled_from(STATUSES))
@example(cursor=encode_cursor("2099-12-31T00:00:00.000Z", "2099-12-31T00:00:00.000Z"), day=None, status=None)
@example(cursor=encode_cursor("2000-01-01T00:00:00.000Z", "2000-01-01T00:00:00.000Z"), day=None, status="failed")
@example(cursor=encode_cursor("2026-11-21T17:00:00.000Z", "2026-11-21T17:00:00.000Z"), day="2026-11-01", status=None)
def test_a_forged_cursor_or_that_of_another_query_costs_a_bounded_page(
    region: RegionUnderTest, cursor: str, day: str | None, status: str | None
) -> None:
    query = {name: value for name, value in (("cursor", cursor), ("day", day), ("status", status)) if value}
    answer = harmless(region, "GET", "/v1/orders", query=query)
    assert answer.status in (200, 400)


header_text = st.text(max_size=60) | st.sampled_from(["k\r\nX-Evil: 1", "k\x00", "ñ", "", " ", "k" * 300, "\u202ek"])


@fuzz
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["Authorization", "authorization", "AUTHORIZATION", "Idempotency-Key", "idempotency-key", "Content-Type",
             "X-Correlation-Id", "x-correlation-id", "Content-Length", "Transfer-Encoding", "Host", "Origin", "Cookie"]
        ),
        header_text | header_text.map(lambda text: f"Bearer {text}"),
        max_size=6,
    ),
    path=st.sampled_from(WRITES),
)  # fmt: skip
def test_any_headers_get_an_answer(region: RegionUnderTest, headers: dict[str, str], path: str) -> None:
    harmless(region, "POST", path, body={"order_id": "o"}, headers=headers)


@pytest.mark.parametrize("second", ["idempotency-key", "IDEMPOTENCY-KEY"])
def test_headers_that_contradict_one_another_are_refused(region: RegionUnderTest, second: str) -> None:
    headers = {"Idempotency-Key": "one", second: "two"}
    problem(region.call("POST", "/v1/orders", {"status": "created"}, headers=headers), 400, "invalid-parameter")
    same = {"Idempotency-Key": "one", second: "one"}
    assert region.call("POST", "/v1/orders", {"status": "created"}, headers=same).status == 201


def test_two_tokens_on_an_old_route_are_refused(region: RegionUnderTest, bearer: dict[str, str]) -> None:
    headers = {**bearer, "authorization": "Bearer x.y.z"}
    problem(region.call("GET", "/metrics", headers=headers, sub=None), 400, "invalid-parameter")


def test_a_header_that_is_sent_twice_is_seen_twice(region: RegionUnderTest) -> None:
    """`headers` of an event has the last one only."""
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    requests = region.module("requests")
    event = {"headers": {"Idempotency-Key": "two"}, "multiValueHeaders": {"Idempotency-Key": ["one", "two"]}}
    with pytest.raises(Exception, match="more than once"):
        requests.header(APIGatewayProxyEvent(event), "idempotency-key")
    assert requests.header(APIGatewayProxyEvent({"headers": None, "multiValueHeaders": None}), "x") is None


LOOK_ALIKES = {
    "zero width space": "CE\u200b-1", "zero width joiner": "CE\u200d-1", "soft hyphen": "CE\u00ad-1",
    "byte order mark": "\ufeffCE-1", "right to left": "CE-1\u202e", "isolate": "\u2066CE-1\u2069",
    "line separator": "CE\u2028-1", "decomposed letter": "CE\u0301-1", "Angstrom": "\u212b-1", "NUL": "CE\x00-1",
    "a tag": "CE\U000e0041-1",
}  # fmt: skip


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_no_order_has_an_id_that_looks_like_another_ones(
    region: RegionUnderTest, bearer: dict[str, str], name: str
) -> None:
    order_id = LOOK_ALIKES[name]
    problem(region.call("POST", "/v1/orders", {"order_id": order_id}), 422, "invalid-body")
    problem(region.call("POST", f"/v1/orders/{quote(order_id)}/events", {"status": "created"}), 400)
    problem(region.call("GET", f"/v1/orders/{quote(order_id)}"), 400, "invalid-parameter")
    old = {"pedido_id": order_id, "repartidor": "r", "productos": [{"producto": "p", "precio": 1}]}
    problem(region.call("POST", "/registrar_pedido_entregado", old, headers=bearer, sub=None), 422)
    assert region.log_items() == []


@fuzz
@given(order_id=st.text(min_size=1, max_size=64), name=st.text(min_size=1, max_size=200))
def test_what_is_taken_comes_back_as_it_was_sent(region: RegionUnderTest, order_id: str, name: str) -> None:
    body = {"order_id": order_id, "courier": name, "attempt": 1, "items": [{"product": name, "price": "1.10"}]}
    answer = harmless(region, "POST", "/v1/orders", body=body, headers={"Idempotency-Key": "k"})
    if answer.status == 201:
        read = harmless(region, "GET", f"/v1/orders/{quote(order_id, safe='')}")
        assert read.status == 200
        assert (read.json["order_id"], read.json["courier"]) == (order_id, name)
        assert read.json["items"] == [{"product": name, "price": "1.10", "quantity": 1}]


segments = st.text(max_size=40) | anything.map(
    lambda document: base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
)


@fuzz
@given(token=st.lists(segments, max_size=5).map(".".join), scheme=st.sampled_from(["Bearer ", "bearer ", "Basic ", ""]))
def test_any_token_is_unauthorized_and_nothing_else(region: RegionUnderTest, token: str, scheme: str) -> None:
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        authorize(region, scheme + token)


def test_a_request_without_the_usual_parts_gets_an_answer(region: RegionUnderTest) -> None:
    """API Gateway sends null for what a request does not have."""
    for path in ("/v1/orders", "/token", "/metrics"):
        bare = {
            "path": path, "httpMethod": "POST", "headers": None, "multiValueHeaders": None, "body": None,
            "queryStringParameters": None, "multiValueQueryStringParameters": None, "requestContext": {},
            "isBase64Encoded": False,
        }  # fmt: skip
        assert region.module("api").handler(bare, LambdaContext())["statusCode"] in (400, 401, 405)
