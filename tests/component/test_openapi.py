"""The contract at `/openapi.json`: the routes of the code, and schemas that fit what it takes and answers."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from shared.domain.instants import to_text
from shared.topology import STATUSES
from tests.component.problems import problem
from tests.component.region import PASSWORD, Answer, RegionUnderTest

# Served by the health function.
OTHER_ROUTES = {("get", "/health"), ("get", "/control/drained/{region}")}


@pytest.fixture
def contract(region: RegionUnderTest) -> dict[str, Any]:
    document: dict[str, Any] = region.call("GET", "/openapi.json", sub=None).json
    return document


def validator(contract: dict[str, Any], schema: Any) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": contract["components"]}, format_checker=FormatChecker())


def body_schema(contract: dict[str, Any], path: str) -> Draft202012Validator:
    schema = contract["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return validator(contract, schema)


def assert_described(contract: dict[str, Any], method: str, template: str, answer: Answer) -> None:
    """An answer has a status that the contract lists, and fits its schema."""
    responses = contract["paths"][template][method]["responses"]
    assert str(answer.status) in responses, (template, answer.status)
    schema = responses[str(answer.status)]["content"][answer.headers["Content-Type"]]["schema"]
    validator(contract, schema).validate(answer.json)


def test_the_paths_are_the_routes(region: RegionUnderTest, contract: dict[str, Any]) -> None:
    app = region.module("api").app
    routes = {
        (route.method.lower(), re.sub(r"<(\w+)>", r"{\1}", route.path))
        for route in (*app._static_routes, *app._dynamic_routes)
    }
    described = {(method, path) for path, methods in contract["paths"].items() for method in methods}
    assert described == routes | OTHER_ROUTES


def test_every_schema_is_one_and_every_reference_leads_somewhere(contract: dict[str, Any]) -> None:
    assert contract["openapi"] == "3.1.0"
    for name, schema in contract["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        for reference in re.findall(r"'\$ref': '([^']+)'", repr(schema)):
            assert reference.removeprefix("#/components/schemas/") in contract["components"]["schemas"], name
    for parameter in re.findall(r"\{(\w+)\}", " ".join(contract["paths"])):
        assert f"'name': '{parameter}', 'in': 'path'" in repr(contract["paths"])


LINE = {"product": "p", "price": 1}
VALID: list[dict[str, Any]] = [
    {"order_id": "o"}, {"order_id": "x" * 64}, {"order_id": "o", "city": "y" * 200, "note": "ñ", "courier": "🚚"},
    {"order_id": "o", "items": [LINE] * 100},
    {"order_id": "o", "items": [{**LINE, "price": 10**9, "quantity": 10_000}]},
    {"order_id": "o", "items": [{**LINE, "price": "0.05"}]},
    {"order_id": "o", "items": [{**LINE, "price": "1000000000.00"}]},
    {"order_id": "o", "items": [{**LINE, "price": 0}]}, {"order_id": "o", "attempt": 99}, {"order_id": " a "},
    *({"order_id": "o", "status": status, "attempt": 1} for status in STATUSES),
]  # fmt: skip
INVALID: list[Any] = [
    [], "x", 5, None, {"order_id": ""}, {"order_id": "x" * 65}, {"order_id": " "}, {"order_id": "a\x7fb"},
    {"order_id": 5},
    {"order_id": "o", "more": 1}, {"order_id": "o", "status": "lost"}, {"order_id": "o", "items": []},
    {"order_id": "o", "items": [LINE] * 101}, {"order_id": "o", "items": [{}]},
    {"order_id": "o", "items": [{**LINE, "x": 1}]},
    {"order_id": "o", "items": [{**LINE, "price": -1}]}, {"order_id": "o", "items": [{**LINE, "price": 10**9 + 1}]},
    {"order_id": "o", "items": [{**LINE, "price": "1.005"}]}, {"order_id": "o", "items": [{**LINE, "price": " 1"}]},
    {"order_id": "o", "items": [{**LINE, "quantity": 0}]}, {"order_id": "o", "items": [{**LINE, "quantity": 10_001}]},
    {"order_id": "o", "items": [{**LINE, "product": "x" * 201}]}, {"order_id": "o", "attempt": 0},
    {"order_id": "o", "attempt": 100}, {"order_id": "o", "attempt": 1.5}, {"order_id": "o", "city": None},
    {"order_id": "o", "courier": "\n"}, {"order_id": "o", "note": "x" * 201}, {"order_id": "o", "items": {"0": LINE}},
]  # fmt: skip


def test_what_the_schema_takes_is_taken_and_the_rest_refused(region: RegionUnderTest, contract: dict[str, Any]) -> None:
    schema = body_schema(contract, "/v1/orders")
    for number, body in enumerate(VALID):
        assert schema.is_valid(body), body
        answer = region.call("POST", "/v1/orders", body, sub=f"s{number}", headers={"Idempotency-Key": str(number)})
        assert answer.status in (201, 409), (body, answer.text)
        assert_described(contract, "post", "/v1/orders", answer)
    for body in INVALID:
        assert not schema.is_valid(body), body
        answer = region.call("POST", "/v1/orders", raw=json.dumps(body), headers={"Idempotency-Key": "k"})
        problem(answer, 422)
        assert_described(contract, "post", "/v1/orders", answer)


def test_random_bodies_are_judged_alike_by_schema_and_code(region: RegionUnderTest, contract: dict[str, Any]) -> None:
    rng = random.Random(11)
    values: list[Any] = [
        "a",
        "",
        " ",
        0,
        1,
        2,
        100,
        -1,
        1.5,
        None,
        True,
        [],
        {},
        [LINE],
        [{}],
        "delivered",
        "failed",
        "é\x00",
    ]
    fields = ("order_id", "status", "courier", "city", "note", "attempt", "items", "other")
    orders, events = body_schema(contract, "/v1/orders"), body_schema(contract, "/v1/orders/{order_id}/events")
    refused = 0
    for number in range(150):
        body = {name: rng.choice(values) for name in rng.sample(fields, rng.randint(0, 3))}
        key = {"Idempotency-Key": f"k{number}"}
        for path, template, schema in (
            ("/v1/orders", "/v1/orders", orders),
            (f"/v1/orders/n{number}/events", "/v1/orders/{order_id}/events", events),
        ):
            answer = region.call("POST", path, body, sub=f"s{number}", headers=key)
            assert answer.status in (200, 201, 409, 422), answer.text
            assert (answer.status == 422) != schema.is_valid(body), (body, answer.text)
            assert_described(contract, "post", template, answer)
            refused += answer.status == 422
    assert 100 < refused < 290


def test_answers_fit_their_schemas(region: RegionUnderTest, contract: dict[str, Any]) -> None:
    region.account()
    bearer = region.log_in()
    for number, status in enumerate(STATUSES):
        body = {"order_id": f"o{number}", "status": status, "attempt": 1, "items": [LINE], "courier": "Luis"}
        assert_described(contract, "post", "/v1/orders", region.call("POST", "/v1/orders", body))
    region.process(region.log_items("event"))
    region.relay_everything()
    legacy = {"pedido_id": "l", "repartidor": "Ana", "productos": [{"producto": "p", "precio": 1}]}
    for method, path, template, body, headers in (
        ("post", "/v1/orders", "/v1/orders", {"order_id": "o0", "status": "created", "attempt": 1}, None),
        ("post", "/v1/orders/o1/events", "/v1/orders/{order_id}/events", {"status": "delivered"}, None),
        ("post", "/v1/orders/o1/events", "/v1/orders/{order_id}/events", {"status": "delivered"}, None),
        ("get", "/v1/orders/o1", "/v1/orders/{order_id}", None, None),
        ("get", "/v1/orders/nobody", "/v1/orders/{order_id}", None, None),
        ("get", "/v1/orders/" + "x" * 65, "/v1/orders/{order_id}", None, None),
        ("get", "/v1/orders", "/v1/orders", None, None),
        ("get", "/v1/metrics", "/v1/metrics", None, None),
        ("get", "/v1/status", "/v1/status", None, None),
        ("post", "/token", "/token", {"username": "ana", "password": PASSWORD}, None),
        ("post", "/token", "/token", {"username": "ana", "password": "wrong-wrong"}, None),
        ("post", "/token", "/token", {}, None),
        ("post", "/registrar_pedido_entregado", "/registrar_pedido_entregado", legacy, bearer),
        ("post", "/registrar_pedido_entregado", "/registrar_pedido_entregado", {}, bearer),
        ("post", "/v1/order", "/v1/order", {"order_id": "w"}, bearer),
        ("get", "/pedidos", "/pedidos", None, bearer),
        ("get", "/metrics", "/metrics", None, bearer),
        ("get", "/metrics", "/metrics", None, None),
    ):
        assert_described(contract, method, template, region.call(method.upper(), path, body, headers=headers))
    for path, template in (("/health", "/health"), ("/control/drained/us-east-1", "/control/drained/{region}")):
        assert_described(contract, "get", template, region.call("GET", path, function="health"))


def test_every_operation_shows_an_example_of_whatever_it_takes_and_answers(contract: dict[str, Any]) -> None:
    shown = 0
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            documents = [
                (kind, media)
                for described in (operation.get("requestBody", {}), *operation["responses"].values())
                for kind, media in described.get("content", {}).items()
            ]
            assert documents
            for kind, media in documents:
                assert "example" in media, (method, path, kind)
                validator(contract, media["schema"]).validate(media["example"])
                shown += 1
            for parameter in operation.get("parameters", ()):
                validator(contract, parameter["schema"]).validate(parameter["example"])
    assert shown > 100


def test_the_examples_are_taken_by_the_code(region: RegionUnderTest, contract: dict[str, Any]) -> None:
    region.account("ana")
    bearer = region.log_in()
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            known = {parameter["name"]: parameter["example"] for parameter in operation.get("parameters", ())}
            asked = path.format(**known)
            headers = {**bearer, "Idempotency-Key": asked}
            function = "health" if (method, path) in OTHER_ROUTES else "api"
            sent = {"occurred_at": to_text(region.clock())} if body and "occurred_at" in body else {}
            answer = region.call(
                method.upper(), asked, {**body, **sent} if body else None, headers=headers, function=function
            )
            # 409: the example of another operation has delivered the order already.
            assert answer.status in (200, 201, 409), (path, answer.text)
            query = {name: str(value) for name, value in known.items() if name in ("limit", "status", "courier", "day")}
            if method == "get" and query:
                assert region.call("GET", asked, query=query, headers=bearer).status == 200


def test_the_schema_of_the_old_monitor_takes_its_recorded_bodies(contract: dict[str, Any]) -> None:
    import json

    from tests.component.test_recorded_clients import RECORDED

    schema = body_schema(contract, "/registrar_pedido_entregado")
    judged = 0
    for path in RECORDED:
        for exchange in json.loads(path.read_text())["exchanges"]:
            body = exchange["request"].get("body")
            if exchange["request"]["path"] == "/registrar_pedido_entregado" and exchange["response"]["status"] == 200:
                schema.validate(body)
                judged += 1
    assert judged >= 4


def test_the_contract_says_what_the_limits_are(contract: dict[str, Any]) -> None:
    schemas = contract["components"]["schemas"]
    assert schemas["NewOrder"]["properties"]["items"]["maxItems"] == 100
    assert schemas["NewOrder"]["properties"]["order_id"]["maxLength"] == 64
    assert schemas["NewOrder"]["properties"]["courier"]["maxLength"] == 200
    assert schemas["NewOrder"]["additionalProperties"] is False
