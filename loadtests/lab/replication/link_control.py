"""The link's HTTP control: what it carries, and the conditions that drills set."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from itertools import permutations
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

from aiohttp import web

from loadtests.lab import json_control
from loadtests.lab.lab_file import Address

if TYPE_CHECKING:
    from loadtests.lab.replication.link import Link


def describe(link: Link, now: float) -> dict[str, object]:
    """State and measures of the link, per direction ``source->target``.

    ``measured_lag_seconds`` is the mean of the last writes that arrived, or the age of the oldest one still on its way
    if that is more.
    """
    queued: dict[str, int] = {}
    lag: dict[str, float | None] = {}
    lag_p99: dict[str, float | None] = {}
    applied: dict[str, int] = {}
    for source, target in permutations(link.replicas, 2):
        way = f"{source}->{target}"
        delays = list(link.measures.delays.get(way, ()))
        oldest_at = link.replication.oldest_waiting_at(source, target)
        ages = ([fmean(delays)] if delays else []) + ([now - oldest_at] if oldest_at is not None else [])
        queued[way] = link.replication.queued(source, target)
        lag[way] = round(max(ages), 4) if ages else None
        lag_p99[way] = round(quantiles(delays, n=100)[98], 4) if len(delays) > 1 else None
        applied[way] = link.measures.applied.get(way, 0)
    return {
        "partitioned": link.conditions.partitioned,
        "lag_seconds": link.conditions.lag_seconds,
        "ahead_seconds": dict(link.conditions.ahead_seconds),
        "queued": queued,
        "measured_lag_seconds": lag,
        "measured_lag_p99_seconds": lag_p99,
        "applied": applied,
        "remembered_items": link.replication.remembered(),
    }


def serve_control(link: Link, address: Address) -> AbstractAsyncContextManager[None]:
    """Serve the link's control API."""

    async def stats(_: web.Request) -> web.Response:
        return web.json_response(describe(link, time.time()))

    async def partition(request: web.Request) -> web.Response:
        on = (await json_control.read_object(request)).get("on")
        if not isinstance(on, bool):
            raise json_control.BadRequestError("on must be true or false")
        link.conditions.partitioned = on
        link.wake()
        return await stats(request)

    async def lag(request: web.Request) -> web.Response:
        link.conditions.lag_seconds = json_control.number_of(await json_control.read_object(request), "seconds")
        link.wake()
        return await stats(request)

    async def winner(request: web.Request) -> web.Response:
        body = await json_control.read_object(request)
        region = body.get("region")
        ahead_seconds = json_control.number_of(body, "ahead_seconds")
        if region not in link.replicas:
            raise json_control.BadRequestError(f"region must be one of {', '.join(link.replicas)}")
        link.conditions.ahead_seconds = {str(region): ahead_seconds} if ahead_seconds else {}
        link.wake()
        return await stats(request)

    return json_control.serve(
        address,
        [
            ("GET", "/stats", stats),
            ("POST", "/partition", partition),
            ("POST", "/lag", lag),
            ("POST", "/winner", winner),
        ],
    )
