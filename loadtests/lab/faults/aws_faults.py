"""The ways of one Region's functions to AWS: to their own Region, and through microburst to the peer's DynamoDB.

Faults are injected on the own path alone: while there are any, its requests go through microburst, else straight on,
since microburst costs as much as the call. Each Region has a process of it, which is frozen with the Region:
`python -m loadtests.lab.faults.aws_faults`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Final

import aiohttp
import uvloop
from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst
from microburst.forward import Upstream

from loadtests.lab import loopback
from loadtests.lab.emulator.call_record import PEER_FILE, CallRecord
from loadtests.lab.emulator.ministack import clean_environment
from loadtests.lab.faults.splice import BACKLOG, Target, serve_splice
from loadtests.lab.layout import ACCOUNT, ROOT, Layout, Seat
from loadtests.lab.processes import ProcessBook, Started
from loadtests.lab.stopping import run_until_stopped

ROLE: Final = "aws-path"
SERVICES: Final = ("*", "dynamodb", "events", "secretsmanager", "sns", "sqs")  # what the product calls
KEY_ID: Final = re.compile(r"Credential=([^/]+)/")
RULES: Final = "/_microburst/rules"
RULES_SECONDS: Final = 15.0  # the process carries all calls of its Region and may be busy with them


class _PlainUpstream(Upstream):  # type: ignore[misc]
    """microburst's client without its limit of 100 connections: a silent peer must not use up everybody's."""

    async def start(self) -> None:
        self.session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=600, connect=30),
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0),
        )


class _HostKeepingUpstream(_PlainUpstream):
    """Passes the ``Host`` header on: a role's signature covers it, and MiniStack checks role signatures."""

    def _outbound_headers(self, request: web.Request) -> dict[str, str]:
        headers: dict[str, str] = super()._outbound_headers(request)
        headers["host"] = request.headers["Host"]
        return headers


class _Faults(Microburst):  # type: ignore[misc]
    """A microburst over a client of its own."""

    def __init__(self, upstream: Upstream) -> None:
        super().__init__(upstream.base_url)
        self.upstream = upstream

    async def handle_proxy(self, request: web.Request) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await super().handle_proxy(request)
        except ConnectionResetError:  # a worker that was killed waits for no answer
            response = web.Response()
        return response


class _PeerPath(_Faults):
    """The way to the peer, where calls go on with the root key: who called for what is noted here."""

    def __init__(self, peer: Seat, record: CallRecord) -> None:
        super().__init__(_PlainUpstream(peer.endpoint, resign=True))
        self._region = peer.region
        self._record = record

    async def handle_proxy(self, request: web.Request) -> web.StreamResponse:
        key = KEY_ID.search(request.headers.get("Authorization", ""))
        operation = request.headers.get("X-Amz-Target", "?").rpartition(".")[2]
        table = json.loads(await request.read()).get("TableName", "*")
        resource = f"arn:aws:dynamodb:{self._region}:{ACCOUNT}:table/{table}"
        self._record.note(key and key[1], f"dynamodb:{operation}", resource)
        return await super().handle_proxy(request)


async def serve_paths(layout: Layout, region: str) -> None:
    """Serve both paths of a Region until SIGTERM or SIGINT."""
    seat, peer = layout.seats[region], layout.peer_seat(region)
    # Signs with the lab's root key (from the environment): a role's session is unknown to the other MiniStack.
    os.environ.update(clean_environment())
    faults = _Faults(_HostKeepingUpstream(seat.endpoint))
    paths = {
        seat.microburst_port: faults,
        seat.peer_path_port: _PeerPath(peer, CallRecord(layout.temporary_folder / region / PEER_FILE)),
    }

    def own_target() -> Target:
        return seat.address, seat.microburst_port if faults.engine.rules else seat.gateway_port

    # Cancel a call when its caller hangs up: calls to a frozen peer would pile up for minutes.
    runners = {
        port: web.AppRunner(make_app(path), access_log=None, handle_signals=False, handler_cancellation=True)
        for port, path in paths.items()
    }
    try:
        for port, runner in runners.items():
            await runner.setup()
            await web.TCPSite(runner, seat.address, port, shutdown_timeout=0.5, backlog=BACKLOG).start()
        own_path = await serve_splice(seat.address, seat.own_path_port, own_target)
        try:
            await run_until_stopped()
        finally:
            own_path.close()
    finally:
        for runner in runners.values():
            await runner.cleanup()


def start_paths(book: ProcessBook, layout: Layout, seat: Seat) -> Started:
    """Start the process that serves a Region's paths."""
    name = f"aws-paths-{seat.region}"
    return book.start(
        name, ROLE, seat.region,
        [sys.executable, "-m", "loadtests.lab.faults.aws_faults", "--region", seat.region,
         "--lab-folder", str(layout.folder), "--port-shift", str(layout.shift)],
        environment=clean_environment(), folder=ROOT, log=layout.log_folder / f"{name}.log",
    )  # fmt: skip


def rule_of(service: str, *, error: str | None, latency_ms: float | None, rate: float) -> dict[str, object]:
    """A microburst rule: a share of the calls to a service fail or are slow."""
    rule: dict[str, object] = {"service": service, "probability": rate}
    if error is not None:
        rule["error"] = {"code": error}
    if latency_ms is not None:
        rule["latency"] = latency_ms
    return rule


def add_rule(seat: Seat, rule: dict[str, object]) -> None:
    loopback.call(seat.microburst + RULES, [rule], method="PATCH", timeout_seconds=RULES_SECONDS)


def clear_rules(seat: Seat) -> None:
    loopback.call(seat.microburst + RULES, [], method="POST", timeout_seconds=RULES_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves a Region's ways to AWS services.")
    parser.add_argument("--region", required=True)
    parser.add_argument("--lab-folder", type=Path, required=True)
    parser.add_argument("--port-shift", type=int, default=0)
    arguments = parser.parse_args()
    uvloop.run(serve_paths(Layout.at(arguments.lab_folder, arguments.port_shift), arguments.region))


if __name__ == "__main__":
    main()
