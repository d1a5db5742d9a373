"""One example for each document of the contract, all of one order. A test holds each against its schema."""

from __future__ import annotations

from typing import Final

from regions.handlers.contract_schemas import Schema
from shared.domain import problems
from shared.domain.problems import ProblemError
from shared.topology import TOPOLOGY

_EVENT_ID: Final = "4f6c2a0d9b8e47d1a3c5e7f9012b4d6e"
_MOMENT: Final = "2026-11-21T13:30:00.000Z"
_HERE, _THERE = TOPOLOGY.region_names
_ITEMS: Final = [{"product": "Café Huila 500 g", "price": "32000.00", "quantity": 2}]
_ORDER: Final = {
    "order_id": "CE-2026-000123",
    "status": "created",
    "attempt": 1,
    "courier": None,
    "city": "Medellín",
    "items": _ITEMS,
    "total": "64000.00",
    "day": "2026-11-21",
    "happened_at": _MOMENT,
    "registered_at": _MOMENT,
    "conflict": False,
}
_OLD_LINE: Final = {"producto": "Café Huila 500 g", "precio": 32000.0}

EXAMPLES: Final[Schema] = {
    "Credentials": {"username": "ana", "password": "una-clave-larga"},
    "Token": {
        "access_token": "eyJhbGciOiJIUzI1NiIsImtpZCI6IksyIn0.e30.c2ln",
        "token_type": "bearer",
        "expires_in": 1800,
    },
    "NewOrder": {
        "order_id": "CE-2026-000123",
        "city": "Medellín",
        "items": [{"product": "Café Huila 500 g", "price": 32000, "quantity": 2}],
    },
    "NewEvent": {"status": "delivered", "occurred_at": "2026-11-21T10:05:00-05:00", "courier": "ana"},
    "Registered": {**_ORDER, "event_id": _EVENT_ID},
    "History": {
        **_ORDER,
        "conflicts": [],
        "events": [
            {
                "event_id": _EVENT_ID,
                "status": "created",
                "attempt": 1,
                "courier": None,
                "note": None,
                "items": _ITEMS,
                "occurred_at": None,
                "recorded_at": _MOMENT,
                "origin_region": _HERE,
            }
        ],
        "effects": [
            {
                "event_id": _EVENT_ID,
                "kind": "delivery_promise",
                "content": {"within_hours": 48, "city": "Medellín"},
                "origin_region": _HERE,
            }
        ],
    },
    "Page": {"orders": [_ORDER], "next_cursor": "WyIyMDI2LTExLTIxVDEzOjMwOjAwLjAwMFoiLCAiMjAyNi0xMS0yMSJd"},
    "Metrics": {
        "day": "2026-11-21",
        "orders_by_status": {"created": 12, "delivered": 40},
        "delivered": 40,
        "sales": "2560000.00",
        "average_per_delivered_order": "64000.00",
        "top_products": [{"product": "Café Huila 500 g", "units": 80}],
        "top_couriers": [{"courier": "ana", "delivered": 21}],
        "conflicts": 0,
        "as_of": _MOMENT,
        "freshness_seconds": {_HERE: 0.4, _THERE: 1.1},
    },
    "Status": {
        "as_of": _MOMENT,
        "seen_from": _HERE,
        "regions": {
            _HERE: {
                "healthy": True,
                "drained": False,
                "heartbeat_age_seconds": 4.2,
                "replication_lag_seconds": 0.0,
                "oldest_pending_seconds": None,
            },
            _THERE: {
                "healthy": True,
                "drained": True,
                "drained_by": "ops",
                "drained_since": _MOMENT,
                "drained_because": "drill",
                "heartbeat_age_seconds": 5.0,
                "replication_lag_seconds": 0.6,
                "oldest_pending_seconds": 1.5,
            },
        },
    },
    "NewWebhook": {"url": "https://sistema.cliente.com.co/relevo", "statuses": ["delivered", "failed"]},
    "Webhook": {
        "url": "https://sistema.cliente.com.co/relevo",
        "statuses": ["failed", "delivered"],
        "secrets_made_at": [_MOMENT],
        "secret": "whsec_uno-que-nadie-mas-conoce",
    },
    "WebhookSecret": {"secret": "whsec_otro-que-nadie-mas-conoce", "made_at": _MOMENT},
    "Removed": {"removed": True},
    "Health": {"serving": True, "region": _HERE},
    "Drained": {"region": _HERE, "drained": False},
    "LegacyDelivery": {"pedido_id": "CE-2026-000123", "repartidor": "ana", "productos": [_OLD_LINE]},
    "LegacyRegistered": {"message": "Pedido registrado exitosamente", "pedido_id": "CE-2026-000123"},
    "LegacyPage": {
        "pedidos": [
            {
                "pedido_id": "CE-2026-000123",
                "repartidor": "ana",
                "productos": [_OLD_LINE],
                "timestamp": "2026-11-21T08:30:00-05:00",
            }
        ]
    },
    "LegacyMetrics": {
        "top_3_productos": [["Café Huila 500 g", 80]],
        "precio_promedio_por_pedido": 64000.0,
        "acumulado_ventas_dia": 2560000.0,
    },
}
_FAULTS: Final[tuple[ProblemError, ...]] = (
    problems.invalid_parameter("limit", "expected a whole number from 1 to 100"),
    problems.unauthorized("a bearer token is required"),
    problems.forbidden("this account may not do that (it needs the scope orders:write)"),
    problems.not_found("there is no order 'CE-2026-000123'"),
    problems.conflict("this Idempotency-Key was used with another body", "idempotency-key-reused"),
    problems.too_large(64 * 1024),
    problems.invalid([{"pointer": "/items/0/price", "detail": "required"}]),
    problems.too_many_attempts(300),
    problems.unavailable("a service behind this one did not answer; try again", "dependency", 1),
)
PROBLEMS: Final[dict[int, Schema]] = {fault.status: fault.body() for fault in _FAULTS}
PARAMETERS: Final[Schema] = {
    "Idempotency-Key": "recogida-2026-000123",
    "order_id": "CE-2026-000123",
    "limit": 50,
    "cursor": EXAMPLES["Page"]["next_cursor"],
    "status": "delivered",
    "courier": "ana",
    "day": "2026-11-21",
    "at_least": _EVENT_ID,
    "region": _HERE,
}
