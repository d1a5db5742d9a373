"""Reading a request: its body, caller, key and correlation id, each checked before it is believed."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers.gate import Cached, shed_when_drained
from regions.handlers.runtime import brief_order_queries, logger, now
from shared.adapters.settings import settings
from shared.adapters.tokens import CLOCK_SKEW_SECONDS
from shared.domain import problems
from shared.domain.auth import Caller
from shared.domain.commands import MAX_BODY_BYTES, id_of, idempotency_key_of, parse_json
from shared.domain.takeover import Guard

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_EVENT_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def guard_seen() -> Guard | None:
    """What the sentinel saw. Unknown means serve (I7), so a view that cannot be read does not stop the API."""
    try:
        return brief_order_queries().guard()
    except (ClientError, BotoCoreError) as error:
        logger.warning("the guard cannot be read", reason=f"{type(error).__name__}: {error}")
        return None


# Read at most once in five seconds (scaled), so an order costs one query and one write.
guard: Cached[Guard | None] = Cached(read=guard_seen, max_age=settings().timing.look / 3)


def header(event: APIGatewayProxyEvent, name: str) -> str | None:
    """The value of a header in whatever case; raises a 400 problem when several contradict one another."""
    raw = event.raw_event
    found = {
        str(value)
        for headers in (raw.get("multiValueHeaders"), raw.get("headers"))
        for key, values in (headers or {}).items()
        if key.lower() == name.lower()
        for value in (values if isinstance(values, list) else [values])
    }
    if len(found) > 1:
        raise problems.invalid_parameter(name, "sent more than once, with different values")
    return found.pop() if found else None


def correlation_id_of(event: Mapping[str, Any], fallback: str) -> str:
    """The client's correlation id if it is short and harmless in a log, else the request's own."""
    headers = event.get("headers") or {}
    sent = next((value for key, value in headers.items() if key.lower() == "x-correlation-id"), "")
    return str(sent) if _CORRELATION_ID.fullmatch(sent) else fallback


def body_text(event: APIGatewayProxyEvent) -> str:
    """The body as text; raises a 413 problem when it is too large and a 400 one when it is not UTF-8."""
    raw: str = event.raw_event.get("body") or ""
    if event.raw_event.get("isBase64Encoded"):
        if len(raw) > MAX_BODY_BYTES * 4 // 3 + 4:
            raise problems.too_large(MAX_BODY_BYTES)
        try:
            return base64.b64decode(raw, validate=True).decode()
        except ValueError as error:  # no base64, or no UTF-8 in it
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
    """Who the authorizer found the caller to be; raises a 401 problem if it was not asked or the token has ended."""
    context = event.raw_event.get("requestContext", {}).get("authorizer") or {}
    if not context.get("sub"):
        raise problems.unauthorized("a bearer token is required")
    expires_at = int(context["exp"]) if "exp" in context else None  # an authorizer of release 1.0.0 does not tell it
    if expires_at is not None and now().timestamp() >= expires_at + CLOCK_SKEW_SECONDS:
        raise problems.unauthorized("the token has expired")
    scopes = frozenset(str(context.get("scope", "")).split())
    return Caller(subject=str(context["sub"]), scopes=scopes, expires_at=expires_at)


def shed() -> None:
    """Raise a 503 problem when this Region is drained and its peer serves."""
    shed_when_drained(guard, region=settings().region, now=now(), timing=settings().timing)


def order_id_of(segment: str) -> str:
    """The order id in a path segment, percent-decoded; raises a 400 problem."""
    try:
        return id_of(unquote(segment, errors="strict"))
    except UnicodeDecodeError as error:
        raise problems.invalid_parameter("order_id", "expected UTF-8, percent-encoded") from error
    except ValueError as error:
        raise problems.invalid_parameter("order_id", str(error)) from error


def routed_path(path: str) -> str:
    """The path with percent escapes, as REST APIs send it: a gateway that decodes it must not make it unroutable."""
    return quote(path, safe="/%-._~!$&'()*+,;=:@", errors="replace")


def limit_of(event: APIGatewayProxyEvent, *, default: int, at_most: int) -> int:
    """The `limit` parameter; raises a 400 problem."""
    text = parameter(event, "limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= at_most):
        raise problems.invalid_parameter("limit", f"expected a whole number from 1 to {at_most}")
    return int(text)


def event_id_of(event: APIGatewayProxyEvent, name: str) -> str | None:
    """A parameter that names an event; raises a 400 problem for what cannot be an event's id."""
    text = parameter(event, name)
    if text is not None and not _EVENT_ID.fullmatch(text):
        raise problems.invalid_parameter(name, "expected an event_id: 32 digits and letters from a to f")
    return text


def parameter(event: APIGatewayProxyEvent, name: str) -> str | None:
    found = (event.raw_event.get("queryStringParameters") or {}).get(name)
    return str(found) if found not in (None, "") else None
