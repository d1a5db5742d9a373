"""The lab's edge on localhost: for browsers and tools that cannot use the lab's DNS.

Serves the dashboard page, as CloudFront does on AWS, and sends everything else to the API: asks that DNS where the API
is, honours its TTL, and forwards each request once. It never retries, or it would hide what a client has to do.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from loadtests.lab import json_control
from loadtests.lab.lab_file import Address, Lab, lab_from_arguments
from loadtests.lab.layout import SITE_FOLDER
from loadtests.lab.site import Site
from loadtests.lab.stopping import run_until_stopped
from loadtests.resolver import ResolveError, Resolver
from shared.topology import TOPOLOGY

MAX_BODY_BYTES: Final = 10 * 1024 * 1024  # API Gateway's own limit; the API's is far below
CONNECT_SECONDS: Final = 3.0
IDLE_CONNECTION_SECONDS: Final = 2.0  # less than a Region keeps them, so that none is used while it is being closed
ANSWER_SECONDS: Final = 11.0  # longer than any function of the API may take
HOP_BY_HOP: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
OWN_HEADERS: Final = frozenset(("host", "content-length", "expect"))

# In the place of the dashboard while it is not built.
PAGE: Final = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Relevo lab</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>Relevo, on two local Regions</h1>
<p>Everything under this address goes to <code>{TOPOLOGY.api_name}</code>, to the Region that the lab's DNS names now.
The answer's <code>X-Region</code> header says which one served it.</p>
<ul>
<li><code>make site</code> builds the dashboard, which stands here from the next start on</li>
<li><a href="/openapi.json">/openapi.json</a>: what the API can do</li>
<li><a href="/health">/health</a>: the verdict of the Region that answers</li>
</ul>
"""


class Edge:
    """Answers for the page itself, and forwards what is not the page's to the Region that DNS names."""

    def __init__(
        self, session: aiohttp.ClientSession, resolver: Resolver, ports: Mapping[str, int], site: Site | None
    ) -> None:
        self._session = session
        self._site = site
        self._resolver = resolver
        self._ports = ports  # by address: a lab's Regions listen on their own
        self._one_question_at_a_time = asyncio.Lock()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        page = self._site.response(request.method, request.path) if self._site else None
        if page is not None:
            return page
        if request.path == "/" and request.method in ("GET", "HEAD"):
            return web.Response(text=PAGE, content_type="text/html")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return problem(413, "Content Too Large", f"the edge forwards bodies of up to {MAX_BODY_BYTES} bytes")
        try:
            address = await self._resolve()
        except ResolveError as error:
            return problem(502, "Bad Gateway", f"the lab's DNS did not say where the API is: {error}")
        return await self._forward(request, body, address)

    async def _resolve(self) -> str:
        async with self._one_question_at_a_time:
            return await asyncio.to_thread(self._resolver.resolve, TOPOLOGY.api_name)

    async def _forward(self, request: web.Request, body: bytes, address: str) -> web.StreamResponse:
        # `encoded`: as the client spelled it.
        url = URL(f"http://{address}:{self._ports[address]}{request.raw_path}", encoded=True)
        response: web.StreamResponse | None = None
        try:
            async with self._session.request(
                request.method, url, headers=_forwarded(request), data=body or None, allow_redirects=False
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_returned(answer))
                response.headers["X-Lab-Address"] = address
                if answer.content_length is not None and request.method != "HEAD":
                    response.content_length = answer.content_length
                await response.prepare(request)
                async for part in answer.content.iter_any():
                    await response.write(part)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if response is not None and response.prepared:
                raise  # the client has the beginning of the answer: only closing the connection tells it the truth
            return _silent(address, error)


def _silent(address: str, error: Exception) -> web.Response:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return problem(504, "Gateway Timeout", f"{address} took no connection; the request was not sent")
    if isinstance(error, TimeoutError):
        return problem(
            504, "Gateway Timeout", f"{address} did not answer in time; the request may or may not have been executed"
        )
    return problem(502, "Bad Gateway", f"{address} could not be reached or broke off: {error}")


def problem(status: int, title: str, detail: str) -> web.Response:
    """An RFC 9457 problem of the edge itself."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    headers = {"Retry-After": "1", "X-Lab-Edge": "true"} if status >= 500 else {"X-Lab-Edge": "true"}
    return web.Response(
        status=status, text=json.dumps(content), content_type="application/problem+json", headers=headers
    )


def _forwarded(request: web.Request) -> CIMultiDict[str]:
    dropped = HOP_BY_HOP | OWN_HEADERS | _named_by_connection(request.headers.get("Connection", ""))
    headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in dropped)
    headers["Host"] = TOPOLOGY.api_name
    headers.add("X-Forwarded-For", request.remote or "127.0.0.1")
    return headers


def _returned(answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
    dropped = HOP_BY_HOP | OWN_HEADERS | _named_by_connection(answer.headers.get("Connection", ""))
    return CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in dropped)


def _named_by_connection(value: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in value.split(",") if name.strip())


async def run_edge(lab: Lab) -> None:
    """Forward requests until SIGTERM or SIGINT."""
    limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=limits,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as session:
        ports = {region.address: region.port for region in lab.regions.values()}
        edge = Edge(session, Resolver((lab.dns.host, lab.dns.port)), ports, Site.read(SITE_FOLDER, lab.template_dir))
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", edge.handle)
        # Browsers call it localhost; on loopback only, whatever that name resolves to.
        async with json_control.running(application, Address("127.0.0.1", lab.edge.port)):
            await run_until_stopped()


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    uvloop.run(run_edge(lab_from_arguments("Forwards localhost to the Region that the lab's DNS names.")))


if __name__ == "__main__":
    main()
