"""The lab's control API on loopback: status, faults and healing as JSON, for commands, drills and people with curl."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict

from aiohttp import web

from loadtests.lab import json_control, loopback
from loadtests.lab.faults.injection import FaultError, Faults
from loadtests.lab.lab_file import Address
from loadtests.lab.layout import LOOPBACK, Layout
from loadtests.lab.status import Status


def serve_control(layout: Layout, faults: Faults, status: Status) -> AbstractAsyncContextManager[None]:
    """Serve the control API while the context is open."""

    async def read_status(_: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(status.read))

    async def read_dns_history(_: web.Request) -> web.Response:
        try:
            return web.json_response(await asyncio.to_thread(loopback.call, f"{layout.dns_control}/history"))
        except (loopback.NoAnswerError, loopback.RefusedError) as error:
            return web.json_response({"error": f"the DNS server does not answer: {error}"}, status=502)

    async def read_faults(_: web.Request) -> web.Response:
        return web.json_response([asdict(happening) for happening in faults.history])

    async def inject(request: web.Request) -> web.Response:
        body = await json_control.read_object(request)
        try:
            return web.json_response({"what": await asyncio.to_thread(faults.inject, body)})
        except FaultError as error:
            raise json_control.BadRequestError(str(error)) from error

    async def heal(request: web.Request) -> web.Response:
        what = (await json_control.read_object(request)).get("what", "all")
        try:
            return web.json_response({"what": await asyncio.to_thread(faults.heal, str(what))})
        except FaultError as error:
            raise json_control.BadRequestError(str(error)) from error

    return json_control.serve(
        Address(LOOPBACK, layout.control_port),
        [
            ("GET", "/status", read_status),
            ("GET", "/dns/history", read_dns_history),
            ("GET", "/faults", read_faults),
            ("POST", "/fault", inject),
            ("POST", "/heal", heal),
        ],
    )
