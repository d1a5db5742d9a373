"""The product's API of one Region, called directly by the judge and the readers of freshness."""

from __future__ import annotations

import http.client
import json
from decimal import Decimal
from typing import Any, Final

CALL_SECONDS: Final = 4.0


class RegionApi:
    """Calls one Region's API directly; keeps its connection, drops it on any trouble."""

    def __init__(self, address: str, port: int, host: str, *, secure: bool = False) -> None:
        self._address = address
        self._port = port
        self._host = host
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, *, token: str | None = None, body: object = None) -> tuple[int, Any]:
        """Return status and parsed body, fractions as exact decimals; raises ``OSError`` without an answer."""
        headers = {"Host": self._host, "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        payload = None
        if body is not None:
            payload = json.dumps(body).encode("utf-8")
            headers["Content-Type"] = "application/json"
        if self._connection is None:
            self._connection = self._kind(self._address, self._port, timeout=CALL_SECONDS)
        try:
            self._connection.request(method, path, body=payload, headers=headers)
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionError(f"{self._host}: {error}") from error
        try:
            return response.status, json.loads(raw, parse_float=Decimal) if raw else {}
        except ValueError:
            return response.status, {}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
