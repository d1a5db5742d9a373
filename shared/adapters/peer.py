"""What one Region sees of its peer from outside: whether the peer's health endpoint answers."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Final

TIMEOUT_SECONDS: Final = 2.0


def peer_serves(endpoint: str, host: str) -> bool:
    """Whether ``{endpoint}/health`` says that it serves, within two seconds.

    The host is sent along: on AWS it is the endpoint's own, in the lab the endpoint is an address.
    """
    request = urllib.request.Request(f"{endpoint}/health", headers={"Host": host})  # noqa: S310  # the stack's own URL
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # as above
            body: bytes = answer.read(5120)
            return bool(answer.status == 200 and b'"serving":true' in body)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        # Whatever went wrong, the peer was not seen serving; that is all this is asked.
        return False
