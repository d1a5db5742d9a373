"""A tiny platform that answers as `api.md` says, with faults that a test plans; it remembers what it was sent."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubPlatform(ThreadingHTTPServer):
    """One Region on a free loopback port; in use as a context."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.sent: dict[str, list[tuple[str | None, str]]] = defaultdict(list)  # event id -> (key, body) of each try
        self.hosts: set[str | None] = set()
        self.freeze_at_read = 0  # the n-th read starts a freeze of so many seconds
        self.freeze_seconds = 0.0
        self.frozen_until = 0.0
        self.reads = 0
        self.refuse_every = 0  # each n-th command is stored and then answered 503
        self.commands = 0
        self.logins = 0
        self.token_seconds = 1800
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> StubPlatform:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StubPlatform

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.reads += 1
            if self.server.reads == self.server.freeze_at_read:
                self.server.frozen_until = time.time() + self.server.freeze_seconds
        self._wait()
        if self.path.startswith("/v1/orders?"):
            self._say(200, {"orders": [], "next_cursor": "next"})
        else:
            self._say(200, {"sales": "0.00"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._wait()
        self.server.hosts.add(self.headers.get("Host"))
        if self.path == "/token":
            self._say(
                200, {"access_token": self._token(), "token_type": "bearer", "expires_in": self.server.token_seconds}
            )
        elif not self._is_living((self.headers.get("Authorization") or "").removeprefix("Bearer ")):
            self._say(401, {"title": "Unauthorized"})
        else:
            self._record(json.loads(body), body)

    def _token(self) -> str:
        with self.server.lock:
            self.server.logins += 1
        return f"good until {time.time() + self.server.token_seconds}"

    def _is_living(self, token: str) -> bool:
        return token == "good" or (
            token.startswith("good until ") and float(token.removeprefix("good until ")) > time.time()
        )

    def _record(self, fields: dict[str, Any], body: str) -> None:
        key = self.headers.get("Idempotency-Key")
        event_id = hashlib.sha256(f"{self.path}{key}{body}".encode()).hexdigest()[:32]
        order_id = fields.get("pedido_id") or fields.get("order_id")
        if order_id is None:
            order_id = self.path.split("/")[3] if self.path.endswith("/events") else f"o-{key}"
        with self.server.lock:
            self.server.commands += 1
            refused = self.server.refuse_every and self.server.commands % self.server.refuse_every == 0
            self.server.sent[event_id].append((key, body))
        if refused:
            self._say(503, {"title": "Service Unavailable"}, {"Retry-After": "0"})
        elif "pedido_id" in fields:
            self._say(200, {"message": "Pedido registrado exitosamente", "pedido_id": order_id})
        else:
            self._say(201, {"order_id": order_id, "event_id": event_id})

    def _wait(self) -> None:
        time.sleep(max(0.0, self.server.frozen_until - time.time()))

    def _say(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "X-Region": "us-east-1", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
