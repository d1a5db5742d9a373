"""How a drill reaches the lab: state file, control API, and the Regions' public APIs with the lab's root credentials.

The judge may read tables directly: it is not the product. Every call has a time limit, since a Region may be frozen.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config

from loadtests.drills.region_api import CALL_SECONDS, RegionApi
from loadtests.drills.target import TargetError
from loadtests.lab.layout import Layout
from loadtests.lab.route53.routing_policy import location_for
from loadtests.resolver import Resolver
from shared.topology import TOPOLOGY, Consistency

ACCOUNT_ID: Final = "000000000000"
DOES_NOT_PROVE: Final = (
    "Real DNS: resolvers that ignore TTLs, and the seconds Route 53 needs to publish a change.",
    "Real replication lag: Global Tables between Regions, their throttling and their own last-writer-wins.",
    "AWS quotas and throttles: API Gateway, Lambda concurrency and SNS FIFO in us-east-2 above all.",
    "TLS, WAF, CloudFront, CodeDeploy and everything else that `relevo up` lists as left out.",
    "Cold starts, latency and cost of Lambda: the lab's functions are processes on this machine.",
    "Distance: clients, Regions and the judge share one clock, one network and the same few cores.",
)

STRONG_DOES_NOT_PROVE: Final = (
    "Strong tables: here they are one store, which keeps what it took whatever becomes of a Region; on AWS DynamoDB "
    "promises that, writes wait for a second Region, and those in conflict with another Region's are tried again.",
)


class LabError(TargetError):
    """The lab is not there or does not do what was asked; the text says what to do."""


@dataclass(frozen=True)
class RegionAccess:
    """One Region of the lab: where it listens, and clients for it."""

    name: str
    address: str
    port: int
    endpoint: str

    @property
    def account_id(self) -> str:
        return ACCOUNT_ID

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


@dataclass(frozen=True)
class LabAccess:
    """The running lab."""

    quick: bool
    regions: dict[str, RegionAccess]
    dns: tuple[str, int]
    control: str
    consistency: Consistency = TOPOLOGY.consistency
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
            consistency=content.get("consistency", TOPOLOGY.consistency),
            spares_ready=bool(content.get("spares_ready", True)),
        )

    @property
    def does_not_prove(self) -> tuple[str, ...]:
        return (*DOES_NOT_PROVE, *(STRONG_DOES_NOT_PROVE if self.consistency == "strong" else ()))

    def load_options(self) -> dict[str, str]:
        """What Locust has to be told to reach it."""
        port = next(iter(self.regions.values())).port
        return {
            "--host": f"http://{TOPOLOGY.api_name}:{port}",
            "--relevo-dns": f"{self.dns[0]}:{self.dns[1]}",
            "--relevo-subnets": ",".join(f"{name}={location_for(name).prefix}" for name in self.regions),
        }

    def resolver(self, place: str) -> Resolver:
        """A resolver without an earlier answer, of a client nearer to this Region than to the other."""
        return Resolver(self.dns, subnet=str(location_for(place).prefix))

    def region_at(self, address: str | None) -> str | None:
        return self.addresses().get(address or "")

    def addresses(self) -> dict[str, str]:
        return {region.address: name for name, region in self.regions.items()}

    def check(self) -> None:
        """Nothing ends a fault of the lab but who began it."""

    def retire(self, accounts: Collection[str]) -> list[str]:  # noqa: ARG002  # the target's form
        """The lab's accounts end with the lab."""
        return []

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
