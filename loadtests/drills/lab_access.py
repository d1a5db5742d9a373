"""How a drill reaches the lab: state file, control API, and the Regions' public APIs with the lab's root credentials.

The judge may read tables directly: it is not the product. Every call has a time limit, since a Region may be frozen.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import boto3
from botocore.config import Config

from loadtests.lab.layout import Layout

ACCOUNT_ID: Final = "000000000000"
CALL_SECONDS: Final = 4.0


class LabError(Exception):
    """The lab is not there or does not do what was asked; the text says what to do."""


@dataclass(frozen=True)
class RegionAccess:
    """One Region of the lab: where it listens, and clients for it."""

    name: str
    address: str
    port: int
    endpoint: str

    def client(self, service: str, seconds: float = CALL_SECONDS) -> Any:
        """A client with root credentials; short limits and one retry, so that a frozen Region holds nobody up."""
        return boto3.client(  # type: ignore[call-overload]  # the service is a parameter
            service,
            region_name=self.name,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # the lab's root credentials
            config=Config(
                connect_timeout=2.0,
                read_timeout=seconds,
                retries={"total_max_attempts": 2, "mode": "standard"},
                max_pool_connections=8,
            ),
        )

    def api(self, domain_name: str) -> RegionApi:
        """The product's API of this Region, by its own hostname."""
        return RegionApi(self.address, self.port, f"{self.name}.{domain_name}")


class RegionApi:
    """Calls one Region's API directly; keeps its connection, drops it on any trouble."""

    def __init__(self, address: str, port: int, host: str) -> None:
        self._address = address
        self._port = port
        self._host = host
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
            self._connection = http.client.HTTPConnection(self._address, self._port, timeout=CALL_SECONDS)
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


@dataclass(frozen=True)
class LabAccess:
    """The running lab."""

    quick: bool
    regions: dict[str, RegionAccess]
    dns: tuple[str, int]
    control: str
    spares_ready: bool = True  # all workers that the lab starts by itself are up

    @classmethod
    def read(cls) -> LabAccess:
        """Read the state file; raises ``LabError`` if no lab is running."""
        try:
            content = json.loads(Layout.from_environment().lab_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LabError("no lab is running here; start one with `relevo up`") from error
        host, _, port = str(content["dns"]).rpartition(":")
        return cls(
            quick=bool(content["quick"]),
            regions={
                name: RegionAccess(name, str(entry["address"]), int(entry["port"]), str(entry["endpoint"]))
                for name, entry in content["regions"].items()
            },
            dns=(host, int(port)),
            control=str(content["control"]),
            spares_ready=bool(content.get("spares_ready", True)),
        )

    def status(self) -> dict[str, Any]:
        return self._control("GET", "/status")

    def fault(self, **what: object) -> dict[str, Any]:
        return self._control("POST", "/fault", what, seconds=20.0)

    def heal(self, what: str = "all") -> dict[str, Any]:
        return self._control("POST", "/heal", {"what": what}, seconds=20.0)

    def _control(self, method: str, path: str, body: object = None, seconds: float = CALL_SECONDS) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(
            self.control + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                content = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise LabError(f"the lab answered {error.code} to {method} {path}: {error.read()[:200]!r}") from error
        except (OSError, ValueError) as error:
            raise LabError(f"the lab's control API does not answer ({error})") from error
        return content if isinstance(content, dict) else {"answer": content}
