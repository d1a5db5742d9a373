"""Routes of the two systems that Relevo replaced; their clients keep working unchanged.

These verify the token here, not in the authorizer: the old systems answered a bad token with 403 and `detail`.
"""

from __future__ import annotations

from functools import cache

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from regions.handlers import order_routes, requests
from regions.handlers.documents import legacy_metrics_document, legacy_page_document
from regions.handlers.gate import TokenGate, require
from regions.handlers.registration import register
from regions.handlers.responses import json_response
from regions.handlers.runtime import accounts, keyring_source, logger, now, order_log, order_queries
from shared.adapters.order_queries import MAX_PAGE
from shared.adapters.settings import settings
from shared.adapters.tokens import InvalidTokenError
from shared.domain import problems
from shared.domain.auth import Caller
from shared.domain.commands import legacy_delivery_command
from shared.domain.instants import day_in_bogota
from shared.domain.kpis import day_kpis
from shared.domain.plans import is_on_a_plan

router = APIGatewayRouter()  # type: ignore[no-untyped-call]  # as Powertools has it


@cache
def token_gate() -> TokenGate:
    return TokenGate(keyring_source(), accounts())


def caller_of_request() -> Caller:
    """Who sent the request; a bad token is a 403 here, as it was in the old systems."""
    requests.shed()
    moment = now()
    try:
        caller = token_gate().caller(requests.header(router.current_event, "Authorization"), now=moment)
    except InvalidTokenError as error:
        raise problems.forbidden(f"invalid or missing token: {error}") from error
    if is_on_a_plan(caller.plans, now=moment):
        # The gateway counts what its authorizer lets through, and these routes go round it.
        raise problems.forbidden("this account has a usage plan, which is for the routes under /v1/orders")
    return caller


@router.post("/registrar_pedido_entregado")
def register_delivery() -> Response[str]:
    caller = caller_of_request()
    require(caller, "orders:write")
    event = router.current_event
    command = legacy_delivery_command(
        requests.json_body(event), idempotency_key=requests.idempotency_key(event), now=now()
    )
    done = register(order_log(), command, subject=caller.subject, region=settings().region, now=now())
    logger.append_keys(order_id=done.order_id, event_id=done.event_id)
    return json_response({"message": "Pedido registrado exitosamente", "pedido_id": done.order_id})


@router.post("/v1/order")
def register_work_order() -> Response[str]:
    caller = caller_of_request()
    return order_routes.record(order_routes.order_command_of(), caller)


@router.get("/pedidos")
def list_deliveries() -> Response[str]:
    require(caller_of_request(), "legacy:read")
    event = router.current_event
    page = order_queries().page(
        limit=requests.limit_of(event, default=MAX_PAGE, at_most=MAX_PAGE),
        now=now(),
        cursor=requests.parameter(event, "cursor"),
        status="delivered",
    )
    return json_response(legacy_page_document(page))


@router.get("/metrics")
def read_figures() -> Response[str]:
    require(caller_of_request(), "legacy:read")
    shards, _ = order_queries().day(day_in_bogota(now()))
    return json_response(legacy_metrics_document(day_kpis(shards, most=3)))
