"""Two tiny HTTP servers in the place of two Regions: they serve, say who is drained, fail, or fall silent, as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared.topology import TOPOLOGY
from tests.lab.two_ministacks import free_port


class TinyRegion(ThreadingHTTPServer):
    """One Region's API, as far as health checkers and the edge see it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, name: str, address: str, port: int) -> None:
        super().__init__((address, port), _Handler)
        self.name = name
        self.address = address
        self.port = port
        self.serving = True
        self.drained: str | None = None  # the Region that this one's replica of the register calls drained
        self.speaks = threading.Event()
        self.speaks.set()
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.checks = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TinyRegion

    def do_GET(self) -> None:
        region = self.server
        region.speaks.wait(20)
        checker = "Route53-Health-Check" in self.headers.get("User-Agent", "")
        region.checks += checker
        expected_host = TOPOLOGY.region_api_name(region.name)
        if checker and self.headers["Host"] != expected_host:
            self.reply(421, {"title": "wrong host"})
        elif self.path == "/health":
            self.reply(200 if region.serving else 503, {"serving": region.serving})
        elif self.path.startswith("/control/drained/"):
            named = self.path.rpartition("/")[2]
            self.reply(200, {"region": named, "drained": named == region.drained})
        else:
            self.echo()

    def do_POST(self) -> None:
        self.server.speaks.wait(20)
        self.echo()

    do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815 (the names that http.server looks for)

    def echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.reply(201, {"region": self.server.name, "size": len(body)})

    def reply(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Region", self.server.name)
            self.send_header("Set-Cookie", "a=1")
            self.send_header("Set-Cookie", "b=2")
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def tiny_regions() -> Iterator[dict[str, TinyRegion]]:
    """One tiny Region per Region of the topology, on its address."""
    port = free_port(*(region.lab_address for region in TOPOLOGY.regions))
    with ExitStack() as stack:
        found = {}
        for region in TOPOLOGY.regions:
            server = TinyRegion(region.name, region.lab_address, port)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            stack.callback(server.speaks.set)
            found[region.name] = server
        yield found
