"""The OpenAPI 3.1 description of the API, built from the very limits that the validation enforces.

A test holds its paths against the routes of the handlers, so neither can change alone.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from regions.handlers.contract_examples import EXAMPLES, PARAMETERS, PROBLEMS
from regions.handlers.contract_schemas import STATUS, Schema, ref, schemas, text
from shared.domain.commands import MAX_ORDER_ID, MAX_TEXT
from shared.topology import TOPOLOGY

VERSION: Final = "1.0.0"

# What a receiver does with a call; a test runs it.
VERIFY: Final = '''\
import hashlib, hmac, time

def is_from_relevo(secret: str, signature: str, body: bytes) -> bool:
    """`signature` is the header Relevo-Signature, `body` what came, byte for byte."""
    parts = [part.partition("=")[::2] for part in signature.split(",")]
    sent_at = dict(parts)["t"]
    if abs(time.time() - int(sent_at)) > 300:
        return False
    made = hmac.new(secret.encode(), sent_at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(made, value) for name, value in parts)
'''
_WEBHOOK: Final = f"""\
Relevo posts to `url` what became of each event of an order that this account registered: a `WebhookCall`, at least
once, in no fixed order. `event_id` (also in the header `Relevo-Event-Id`) is the same whenever a call is repeated:
keep it and do nothing twice. Answer 2xx within five seconds. Anything else is tried again after 30 seconds, 2 and 10
minutes and then more and more slowly, for 21 hours in all; redirects are not followed. A change is known everywhere
within half a minute.

`Relevo-Signature` is `t=<seconds>,v1=<hex>`, with a `v1` for each of at most two secrets: to rotate, ask for a second
one, let the receiver take either, and forget the first. A third pushes the first out, or takes the place of a second
that is not ten minutes old: its answer may have been lost. Check the signature before anything else:

