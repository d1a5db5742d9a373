"""A client of Relevo, to be copied: one file, the standard library, and the five habits that make a failover unseen.

1. One hostname; a connection is used no longer than the DNS TTL, and not again after a failure.
2. A command is made once, with an idempotency key, and repeated unchanged until it is answered.
3. Pauses between tries grow and are random (full jitter); ``Retry-After`` is their floor.
4. A token is good in every Region until it expires; a 401 means to log in again, once.
5. What was acknowledged is read with ``at_least``: a Region that has not seen it yet says so, and is asked again.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

DNS_TTL_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.2  # the cap of the first pause; it doubles with each try
LONGEST_PAUSE_SECONDS: Final = 5.0
TOKEN_MARGIN_SECONDS: Final = 60.0
TRY_AGAIN: Final = frozenset({429, 500, 502, 503, 504})

Resolve = Callable[[str], str]


class ClientError(Exception):
    """A request that came to nothing; the text says why."""


class RefusedError(ClientError):
    """The API said no, and will say so again: ``problem`` is its reason (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('title', '')}: {problem.get('detail', '')}".strip(" :"))
        self.status = status
        self.problem = problem


class UnansweredError(ClientError):
    """No useful answer in time. Nobody knows whether the command was taken: repeat it with the same key."""


@dataclass(frozen=True)
class Reply:
    """An answer of the API, and the Region that gave it."""

    status: int
    body: dict[str, Any]
    region: str | None
    retry_after_seconds: float | None = None

    @property
    def is_repeat(self) -> bool:
        """Whether the command had been taken before: nothing was done twice."""
        return self.status == 200


class OrderClient:
    """Registers orders and reads them back. Not for threads: each takes a client of its own.

    ``resolve`` turns the hostname into an address; the system's resolver does by default. ``patience_seconds`` bounds
    one call with all of its tries; it should outlast a failover (health checks, then the TTL).
    """

    def __init__(
        self, url: str, username: str, password: str, *, resolve: Resolve = socket.gethostbyname,
        ttl_seconds: float = DNS_TTL_SECONDS, patience_seconds: float = 120.0, rng: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._connection = _Connection(url, resolve, ttl_seconds)
        self._login = {"username": username, "password": password}
        self._patience_seconds = patience_seconds
        self._rng = rng or random.Random()
        self._token: str | None = None
        self._token_until = 0.0
        self._newest_event: dict[str, str] = {}  # of each order, as acknowledged to this client

    def register(self, order: Mapping[str, Any], *, key: str | None = None) -> Reply:
        """Create an order, or register its first status; ``key`` names the command for repeats in other processes."""
        return self._acknowledged(self._command("/v1/orders", order, key))

    def report(self, order_id: str, event: Mapping[str, Any], *, key: str | None = None) -> Reply:
        """Report a status of an order that exists."""
        return self._acknowledged(self._command(f"/v1/orders/{quote(order_id, safe='')}/events", event, key))

    def order(self, order_id: str) -> Reply:
        """Read an order, at least as new as what this client was told about it."""
        event_id = self._newest_event.get(order_id)
        at_least = f"?at_least={event_id}" if event_id else ""
        return self._send("GET", f"/v1/orders/{quote(order_id, safe='')}{at_least}", None, None)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> OrderClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _command(self, path: str, body: Mapping[str, Any], key: str | None) -> Reply:
        # The key is made before the first try: it is what makes ten tries one command.
        return self._send("POST", path, json.dumps(body).encode(), key or str(uuid.uuid4()))

    def _acknowledged(self, reply: Reply) -> Reply:
        self._newest_event[reply.body["order_id"]] = reply.body["event_id"]
        return reply

    def _send(self, method: str, path: str, body: bytes | None, key: str | None) -> Reply:
        headers = {} if key is None else {"Idempotency-Key": key}
        until = time.monotonic() + self._patience_seconds
        renewed = False
        while True:
            headers["Authorization"] = f"Bearer {self._fresh_token(until)}"
            reply = self._until_answered(method, path, body, headers, until)
            if reply.status == 401 and not renewed:
                self._token, renewed = None, True
                continue
            if not 200 <= reply.status < 300:
                raise RefusedError(reply.status, reply.body)
            return reply

    def _fresh_token(self, until: float) -> str:
        if self._token is None or time.monotonic() >= self._token_until:
            asked_at = time.monotonic()
            reply = self._until_answered("POST", "/token", json.dumps(self._login).encode(), {}, until)
            if reply.status != 200:
                raise RefusedError(reply.status, reply.body)
            lives = float(reply.body["expires_in"])
            self._token = str(reply.body["access_token"])
            self._token_until = asked_at + max(lives - TOKEN_MARGIN_SECONDS, lives / 2)
        return self._token

    def _until_answered(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], until: float
    ) -> Reply:
        """Try until an answer that is final, or until patience is at its end."""
        failed, trouble = 0, ""
        while True:
            floor = 0.0
            try:
                reply = self._connection.exchange(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                if reply.status not in TRY_AGAIN:
                    return reply
                trouble, floor = f"{reply.status} {reply.body.get('title', '')}", reply.retry_after_seconds or 0.0
            failed += 1
            pause = floor + self._rng.uniform(0, min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2.0**failed))
            if time.monotonic() + pause >= until:
                raise UnansweredError(f"{method} {path}: no answer in {failed} tries, last: {trouble}")
            time.sleep(pause)


class _Connection:
    """One connection at a time, to the address that DNS gives, as old as the TTL at most."""

    def __init__(self, url: str, resolve: Resolve, ttl_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"expected an http(s) URL such as https://api.example.com, not {url!r}")
        self._host = parts.hostname
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._resolve = resolve
        self._ttl_seconds = ttl_seconds
        self._open: http.client.HTTPConnection | None = None
        self._opened_at = 0.0

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send once; whatever goes wrong, the next try opens a connection of its own."""
        connection = self._connected()
        try:
            connection.request(method, path, body, {"Host": self._host, "Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.status in TRY_AGAIN:
            self.close()  # a Region that is being left says so: the next try goes where DNS says by then
        return Reply(
            answer.status, _object(content), answer.getheader("X-Region"), _seconds(answer.getheader("Retry-After"))
        )

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None

    def _connected(self) -> http.client.HTTPConnection:
        too_old = time.monotonic() - self._opened_at >= self._ttl_seconds
        if self._open is None or self._open.sock is None or too_old:  # None: the server asked to close it
            self.close()
            address = (self._resolve(self._host), self._port)
            plain = socket.create_connection(address, timeout=ANSWER_SECONDS)
            self._open = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)
            # To the resolved address; the name in TLS and in Host stays the hostname.
            self._open.sock = (
                ssl.create_default_context().wrap_socket(plain, server_hostname=self._host) if self._secure else plain
            )
            self._opened_at = time.monotonic()
        return self._open


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
