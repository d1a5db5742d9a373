"""Calls a client system's receiver: the one place where an address that a client named is connected to.

The name is resolved once, every address it leads to is checked, and the connection goes to the very one that was
checked, with the certificate of the name. Redirects are not followed, next to nothing is read, and all of it is short.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

from shared.domain.webhooks import UnsafeAddressError, chosen_address, url_of

STEP_SECONDS: Final = 5.0  # to connect, or to send or say something
CALL_SECONDS: Final = 10.0  # for all of it: a receiver that drips may not hold a function
HTTPS_PORT: Final = 443
READ_BYTES: Final = 1024

Resolve = Callable[[str, int], list[str]]


class CallFailedError(Exception):
    """A receiver did not take a call; the text says why, without what it answered."""


class ReceiverSilentError(CallFailedError):
    """A receiver did not answer at all, and whoever calls it next would wait as long."""


def addresses_of(host: str, port: int) -> list[str]:
    """Every address that a name leads to, in the resolver's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def call(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    in_lab: bool,
    resolve: Resolve = addresses_of,
    seconds: float = CALL_SECONDS,
) -> None:
    """POST a body once; raises ``CallFailedError`` unless the receiver answers 2xx in time.

    It is a ``ReceiverSilentError`` if a step of it took ``STEP_SECONDS``.
    """
    try:
        parts = urlsplit(url_of(url, in_lab=in_lab))
        host = parts.hostname or ""
        plain = parts.scheme == "http"  # loopback in the lab, else `url_of` has refused it
        port = parts.port or (80 if plain else HTTPS_PORT)
        address = chosen_address(resolve(host, port), in_lab=in_lab)
        with socket.create_connection((address, port), timeout=STEP_SECONDS) as connected, connected.dup() as twin:
            # By a descriptor of its own, since TLS takes the other one over.
            cut_off = threading.Timer(seconds, _shut, (twin,))
            cut_off.start()
            try:
                status = _post(connected, None if plain else host, parts, body, headers)
            finally:
                cut_off.cancel()
    except (OSError, http.client.HTTPException, ValueError, UnsafeAddressError) as error:
        failed = ReceiverSilentError if isinstance(error, TimeoutError) else CallFailedError
        raise failed(f"{type(error).__name__}: {error}"[:200]) from error
    if not 200 <= status < 300:
        raise CallFailedError(f"the receiver answered {status}")


def _post(
    connected: socket.socket, tls_name: str | None, parts: SplitResult, body: bytes, headers: Mapping[str, str]
) -> int:
    """Speak HTTP over a connection that is there, by TLS with the name's certificate; returns the answer's status."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with connected if tls_name is None else tls().wrap_socket(connected, server_hostname=tls_name) as speaking:
        connection = http.client.HTTPConnection(parts.netloc)
        connection.sock = speaking
        connection.request("POST", target, body, {**headers, "Connection": "close"})
        with connection.getresponse() as answer:
            answer.read(READ_BYTES)
            return answer.status


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended in the meantime
