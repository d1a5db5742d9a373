"""How a drill reaches AWS: the operator's own credentials, real names, the zone's name servers, experiments of FIS.

The commands that a drill runs (`relevo readmit`, `account add`) act on AWS as well, since no lab may run beside it.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config

from loadtests.drills.aws.experiments import Experiments
from loadtests.drills.programs import last_line, relevo
from loadtests.drills.region_api import CALL_SECONDS, RegionApi
from loadtests.drills.target import TargetError
from loadtests.resolver import Resolver
from runbooks.asking import NoAnswer, ask
from runbooks.healthy_side import HealthySide
from runbooks.target import Target
from shared.experiments import EXPERIMENT
from shared.topology import STATUSES, TOPOLOGY, dead_letter_queue_name

HTTPS: Final = 443
DNS: Final = 53
ASK_SECONDS: Final = 2.0
# Prefixes of AWS itself in each Region: Route 53 finds a client that says it is there nearest to that Region.
PLACES: Final = {"us-east-1": "3.208.0.0/24", "us-east-2": "3.128.0.0/24"}
DOES_NOT_PROVE: Final = (
    "Distance: the load comes from one machine; where clients are is only what they tell the DNS.",
    "A Region that is gone: here its functions do not run, but its gateway, tables and queues still answer.",
    "Other clients: figures of the day differ from the ledger by whatever real clients ordered meanwhile.",
)


@dataclass(frozen=True)
class AwsRegion:
    """One Region of the account."""

    name: str
    account_id: str

    def client(self, service: str, seconds: float = CALL_SECONDS) -> Any:
        """A client with the caller's credentials, with short limits: the Region may be lost."""
        return boto3.client(  # type: ignore[call-overload]  # the service is a parameter
            service,
            region_name=self.name,
            config=Config(
                connect_timeout=2.0,
                read_timeout=seconds,
                retries={"total_max_attempts": 3, "mode": "standard"},
                max_pool_connections=8,
            ),
        )

    def api(self, domain_name: str) -> RegionApi:
        """The product's API of this Region, by its own hostname."""
        host = f"{self.name}.{domain_name}"
        return RegionApi(host, HTTPS, host, secure=True)


def region_behind(address: str) -> str | None:
    """Ask an address which Region it is, under the name that all share; ``None`` if it does not say so."""
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((address, HTTPS), ASK_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=TOPOLOGY.api_name) as secure,
        ):
            connection = http.client.HTTPSConnection(TOPOLOGY.api_name, timeout=ASK_SECONDS)
            connection.sock = secure
            connection.request("GET", "/health")
            return connection.getresponse().getheader("X-Region")
    except (OSError, http.client.HTTPException):
        return None


class AwsAccess:
    """The account that the caller's credentials are of."""

    does_not_prove = DOES_NOT_PROVE

    def __init__(
        self, *, experiments: Experiments | None = None, asked: Callable[[str], str | None] = region_behind
    ) -> None:
        self._target = Target("aws", {}).brief()
        self._clients: dict[tuple[str, str], Any] = {}
        self._addresses: dict[str, str] = {}
        self._asked = asked
        self.experiments = experiments or Experiments(self.client)

    def client(self, service: str, region: str) -> Any:
        """A client that is made once: credentials are looked up when it is made."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self.regions[region].client(service)
        return self._clients[service, region]

    @cached_property
    def regions(self) -> dict[str, AwsRegion]:
        account_id = boto3.client("sts", region_name=TOPOLOGY.owner_region).get_caller_identity()["Account"]
        return {name: AwsRegion(name, account_id) for name in TOPOLOGY.region_names}

    @cached_property
    def name_server(self) -> tuple[str, int]:
        """The first of the zone's own name servers: no resolver's cache stands between it and the truth."""
        zone = boto3.client("route53").get_hosted_zone(Id=TOPOLOGY.hosted_zone_id)
        name = zone["DelegationSet"]["NameServers"][0]
        try:
            return socket.gethostbyname(name), DNS
        except OSError as error:
            raise TargetError(f"the name server {name} of the zone cannot be found: {error}") from error

    def load_options(self) -> dict[str, str]:
        """What Locust has to be told to reach it."""
        host, port = self.name_server
        return {
            "--host": f"https://{TOPOLOGY.api_name}",
            "--relevo-dns": f"{host}:{port}",
            "--relevo-subnets": ",".join(f"{name}={PLACES[name]}" for name in TOPOLOGY.region_names),
        }

    def resolver(self, place: str) -> Resolver:
        """A resolver without an earlier answer, of a client that says it is in a Region."""
        return Resolver(self.name_server, subnet=PLACES[place])

    def region_at(self, address: str | None) -> str | None:
        """The Region of an address, which says so itself; remembered, since a lost Region says nothing."""
        if address and address not in self._addresses and (region := self._asked(address)) in TOPOLOGY.region_names:
            self._addresses[address] = region
        return self._addresses.get(address or "")

    def addresses(self) -> dict[str, str]:
        return dict(self._addresses)

    def status(self) -> dict[str, Any]:
        """What the operators' commands see, Region by Region; what a Region does not tell is ``None``."""
        looks = ask(TOPOLOGY.region_names, self._look)
        found = {name: {"healthy": False} if isinstance(look, NoAnswer) else look for name, look in looks.items()}
        lags = [lag for look in found.values() if (lag := look.get("replication_lag_seconds")) is not None]
        return {"regions": found, "link": {"measured_lag_seconds": max(lags) if lags else None}}

    def _look(self, region: str) -> dict[str, Any]:
        here = HealthySide(self._target, TOPOLOGY.peer_of(region))
        now = datetime.now(UTC)
        through = here.replicated_through()
        pending = self._target.order_queries(region).pending(region, limit=1)
        return {
            "healthy": here.serves(),
            "drained": HealthySide(self._target, region).register().drains(region),
            "replication_lag_seconds": (now - through).total_seconds() if through else None,
            "oldest_pending_seconds": max(((now - work.seen_at).total_seconds() for work in pending), default=0.0),
            "dlq_depth": {status: self._depth(region, status) for status in STATUSES},
        }

    def _depth(self, region: str, status: str) -> int:
        sqs = self.client("sqs", region)
        url = sqs.get_queue_url(QueueName=dead_letter_queue_name(status))["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def fault(self, **what: object) -> dict[str, Any]:
        """Start the experiment of this kind, and return when it has struck."""
        kind, region = str(what["kind"]), str(what["region"])
        if kind not in EXPERIMENT or what.get("mode") == "health":
            raise TargetError(f"no experiment on AWS does this: {what}")
        running = self.experiments.start(EXPERIMENT[kind], region)
        return {"experiment": running.id, "region": running.home}

    def heal(self, what: str = "all") -> dict[str, Any]:
        """End every experiment that this drill began, and return when all is as it was."""
        self.experiments.end()
        return {"healed": what}

    def check(self) -> None:
        self.experiments.check()

    def retire(self, accounts: Collection[str]) -> list[str]:
        """Lock the drill's accounts, which stay in the table."""
        done = {name: relevo("account", "lock", name, "--reason", "end of a drill", "--yes") for name in accounts}
        return [
            f"the account {name} is not locked ({last_line(found)}): relevo account lock {name} --yes"
            for name, found in done.items()
            if found.returncode != 0
        ]