```python
{VERIFY}```
"""


def _answer(schema: str, description: str) -> Schema:
    return {"description": description, "content": {"application/json": _shown(schema)}}


def _shown(schema: str) -> Schema:
    return {"schema": ref(schema), "example": EXAMPLES[schema]}


def _problems(*statuses: int) -> Schema:
    named = {
        400: "not JSON, or a bad parameter",
        401: "no valid token",
        403: "not allowed",
        404: "not found",
        409: "conflicts with what is known",
        413: "too large",
        422: "a field is wrong",
        429: "too many requests",
        503: "try again after Retry-After",
    }

    def content(status: int) -> Schema:
        shown = {"schema": ref("Problem"), "example": PROBLEMS[status]}
        return {"application/problem+json": shown, "application/json": shown}

    return {str(status): {"description": named[status], "content": content(status)} for status in statuses}


def _query(name: str, schema: Schema, description: str = "") -> Schema:
    described = {"schema": schema, "description": description, "example": PARAMETERS[name]}
    return {"name": name, "in": "query", "required": False, **described}


def _operation(
    summary: str,
    *,
    description: str = "",
    answers: Schema,
    faults: tuple[int, ...],
    body: str | None = None,
    form: bool = False,
    parameters: tuple[Schema, ...] = (),
    public: bool = False,
) -> Schema:
    operation: Schema = {"summary": summary, "responses": {**answers, **_problems(*faults)}}
    if description:
        operation["description"] = description
    if parameters:
        operation["parameters"] = list(parameters)
    if body:
        content = {"application/json": _shown(body)}
        if form:
            content["application/x-www-form-urlencoded"] = _shown(body)
        operation["requestBody"] = {"required": True, "content": content}
    operation["security"] = [] if public else [{"bearer": []}]
    return operation


_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"^[ -~]+$"},
    "example": PARAMETERS["Idempotency-Key"],
}
_ORDER_ID: Final[Schema] = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": text(MAX_ORDER_ID),
    "description": "no invisible characters, and in Unicode's normal form C",
    "example": PARAMETERS["order_id"],
}
_PAGING: Final = (
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 100}),
    _query("cursor", {"type": "string"}, "`next_cursor` of the page before; a page may hold fewer orders than `limit`"),
)
_DAY: Final = _query("day", {"type": "string", "format": "date"}, "calendar day in Bogota")
_DAY_OF_LIST: Final = _query("day", {"type": "string", "format": "date"}, "registered on that calendar day in Bogota")
_WRITE_FAULTS: Final = (400, 401, 403, 409, 413, 422, 429, 503)
_READ_FAULTS: Final = (400, 401, 403, 429, 503)
_SETTING_FAULTS: Final = (400, 401, 403, 413, 422, 429, 503)


def _paths() -> Schema:
    registered = {"201": _answer("Registered", "recorded"), "200": _answer("Registered", "a repeat; nothing changed")}
    return {
        "/token": {
            "post": _operation(
                "Log in",
                answers={"200": _answer("Token", "a bearer token for 30 minutes")},
                body="Credentials",
                form=True,
                faults=(400, 401, 413, 422, 429, 503),
                public=True,
            )
        },
        "/v1/orders": {
            "post": _operation(
                "Create an order, or register its first status",
                answers=registered,
                body="NewOrder",
                parameters=(_KEY,),
                faults=_WRITE_FAULTS,
            ),
            "get": _operation(
                "List orders, newest registration first",
                answers={"200": _answer("Page", "one page")},
                parameters=(*_PAGING, _query("status", STATUS), _query("courier", text()), _DAY_OF_LIST),
                faults=_READ_FAULTS,
            ),
        },
        "/v1/orders/{order_id}": {
            "get": _operation(
                "One order with its events and effects; a courier gets its own orders",
                answers={"200": _answer("History", "the order")},
                parameters=(_ORDER_ID, _query("at_least", text(), "an event_id; 503 until it has reached the Region")),
                faults=(*_READ_FAULTS, 404),
            )
        },
        "/v1/orders/{order_id}/events": {
            "post": _operation(
                "Record that something happened to an order",
                answers=registered,
                body="NewEvent",
                parameters=(_ORDER_ID, _KEY),
                faults=_WRITE_FAULTS,
            )
        },
        "/v1/metrics": {
            "get": _operation(
                "The figures of a day",
                answers={"200": _answer("Metrics", "the figures")},
                parameters=(_DAY,),
                faults=_READ_FAULTS,
            )
        },
        "/v1/status": {
            "get": _operation(
                "Both Regions as this one sees them",
                answers={"200": _answer("Status", "both Regions")},
                faults=_READ_FAULTS,
            )
        },
        "/v1/webhook": {
            "put": _operation(
                "Hear of this account's own orders",
                description=_WEBHOOK,
                answers={"200": _answer("Webhook", "what is set now; `secret` is shown this once, for a first one")},
                body="NewWebhook",
                faults=_SETTING_FAULTS,
            ),
            "get": _operation(
                "This account's webhook",
                answers={"200": _answer("Webhook", "what is set, without secrets")},
                faults=(*_READ_FAULTS, 404),
            ),
            "delete": _operation(
                "Hear of nothing any more; its secrets are forgotten",
                answers={"200": _answer("Removed", "whether there was one or not")},
                faults=_READ_FAULTS,
            ),
        },
        "/v1/webhook/secret": {
            "post": _operation(
                "Make a second secret; a third one pushes the first out",
                answers={"201": _answer("WebhookSecret", "the secret, shown this once")},
                faults=_READ_FAULTS,
            )
        },
        "/health": {
            "get": _operation(
                "This Region's own verdict",
                answers={"200": _answer("Health", "serving"), "503": _answer("Health", "not serving")},
                faults=(),
                public=True,
            )
        },
        "/control/drained/{region}": {
            "get": _operation(
                "Whether a Region is drained, as this one knows it",
                answers={"200": _answer("Drained", "the register")},
                parameters=(
                    {
                        "name": "region",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "enum": list(TOPOLOGY.region_names)},
                        "example": PARAMETERS["region"],
                    },
                ),
                faults=(404, 503),
                public=True,
            )
        },
        "/openapi.json": {
            "get": _operation(
                "This document",
                answers={
                    "200": {
                        "description": "OpenAPI 3.1",
                        "content": {
                            "application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}
                        },
                    }
                },
                faults=(503,),
                public=True,
            )
        },
        "/registrar_pedido_entregado": {
            "post": _operation(
                "Register a delivery (old monitor)",
                answers={"200": _answer("LegacyRegistered", "registered")},
                body="LegacyDelivery",
                parameters=(_KEY,),
                faults=_WRITE_FAULTS,
            )
        },
        "/pedidos": {
            "get": _operation(
                "Delivered orders, newest first (old monitor)",
                answers={"200": _answer("LegacyPage", "one page")},
                parameters=_PAGING,
                faults=_READ_FAULTS,
            )
        },
        "/metrics": {
            "get": _operation(
                "Today's figures (old monitor)",
                answers={"200": _answer("LegacyMetrics", "the figures")},
                faults=_READ_FAULTS,
            )
        },
        "/v1/order": {
            "post": _operation(
                "Create an order (old work-order backend)",
                answers=registered,
                body="NewOrder",
                parameters=(_KEY,),
                faults=_WRITE_FAULTS,
            )
        },
    }


@cache
def openapi() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Relevo",
            "version": VERSION,
            "description": "Orders of Cargo Express, taken in two Regions at once. "
            "Every answer carries X-Region and X-Correlation-Id.",
        },
        "servers": [{"url": f"https://{TOPOLOGY.api_name}"}],
        "paths": _paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
