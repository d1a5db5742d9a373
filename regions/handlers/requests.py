"""Reading a request: its body, caller, key and correlation id, each checked before it is believed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from regions.handlers.gate import Cached, shed_when_drained
from regions.handlers.runtime import now, order_queries
from shared.adapters.settings import settings
from shared.domain import problems
from shared.domain.auth import Caller
from shared.domain.commands import MAX_BODY_BYTES, idempotency_key_of, parse_json
from shared.domain.takeover import Guard

MAX_CORRELATION_ID = 64

# What the sentinel saw; read at most once in five seconds (scaled), so an order costs one query and one write.
guard: Cached[Guard | None] = Cached(
    read=lambda: order_queries().guard(), max_age=settings().timing.look / 3
)


def header(event: APIGatewayProxyEvent, name: str) -> str | None:
    found: str | None = event.headers.get(name) if event.headers else None
    if found is None and event.headers:
        found = next((value for key, value in event.headers.items() if key.lower() == name.lower()), None)
    return found


def correlation_id_of(event: Mapping[str, Any], fallback: str) -> str:
    """The client's correlation id if it is short and harmless in a log, else the request's own."""
    headers = event.get("headers") or {}
    sent = next((value for key, value in headers.items() if key.lower() == "x-correlation-id"), "")
    if 0 < len(sent) <= MAX_CORRELATION_ID and all(letter.isascii() and (letter.isalnum() or letter in "-_.:") for letter in sent):
        return str(sent)
    return fallback


def body_text(event: APIGatewayProxyEvent) -> str:
    """The body as text; raises a 413 problem when it is too large and a 400 one when it is not UTF-8."""
    raw: str = event.raw_event.get("body") or ""
    if event.raw_event.get("isBase64Encoded"):
        if len(raw) > MAX_BODY_BYTES * 4 // 3 + 4:
            raise problems.too_large(MAX_BODY_BYTES)
        try:
            return base64.b64decode(raw, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise problems.not_json("the body is not UTF-8") from error
    return raw


def json_body(event: APIGatewayProxyEvent) -> object:
    text = body_text(event)
    if not text:
        raise problems.not_json("a JSON body is required")
    return parse_json(text)


def idempotency_key(event: APIGatewayProxyEvent) -> str | None:
    return idempotency_key_of(header(event, "Idempotency-Key"))


def authorized_caller(event: APIGatewayProxyEvent) -> Caller:
    """Who the authorizer found the caller to be; raises a 401 problem if it was not asked."""
    context = event.raw_event.get("requestContext", {}).get("authorizer") or {}
    if not context.get("sub"):
        raise problems.unauthorized("a bearer token is required")
    return Caller(subject=str(context["sub"]), scopes=frozenset(str(context.get("scope", "")).split()))


def shed() -> None:
    """Raise a 503 problem when this Region is drained and its peer serves."""
    shed_when_drained(guard, region=settings().region, now=now(), timing=settings().timing)


def path_text(value: str) -> str:
    """A path segment as the client meant it."""
    return unquote(value)


def limit_of(event: APIGatewayProxyEvent, *, default: int, at_most: int) -> int:
    """The `limit` parameter; raises a 400 problem."""
    text = parameter(event, "limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= at_most):
        raise problems.invalid_parameter("limit", f"expected a whole number from 1 to {at_most}")
    return int(text)


def parameter(event: APIGatewayProxyEvent, name: str) -> str | None:
    found = (event.raw_event.get("queryStringParameters") or {}).get(name)
    return str(found) if found not in (None, "") else None
