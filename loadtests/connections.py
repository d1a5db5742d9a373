"""HTTP from one simulated client to the address its policy names, with time limits; TLS and Host stay the hostname's.

Runs in Locust's process (gevent). Redirects, cookies and compression are left out: the API has none.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import gevent
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPSocketPoolResponse

from loadtests.addressing import AddressPolicy
from loadtests.resolver import ResolveError
from loadtests.retries import RETRYABLE_STATUSES, parse_retry_after

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0  # of one try, connecting included


@dataclass(frozen=True)
class Exchange:
    """One try: what came back, from where, and how long it took. ``http`` 0 means that nothing came back."""

    at: float
    ms: float
    http: int
    region: str | None
    address: str | None
    error: str | None = None
    retry_after: float | None = None
    length: int = 0
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.http < 300


@dataclass(frozen=True)
class Request:
    """One HTTP request as a client means it."""

    method: str
    path: str
    body: object
    token: str | None
    key: str | None


class Connections:
    """The connections of one client; a new address means new connections, the old ones finish what they carry."""

    def __init__(self, host: str, policy: AddressPolicy, size: int) -> None:
        parts = urlsplit(host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"--host must be an http(s) URL, not {host!r}")
        self._secure = parts.scheme == "https"
        self._hostname = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._policy = policy
        self._size = size
        self._address: str | None = None
        self._client: HTTPClient | None = None

    def send(
        self, method: str, path: str, body: object, *, token: str | None = None, key: str | None = None
    ) -> Exchange:
        """Send once and return what happened; never raises for anything that a network or a server can do."""
        at = time.time()
        address: str | None = None
        try:
            address = self._policy.address()
            with gevent.Timeout(ANSWER_SECONDS):
                return self._exchange(at, address, Request(method, path, body, token, key))
        except ResolveError as error:
            return Exchange(at, _ms_since(at), 0, None, None, f"DNS: {error}")
        except (gevent.Timeout, TimeoutError):
            self._lost(address)
            return Exchange(at, _ms_since(at), 0, None, address, "timeout")
        except (OSError, HTTPConnectionClosed, HTTPParseError, ssl.SSLError) as error:
            self._lost(address)
            return Exchange(at, _ms_since(at), 0, None, address, f"{type(error).__name__}: {error}"[:120])

    def close(self) -> None:
        self._drop()

    def _exchange(self, at: float, address: str, request: Request) -> Exchange:
        client = self._client_at(address)
        headers = {"Host": self._hostname, "Accept": "application/json"}
        payload = b""
        if request.body is not None:
            payload = json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
            headers["Content-Type"] = "application/json"
        if request.token is not None:
            headers["Authorization"] = f"Bearer {request.token}"
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        response = client.request(request.method, self._prefix + request.path, body=payload, headers=headers)
        try:
            raw = bytes(response.read())
        finally:
            response.release()
        http = response.get_code()
        if http in RETRYABLE_STATUSES:
            self._policy.failed()
        else:
            self._policy.answered()
        retry_after = parse_retry_after(_header(response, "retry-after"))
        if (http == 503 and retry_after is not None) or (_header(response, "connection") or "").lower() == "close":
            self._policy.told_to_leave()
        answer = _json_object(raw)
        error = None if 200 <= http < 300 else str(answer.get("title") or answer.get("message") or raw[:80])
        region = _header(response, "x-region")
        return Exchange(at, _ms_since(at), http, region, address, error, retry_after, len(raw), answer)

    def _client_at(self, address: str) -> HTTPClient:
        if self._client is None or address != self._address:
            self._drop()
            self._client = HTTPClient(
                self._hostname,
                self._port,
                ssl=self._secure,
                concurrency=self._size,
                connection_timeout=CONNECT_SECONDS,
                network_timeout=ANSWER_SECONDS,
            )
            # Connect to the resolved address; Host and TLS name stay the hostname's. There is no public way.
            self._client._connection_pool._connection_host = address  # noqa: SLF001
            self._address = address
        return self._client

    def _lost(self, address: str | None) -> None:
        self._policy.failed()
        if address == self._address:
            self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


def _ms_since(at: float) -> float:
    return (time.time() - at) * 1000


def _header(response: HTTPSocketPoolResponse, name: str) -> str | None:
    value = response.get(name)
    return value[0] if isinstance(value, list) else value


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def is_address(text: str) -> bool:
    """Whether a host is an address already and needs no resolving."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return True
    return False
