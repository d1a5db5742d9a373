"""Routes that read: the order list, the figures of a day, the state of both Regions, and the contract itself."""

from __future__ import annotations

from datetime import date

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from regions.handlers import requests
from regions.handlers.documents import (
    Document,
    metrics_document,
    page_document,
    region_document,
    status_document,
)  # fmt: skip
from regions.handlers.gate import require
from regions.handlers.responses import json_response
from regions.handlers.runtime import control, now, order_log, order_queries, reports
from shared.adapters.order_queries import MAX_PAGE
from shared.adapters.settings import settings
from shared.domain import problems
from shared.domain.commands import text_of
from shared.domain.instants import day_in_bogota
from shared.domain.kpis import day_kpis
from shared.topology import STATUSES, TOPOLOGY

router = APIGatewayRouter()  # type: ignore[no-untyped-call]  # as Powertools has it
DEFAULT_PAGE = 50
MAX_LOOKED_AT = 1000  # pending work that the status reads through for the oldest


@router.get("/v1/orders")
def list_orders() -> Response[str]:
    event = router.current_event
    caller = requests.authorized_caller(event)
    requests.shed()
    require(caller, "orders:list")
    status = requests.parameter(event, "status")
    if status is not None and status not in STATUSES:
        raise problems.invalid_parameter("status", f"expected one of {', '.join(STATUSES)}")
    page = order_queries().page(
        limit=requests.limit_of(event, default=DEFAULT_PAGE, at_most=MAX_PAGE),
        now=now(),
        cursor=requests.parameter(event, "cursor"),
        day=day_of(event),
        status=status,
        courier=courier_of(event),
    )
    return json_response(page_document(page))


@router.get("/v1/metrics")
def read_metrics() -> Response[str]:
    event = router.current_event
    caller = requests.authorized_caller(event)
    requests.shed()
    require(caller, "metrics:read")
    day = day_of(event) or day_in_bogota(now())
    parts, freshness = order_queries().day(day)
    document = metrics_document(day, day_kpis(parts), freshness, now=now(), beats_every=settings().timing.look)
    return json_response(document)


@router.get("/v1/status")
def read_status() -> Response[str]:
    """Both Regions as this one sees them; answered in a drained Region too."""
    caller = requests.authorized_caller(router.current_event)
    require(caller, "status:read")
    here, moment, queries, timing = settings().region, now(), order_queries(), settings().timing
    guard, register, told = queries.guard(), control().register(), reports().read()
    regions: dict[str, Document] = {}
    for region in sorted((here, settings().peer_region)):
        beat = order_log().newest_beat(region=region, numbers=range(TOPOLOGY.heartbeat_keys))
        regions[region] = region_document(
            region,
            seen_from=here,
            guard=guard,
            register=register,
            beat_at=beat.beat_at if beat else None,
            oldest=min((work.seen_at for work in queries.pending(region, limit=MAX_LOOKED_AT)), default=None),
            dead_letters=told.dead_letters.get(region),
            serving_for=timing.peer_serving,
            now=moment,
        )
    return json_response(status_document(regions, told.last_drill, seen_from=here, now=moment))


@router.get("/openapi.json")
def read_contract() -> Response[str]:
    from regions.handlers.contract import openapi  # noqa: PLC0415  # rarely asked for: not part of a cold start

    return json_response(openapi())


def day_of(event: APIGatewayProxyEvent) -> date | None:
    """The `day` parameter, a calendar day in Bogota; raises a 400 problem."""
    text = requests.parameter(event, "day")
    if text is None:
        return None
    try:
        # fromisoformat alone would also take 20261121 and 2026-W47-6.
        found = date.fromisoformat(text) if len(text) == 10 and text[4] == text[7] == "-" else None
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2999:
        raise problems.invalid_parameter("day", "expected a calendar day such as 2026-11-21")
    return found


def courier_of(event: APIGatewayProxyEvent) -> str | None:
    text = requests.parameter(event, "courier")
    try:
        return text_of(text) if text is not None else None
    except ValueError as error:
        raise problems.invalid_parameter("courier", str(error)) from error
