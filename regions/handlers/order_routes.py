"""Routes that register what happens to orders, and the one that tells all about an order."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from regions.handlers import requests
from regions.handlers.documents import Document, history_document, order_document
from regions.handlers.gate import require, seen_by
from regions.handlers.registration import register
from regions.handlers.responses import json_response
from regions.handlers.runtime import logger, now, order_log
from shared.adapters.settings import settings
from shared.domain import problems
from shared.domain.auth import Caller
from shared.domain.commands import Command, event_command, order_command
from shared.domain.orders import fold, state_of

router = APIGatewayRouter()  # type: ignore[no-untyped-call]  # as Powertools has it
RETRY_AFTER_SECONDS = 1


@router.post("/v1/orders")
def register_order() -> Response[str]:
    caller = requests.authorized_caller(router.current_event)
    return record(order_command_of(), caller)


@router.post("/v1/orders/<order_id>/events")
def register_event(order_id: str) -> Response[str]:
    caller = requests.authorized_caller(router.current_event)
    event = router.current_event
    command = event_command(
        requests.json_body(event),
        order_id=requests.order_id_of(order_id),
        idempotency_key=requests.idempotency_key(event),
        now=now(),
    )
    return record(command, caller)


def order_command_of() -> Command:
    event = router.current_event
    return order_command(requests.json_body(event), idempotency_key=requests.idempotency_key(event), now=now())


def record(command: Command, caller: Caller) -> Response[str]:
    """201 for a new command, 200 for a repeat, with the order as this Region knows it and the caller may see it."""
    requests.shed()
    require(caller, "orders:write")
    done = register(order_log(), command, subject=caller.subject, region=settings().region, now=now())
    logger.append_keys(order_id=done.order_id, event_id=done.event_id)
    body: Document = {**order_document(state_of(seen_by(caller, done.record).events)), "event_id": done.event_id}
    return json_response(body, status=201 if done.is_new else 200)


@router.get("/v1/orders/<order_id>")
def read_order(order_id: str) -> Response[str]:
    caller = requests.authorized_caller(router.current_event)
    requests.shed()
    require(caller, "orders:read", "orders:read-own")
    order_id = requests.order_id_of(order_id)
    wanted = requests.event_id_of(router.current_event, "at_least")
    found = order_log().order(order_id)
    seen = seen_by(caller, found)
    state = fold(seen.events)
    if wanted is not None and all(event.event_id != wanted for event in found.events):
        raise problems.unavailable(
            f"event {wanted} has not reached {settings().region} yet", "not-replicated-yet", RETRY_AFTER_SECONDS
        )
    if state is None:
        raise problems.not_found(f"there is no order {order_id[:64]!r}")
    return json_response(history_document(state, seen))
