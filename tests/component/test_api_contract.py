"""The API only grows: `/openapi.json` of this version against that of every recorded release.

The comparison itself is tested on edits of a recorded document: each kind of break is found, each addition is allowed.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.component.api_breaks import breaks
from tests.component.region import RegionUnderTest

RECORDED = sorted((Path(__file__).parent / "recorded").glob("openapi-*.json"))
GONE = object()

ORDERS, ORDER = ("paths", "/v1/orders"), ("paths", "/v1/orders/{order_id}", "get")
SCHEMAS = ("components", "schemas")
NEW_ORDER, EVENT, LINE = (*SCHEMAS, "NewOrder"), (*SCHEMAS, "NewEvent"), (*SCHEMAS, "Item")
SHOWN, FIGURES, TOKEN = (*SCHEMAS, "Order"), (*SCHEMAS, "Metrics", "properties"), (*SCHEMAS, "Token")
TEXT, NUMBER = {"type": "string"}, {"type": "number"}
LIMIT = {"name": "limit", "in": "query"}


def edited(document: Any, where: tuple[Any, ...], value: object) -> Any:
    """A copy with one place set, or taken out."""
    copy = deepcopy(document)
    *steps, last = where
    place = copy
    for step in steps:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def recorded(request: pytest.FixtureRequest) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.param.read_text())
    assert request.param.stem == f"openapi-{document['info']['version']}"
    return document


@pytest.fixture
def first() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RECORDED[0].read_text())
    return document


def test_a_client_of_a_recorded_release_misses_nothing(region: RegionUnderTest, recorded: dict[str, Any]) -> None:
    assert breaks(recorded, region.call("GET", "/openapi.json", sub=None).json) == []


BREAKS: list[tuple[tuple[Any, ...], object, str]] = [
    # Paths, methods, answers and their forms
    (("paths", "/pedidos"), GONE, "GET /pedidos: gone"),
    ((*ORDERS, "get"), GONE, "GET /v1/orders: gone"),
    ((*ORDERS, "post", "responses", "409"), GONE, "POST /v1/orders 409: gone"),
    ((*ORDER, "responses", "404", "content", "application/problem+json"), GONE,
     "GET /v1/orders/{order_id} 404 application/problem+json: gone"),
    (("paths", "/token", "post", "requestBody", "content", "application/x-www-form-urlencoded"), GONE,
     "POST /token body application/x-www-form-urlencoded: gone"),
    (("paths", "/health", "get", "security"), [{"bearer": []}], "GET /health: was public"),
    # Parameters and bodies
    ((*ORDER, "parameters"), [{"name": "order_id", "in": "path", "required": True, "schema": {}}],
     "GET /v1/orders/{order_id} at_least: gone"),
    ((*ORDERS, "get", "parameters", 0, "required"), True, "GET /v1/orders limit: required now"),
    ((*ORDERS, "get", "parameters", 0, "schema", "maximum"), 50, "GET /v1/orders limit: maximum"),
    ((*ORDER, "requestBody"), {"required": True, "content": {}}, "GET /v1/orders/{order_id} body: required now"),
    ((*ORDERS, "post", "requestBody"), GONE, "POST /v1/orders body application/json: gone"),
    # What requests may hold
    ((*NEW_ORDER, "properties", "city"), GONE, "POST /v1/orders body/city: gone"),
    ((*NEW_ORDER, "required"), ["city"], "POST /v1/orders body/city: required now"),
    ((*LINE, "required"), ["product", "price", "quantity"], "POST /v1/orders body/items[]/quantity: required now"),
    ((*NEW_ORDER, "properties", "status", "enum"), ["created"], "POST /v1/orders body/status: enum"),
    ((*NEW_ORDER, "properties", "items", "maxItems"), 99, "POST /v1/orders body/items: maxItems"),
    ((*NEW_ORDER, "properties", "attempt", "minimum"), 2, "POST /v1/orders body/attempt: minimum"),
    ((*NEW_ORDER, "properties", "attempt", "type"), "string", "POST /v1/orders body/attempt: type integer for string"),
    ((*NEW_ORDER, "properties", "attempt", "multipleOf"), 2, "POST /v1/orders body/attempt: multipleOf"),
    ((*NEW_ORDER, "properties", "note", "pattern"), "^a$", "POST /v1/orders body/note: pattern"),
    ((*NEW_ORDER, "properties", "note", "enum"), ["a"], "POST /v1/orders body/note: enum"),
    ((*LINE, "properties", "price", "anyOf", 1), GONE,
     "POST /v1/orders body/items[]/price: type string for number"),
    ((*SCHEMAS, "Credentials", "additionalProperties"), False, "POST /token body: closed"),
    ((*SCHEMAS, "LegacyDelivery", "properties", "timestamp", "type"), "string",
     "POST /registrar_pedido_entregado body/timestamp: type null for string"),
    # What answers hold
    ((*SHOWN, "properties", "total"), GONE, "GET /v1/orders 200/orders[]/total: gone"),
    ((*SHOWN, "properties", "city", "type"), ["string", "null", "object"],
     "GET /v1/orders 200/orders[]/city: type object for string"),
    ((*SHOWN, "properties", "conflict"), TEXT, "GET /v1/orders/{order_id} 200/conflict: type string for boolean"),
    ((*SHOWN, "properties", "attempt"), NUMBER, "GET /v1/orders 200/orders[]/attempt: type number for integer"),
    ((*SHOWN, "properties", "status", "enum"), ["created", "lost"], "GET /v1/orders 200/orders[]/status: enum"),
    ((*SHOWN, "properties", "day", "format"), GONE, "GET /v1/orders 200/orders[]/day: format"),
    ((*SHOWN, "required"), ["order_id"], "GET /v1/orders 200/orders[]/total: may be missing"),
    ((*SCHEMAS, "Page", "properties", "orders", "items"), GONE, "GET /v1/orders 200/orders[]: type None for object"),
    ((*FIGURES, "sales", "pattern"), r"^\d+$", "GET /v1/metrics 200/sales: pattern"),
    ((*FIGURES, "freshness_seconds", "additionalProperties"), TEXT,
     "GET /v1/metrics 200/freshness_seconds/*: type string for number"),
    ((*FIGURES, "freshness_seconds", "additionalProperties"), GONE,
     "GET /v1/metrics 200/freshness_seconds: additionalProperties"),
    ((*TOKEN, "properties", "token_type"), TEXT, "POST /token 200/token_type: enum"),
    ((*SCHEMAS, "Registered", "allOf", 1), GONE, "POST /v1/orders 201/event_id: gone"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "value", "expected"), BREAKS, ids=[found[2] for found in BREAKS])
def test_each_kind_of_break_is_found(
    first: dict[str, Any], where: tuple[Any, ...], value: object, expected: str
) -> None:
    assert expected in breaks(first, edited(first, where, value))


ADDITIONS: list[tuple[str, tuple[Any, ...], object]] = [
    ("a path", ("paths", "/v2/orders"), {"get": {"responses": {}}}),
    ("a method", (*ORDERS, "delete"), {"responses": {}}),
    ("an answer", (*ORDERS, "get", "responses", "418"), {"description": "a teapot"}),
    ("a form of an answer", (*ORDER, "responses", "200", "content", "text/csv"), {"schema": TEXT}),
    ("an optional parameter", (*ORDER, "parameters", 1), {**LIMIT, "name": "at_least", "schema": {}}),
    ("an optional request property", (*NEW_ORDER, "properties", "priority"), TEXT),
    ("a longer list", (*NEW_ORDER, "properties", "items", "maxItems"), 200),
    ("no limit", (*NEW_ORDER, "properties", "attempt", "maximum"), GONE),
    ("any text", (*NEW_ORDER, "properties", "note", "pattern"), GONE),
    ("another value in a request", (*EVENT, "properties", "status", "enum"), GONE),
    ("a property of a request that need not be there", (*LINE, "required"), ["product"]),
    ("another type in a request", (*NEW_ORDER, "properties", "attempt", "type"), ["integer", "null"]),
    ("a request that takes more", (*NEW_ORDER, "additionalProperties"), GONE),
    ("a property of an answer", (*SHOWN, "properties", "priority"), TEXT),
    ("a property that is always there", (*SCHEMAS, "LegacyPage", "required"), ["pedidos", "next_cursor"]),
    ("a property in a closed answer", (*TOKEN, "properties", "refresh_token"), TEXT),
    ("less in an answer", (*SHOWN, "properties", "city"), TEXT),
    ("a tighter answer", (*SHOWN, "properties", "attempt", "maximum"), 99),
    ("an answer that needs no token", (*ORDER, "security"), []),
    ("other words", (*SHOWN, "properties", "city", "description"), "where to"),
]


@pytest.mark.parametrize(("where", "value"), [row[1:] for row in ADDITIONS], ids=[row[0] for row in ADDITIONS])
def test_an_addition_is_no_break(first: dict[str, Any], where: tuple[Any, ...], value: object) -> None:
    changed = edited(first, where, value)
    assert changed != first
    assert breaks(first, changed) == []


def test_a_schema_may_move_behind_a_reference(first: dict[str, Any]) -> None:
    status = first["components"]["schemas"]["Order"]["properties"]["status"]
    moved = edited(first, (*SCHEMAS, "Status2"), status)
    moved = edited(moved, (*SHOWN, "properties", "status"), {"$ref": "#/components/schemas/Status2"})
    assert breaks(first, moved) == []
    narrowed = edited(moved, (*SCHEMAS, "Status2"), {"type": "integer"})
    assert "GET /v1/orders 200/orders[]/status: type integer for string" in breaks(first, narrowed)
