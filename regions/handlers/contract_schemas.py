"""The schemas of the API's documents, with the very limits that the validation enforces."""

from __future__ import annotations

from typing import Any, Final

from shared.domain.auth import MAX_PASSWORD
from shared.domain.commands import (
    MAX_ATTEMPT,
    MAX_ITEMS,
    MAX_ORDER_ID,
    MAX_PRICE,
    MAX_QUANTITY,
    MAX_TEXT,
    PRICE_PATTERN,
    TEXT_PATTERN,
)
from shared.domain.webhooks import MAX_URL, SECRETS_THAT_SIGN, URL_PATTERN
from shared.topology import STATUSES

Schema = dict[str, Any]


def text(limit: int = MAX_TEXT, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": limit, "pattern": TEXT_PATTERN, **more}


def _object(properties: Schema, *, required: tuple[str, ...] = (), closed: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
STATUS: Final[Schema] = {"type": "string", "enum": list(STATUSES)}
_MONEY: Final[Schema] = {"type": "string", "pattern": r"^-?\d+\.\d{2}$", "examples": ["125000.50"]}
_PRICE: Final[Schema] = {
    "description": "COP, at most 2 decimals, as a number or as text",
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": int(MAX_PRICE)},
        {"type": "string", "pattern": PRICE_PATTERN},
    ],
}
_WEBHOOK_URL: Final[Schema] = {"type": "string", "maxLength": MAX_URL, "pattern": URL_PATTERN}
_WEBHOOK_STATUSES: Final[Schema] = {
    "type": "array",
    "items": STATUS,
    "minItems": 1,
    "description": "of the events to hear of; all of them, unless it is sent",
}
_ATTEMPT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_ATTEMPT}
_NULLABLE_TEXT: Final[Schema] = {"type": ["string", "null"]}


def _items(element: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": element}


def schemas() -> Schema:
    item = _object(
        {"product": text(), "price": _PRICE, "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY}},
        required=("product", "price"),
    )
    event_fields = {
        "status": STATUS,
        "occurred_at": _MOMENT,
        "courier": text(),
        "items": _items(ref("Item")),
        "note": text(),
        "attempt": _ATTEMPT,
    }
    order = {
        "order_id": text(MAX_ORDER_ID),
        "status": STATUS,
        "attempt": {"type": "integer"},
        "courier": _NULLABLE_TEXT,
        "city": _NULLABLE_TEXT,
        "items": {"type": "array", "items": _object({}, closed=False)},
        "total": {"anyOf": [_MONEY, {"type": "null"}]},
        "day": {"type": "string", "format": "date"},
        "happened_at": _MOMENT,
        "registered_at": _MOMENT,
        "conflict": {"type": "boolean"},
    }
    legacy_line = _object({"producto": text(), "precio": _PRICE}, required=("producto", "precio"))
    return {
        "Item": item,
        "NewOrder": _object({**event_fields, "order_id": text(MAX_ORDER_ID), "city": text()}),
        "NewEvent": _object(event_fields, required=("status",)),
        "Order": _object(order, required=tuple(order), closed=False),
        "Registered": {"allOf": [ref("Order"), _object({"event_id": text()}, required=("event_id",), closed=False)]},
        "History": {
            "allOf": [
                ref("Order"),
                _object(
                    {"events": {"type": "array"}, "effects": {"type": "array"}, "conflicts": {"type": "array"}},
                    required=("events", "effects", "conflicts"),
                    closed=False,
                ),
            ]
        },
        "Page": _object(
            {"orders": {"type": "array", "items": ref("Order")}, "next_cursor": _NULLABLE_TEXT},
            required=("orders", "next_cursor"),
        ),
        "Metrics": _object(
            {
                "day": {"type": "string", "format": "date"},
                "orders_by_status": {"type": "object"},
                "delivered": {"type": "integer"},
                "sales": _MONEY,
                "sales_by_hour": {"type": "array", "minItems": 24, "maxItems": 24, "items": _MONEY},
                "average_per_delivered_order": _MONEY,
                "top_products": {"type": "array"},
                "top_couriers": {"type": "array"},
                "conflicts": {"type": "integer"},
                "as_of": _MOMENT,
                "freshness_seconds": {"type": "object", "additionalProperties": {"type": "number"}},
            },
            closed=False,
        ),
        "Status": _object(
            {
                "as_of": _MOMENT,
                "seen_from": {"type": "string"},
                "regions": {"type": "object"},
                "last_drill": {"anyOf": [{"type": "object"}, {"type": "null"}]},
            }
        ),
        "Credentials": _object(
            {"username": text(), "password": text(MAX_PASSWORD)}, required=("username", "password"), closed=False
        ),
        "Token": _object(
            {
                "access_token": {"type": "string"},
                "token_type": {"const": "bearer"},
                "expires_in": {"type": "integer"},
            },
            required=("access_token", "token_type", "expires_in"),
        ),
        "Problem": _object(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": _object({"pointer": {"type": "string"}, "detail": {"type": "string"}}),
                },
            },
            required=("detail",),
            closed=False,
        ),
        "LegacyDelivery": _object(
            {
                "pedido_id": {"anyOf": [text(MAX_ORDER_ID), {"type": "integer"}]},
                "repartidor": text(),
                "productos": _items(legacy_line),
                "timestamp": {
                    "type": ["string", "null"],
                    "description": "ISO 8601; without an offset it is local time in Bogota",
                },
            },
            required=("pedido_id", "repartidor", "productos"),
        ),
        "LegacyRegistered": _object({"message": {"type": "string"}, "pedido_id": {"type": "string"}}),
        "LegacyPage": _object({"pedidos": {"type": "array"}, "next_cursor": {"type": "string"}}, required=("pedidos",)),
        "LegacyMetrics": _object(
            {
                "top_3_productos": {"type": "array"},
                "precio_promedio_por_pedido": {"type": "number"},
                "acumulado_ventas_dia": {"type": "number"},
            }
        ),
        "NewWebhook": _object({"url": _WEBHOOK_URL, "statuses": _WEBHOOK_STATUSES}, required=("url",)),
        "Webhook": _object(
            {
                "url": {"type": "string"},
                "statuses": _WEBHOOK_STATUSES,
                "secrets_made_at": {
                    "type": "array",
                    "items": _MOMENT,
                    "maxItems": SECRETS_THAT_SIGN,
                    "description": "Empty if it was removed in one Region while it was set in another: "
                    "calls wait until a secret is asked for.",
                },
                "secret": {"type": "string"},
            },
            required=("url", "statuses", "secrets_made_at"),
        ),
        "WebhookSecret": _object({"secret": {"type": "string"}, "made_at": _MOMENT}, required=("secret", "made_at")),
        "Removed": _object({"removed": {"const": True}}, required=("removed",)),
        "WebhookCall": _object(
            {
                "event_id": text(),
                "order_id": text(MAX_ORDER_ID),
                "status": STATUS,
                "effect": _object(
                    {"kind": {"type": "string"}, "content": {"type": "object"}}, required=("kind", "content")
                ),
                "occurred_at": {"anyOf": [_MOMENT, {"type": "null"}]},
                "recorded_at": _MOMENT,
            },
            required=("event_id", "order_id", "status", "effect", "occurred_at", "recorded_at"),
            closed=False,
        ),
        "Health": _object(
            {"serving": {"type": "boolean"}, "region": {"type": "string"}, "fault": {"type": "string"}},
            required=("serving", "region"),
        ),
        "Drained": _object(
            {"region": {"type": "string"}, "drained": {"type": "boolean"}}, required=("region", "drained")
        ),
    }
