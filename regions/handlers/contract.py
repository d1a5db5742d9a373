"""The OpenAPI 3.1 description of the API, built from the very limits that the validation enforces.

A test holds its paths against the routes of the handlers, so neither can change alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from shared.domain.commands import (
    MAX_ATTEMPT,
    MAX_ITEMS,
    MAX_ORDER_ID,
    MAX_PRICE,
    MAX_QUANTITY,
    MAX_TEXT,
)
from shared.domain.auth import MAX_PASSWORD
from shared.topology import STATUSES, TOPOLOGY

Schema = dict[str, Any]
VERSION: Final = "1.0.0"


def _text(limit: int = MAX_TEXT, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": limit, **more}


def _object(properties: Schema, *, required: tuple[str, ...] = (), closed: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
_STATUS: Final[Schema] = {"type": "string", "enum": list(STATUSES)}
_MONEY: Final[Schema] = {"type": "string", "pattern": r"^-?\d+\.\d{2}$", "examples": ["125000.50"]}
_PRICE: Final[Schema] = {
    "description": "COP, at most 2 decimals, as a number or as text",
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": int(MAX_PRICE)},
        {"type": "string", "pattern": r"^\d{1,10}(\.\d{1,2})?$"},
    ],
}
_ATTEMPT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_ATTEMPT}
_NULLABLE_TEXT: Final[Schema] = {"type": ["string", "null"]}


def _items(element: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": element}


def _schemas() -> Schema:
    item = _object(
        {"product": _text(), "price": _PRICE, "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY}},
        required=("product", "price"),
    )
    event_fields = {
        "status": _STATUS, "occurred_at": _MOMENT, "courier": _text(), "items": _items(_ref("Item")),
        "note": _text(), "attempt": _ATTEMPT,
    }  # fmt: skip
    order = {
        "order_id": _text(MAX_ORDER_ID), "status": _STATUS, "attempt": {"type": "integer"}, "courier": _NULLABLE_TEXT,
        "city": _NULLABLE_TEXT, "items": {"type": "array", "items": _object({}, closed=False)},
        "total": {"anyOf": [_MONEY, {"type": "null"}]}, "day": {"type": "string", "format": "date"},
        "happened_at": _MOMENT, "registered_at": _MOMENT, "conflict": {"type": "boolean"},
    }  # fmt: skip
    legacy_line = _object({"producto": _text(), "precio": _PRICE}, required=("producto", "precio"))
    return {
        "Item": item,
        "NewOrder": _object({**event_fields, "order_id": _text(MAX_ORDER_ID), "city": _text()}),
        "NewEvent": _object(event_fields, required=("status",)),
        "Order": _object(order, required=tuple(order), closed=False),
        "Registered": {"allOf": [_ref("Order"), _object({"event_id": _text()}, required=("event_id",), closed=False)]},
        "History": {
            "allOf": [
                _ref("Order"),
                _object(
                    {"events": {"type": "array"}, "effects": {"type": "array"}, "conflicts": {"type": "array"}},
                    required=("events", "effects", "conflicts"), closed=False,
                ),
            ]
        },
        "Page": _object(
            {"orders": {"type": "array", "items": _ref("Order")}, "next_cursor": _NULLABLE_TEXT},
            required=("orders", "next_cursor"),
        ),
        "Metrics": _object(
            {
                "day": {"type": "string", "format": "date"}, "orders_by_status": {"type": "object"},
                "delivered": {"type": "integer"}, "sales": _MONEY, "average_per_delivered_order": _MONEY,
                "top_products": {"type": "array"}, "top_couriers": {"type": "array"}, "conflicts": {"type": "integer"},
                "as_of": _MOMENT, "freshness_seconds": {"type": "object", "additionalProperties": {"type": "number"}},
            },
            closed=False,
        ),
        "Status": _object({"as_of": _MOMENT, "seen_from": {"type": "string"}, "regions": {"type": "object"}}),
        "Credentials": _object(
            {"username": _text(), "password": _text(MAX_PASSWORD)}, required=("username", "password"), closed=False
        ),
        "Token": _object(
            {
                "access_token": {"type": "string"}, "token_type": {"const": "bearer"},
                "expires_in": {"type": "integer"},
            },
            required=("access_token", "token_type", "expires_in"),
        ),
        "Problem": _object(
            {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                "detail": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": _object({"pointer": {"type": "string"}, "detail": {"type": "string"}}),
                },
            },
            required=("detail",), closed=False,
        ),
        "LegacyDelivery": _object(
            {
                "pedido_id": {"anyOf": [_text(MAX_ORDER_ID), {"type": "integer"}]}, "repartidor": _text(),
                "productos": _items(legacy_line), "timestamp": {"type": "string"},
            },
            required=("pedido_id", "repartidor", "productos"),
        ),
        "LegacyRegistered": _object({"message": {"type": "string"}, "pedido_id": {"type": "string"}}),
        "LegacyPage": _object(
            {"pedidos": {"type": "array"}, "next_cursor": {"type": "string"}}, required=("pedidos",)
        ),
        "LegacyMetrics": _object(
            {
                "top_3_productos": {"type": "array"}, "precio_promedio_por_pedido": {"type": "number"},
                "acumulado_ventas_dia": {"type": "number"},
            }
        ),
        "Health": _object(
            {"serving": {"type": "boolean"}, "region": {"type": "string"}, "fault": {"type": "string"}},
            required=("serving", "region"),
        ),
        "Drained": _object(
            {"region": {"type": "string"}, "drained": {"type": "boolean"}}, required=("region", "drained")
        ),
    }  # fmt: skip


def _answer(schema: str, description: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _problems(*statuses: int) -> Schema:
    named = {
        400: "not JSON, or a bad parameter", 401: "no valid token", 403: "not allowed", 404: "not found",
        409: "conflicts with what is known", 413: "too large", 422: "a field is wrong", 429: "too many requests",
        503: "try again after Retry-After",
    }  # fmt: skip
    content = {"application/problem+json": {"schema": _ref("Problem")}, "application/json": {"schema": _ref("Problem")}}
    return {str(status): {"description": named[status], "content": content} for status in statuses}


def _query(name: str, schema: Schema, description: str = "") -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _operation(  # noqa: PLR0913  # an operation has that many independent parts
    summary: str, *, answers: Schema, faults: tuple[int, ...], body: str | None = None, form: bool = False,
    parameters: tuple[Schema, ...] = (), public: bool = False,
) -> Schema:  # fmt: skip
    operation: Schema = {"summary": summary, "responses": {**answers, **_problems(*faults)}}
    if parameters:
        operation["parameters"] = list(parameters)
    if body:
        content = {"application/json": {"schema": _ref(body)}}
        if form:
            content["application/x-www-form-urlencoded"] = {"schema": _ref(body)}
        operation["requestBody"] = {"required": True, "content": content}
    operation["security"] = [] if public else [{"bearer": []}]
    return operation


_KEY: Final[Schema] = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"^[ -~]+$"},
}  # fmt: skip
_ORDER_ID: Final[Schema] = {"name": "order_id", "in": "path", "required": True, "schema": _text(MAX_ORDER_ID)}
_PAGING: Final = (
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 100}),
    _query("cursor", {"type": "string"}, "`next_cursor` of the page before; a page may hold fewer orders than `limit`"),
)
_DAY: Final = _query("day", {"type": "string", "format": "date"}, "calendar day in Bogota")
_WRITE_FAULTS: Final = (400, 401, 403, 409, 413, 422, 429, 503)
_READ_FAULTS: Final = (400, 401, 403, 429, 503)


def _paths() -> Schema:
    registered = {"201": _answer("Registered", "recorded"), "200": _answer("Registered", "a repeat; nothing changed")}
    return {
        "/token": {
            "post": _operation(
                "Log in", answers={"200": _answer("Token", "a bearer token for 30 minutes")}, body="Credentials",
                form=True, faults=(400, 401, 413, 422, 429, 503), public=True,
            )
        },
        "/v1/orders": {
            "post": _operation(
                "Create an order, or register its first status", answers=registered, body="NewOrder",
                parameters=(_KEY,), faults=_WRITE_FAULTS,
            ),
            "get": _operation(
                "List orders, newest registration first", answers={"200": _answer("Page", "one page")},
                parameters=(*_PAGING, _query("status", _STATUS), _query("courier", _text()), _DAY), faults=_READ_FAULTS,
            ),
        },
        "/v1/orders/{order_id}": {
            "get": _operation(
                "One order with its events and effects", answers={"200": _answer("History", "the order")},
                parameters=(_ORDER_ID, _query("at_least", _text(), "503 until this event has reached the Region")),
                faults=(*_READ_FAULTS, 404),
            )
        },
        "/v1/orders/{order_id}/events": {
            "post": _operation(
                "Record that something happened to an order", answers=registered, body="NewEvent",
                parameters=(_ORDER_ID, _KEY), faults=_WRITE_FAULTS,
            )
        },
        "/v1/metrics": {
            "get": _operation(
                "The figures of a day", answers={"200": _answer("Metrics", "the figures")}, parameters=(_DAY,),
                faults=_READ_FAULTS,
            )
        },
        "/v1/status": {
            "get": _operation(
                "Both Regions as this one sees them", answers={"200": _answer("Status", "both Regions")},
                faults=_READ_FAULTS,
            )
        },
        "/health": {
            "get": _operation(
                "This Region's own verdict",
                answers={"200": _answer("Health", "serving"), "503": _answer("Health", "not serving")}, faults=(), public=True,
            )
        },
        "/control/drained/{region}": {
            "get": _operation(
                "Whether a Region is drained, as this one knows it", answers={"200": _answer("Drained", "the register")},
                parameters=(
                    {"name": "region", "in": "path", "required": True,
                     "schema": {"type": "string", "enum": list(TOPOLOGY.region_names)}},
                ),
                faults=(404, 503), public=True,
            )
        },
        "/openapi.json": {
            "get": _operation(
                "This document",
                answers={"200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}}},
                faults=(503,), public=True,
            )
        },
        "/registrar_pedido_entregado": {
            "post": _operation(
                "Register a delivery (old monitor)", answers={"200": _answer("LegacyRegistered", "registered")},
                body="LegacyDelivery", parameters=(_KEY,), faults=_WRITE_FAULTS,
            )
        },
        "/pedidos": {
            "get": _operation(
                "Delivered orders, newest first (old monitor)", answers={"200": _answer("LegacyPage", "one page")},
                parameters=_PAGING, faults=_READ_FAULTS,
            )
        },
        "/metrics": {
            "get": _operation(
                "Today's figures (old monitor)", answers={"200": _answer("LegacyMetrics", "the figures")}, faults=_READ_FAULTS
            )
        },
        "/v1/order": {
            "post": _operation(
                "Create an order (old work-order backend)", answers=registered, body="NewOrder", parameters=(_KEY,),
                faults=_WRITE_FAULTS,
            )
        },
    }  # fmt: skip


@cache
def openapi() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Relevo", "version": VERSION,
            "description": "Orders of Cargo Express, taken in two Regions at once. Every answer carries X-Region and X-Correlation-Id.",
        },
        "servers": [{"url": f"https://{TOPOLOGY.api_name}"}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }  # fmt: skip
