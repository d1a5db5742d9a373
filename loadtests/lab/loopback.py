"""JSON over HTTP to the lab's own processes and Regions: loopback only, never through a proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Final

CALL_SECONDS: Final = 2.0

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NoAnswerError(Exception):
    """Nobody answered, or not with what was expected."""


class RefusedError(Exception):
    """The other side answered that it will not do this; the text is its reason."""


def call(
    url: str, body: object = None, *, method: str | None = None, headers: dict[str, str] | None = None,
    timeout_seconds: float = CALL_SECONDS,
) -> Any:  # fmt: skip
    """GET, or POST a JSON body, and return the JSON answer; raises ``RefusedError`` or ``NoAnswerError``."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, content, {"Content-Type": "application/json", **(headers or {})}, method=method
    )
    try:
        with _opener.open(request, timeout=timeout_seconds) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            reason = json.loads(text)["error"]
        except (ValueError, KeyError, TypeError):
            reason = f"{error.code} {text[:200]}"
        raise RefusedError(str(reason)) from error
    except (OSError, ValueError) as error:
        raise NoAnswerError(f"{url}: {error}") from error


def answers(url: str) -> bool:
    """Whether somebody answers at ``url``, whatever it is."""
    try:
        _opener.open(url, timeout=1.0).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
