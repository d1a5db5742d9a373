"""Small JSON-over-HTTP control servers of the lab's processes, on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from loadtests.lab.lab_file import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequestError(Exception):
    """The caller sent something that cannot be done; the text says what."""


@asynccontextmanager
async def serve(address: Address, routes: list[tuple[str, str, Handler]]) -> AsyncIterator[None]:
    """Serve (method, path, handler) routes while the context is open."""
    application = web.Application(middlewares=[_explain_bad_requests])
    for method, path, handler in routes:
        application.router.add_route(method, path, handler)
    async with running(application, address):
        yield


@asynccontextmanager
async def running(application: web.Application, address: Address) -> AsyncIterator[None]:
    """Run a web application on a loopback address while the context is open."""
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port, shutdown_timeout=1.0).start()
        yield
    finally:
        await runner.cleanup()


async def read_object(request: web.Request) -> dict[str, object]:
    """The request's JSON object; raises ``BadRequestError`` for anything else."""
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    return body


def number_of(body: dict[str, object], name: str) -> float:
    """A number of at least 0 from a body."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise BadRequestError(f"{name} must be a number of at least 0")
    return float(value)


@web.middleware
async def _explain_bad_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequestError as error:
        return web.json_response({"error": str(error)}, status=400)
