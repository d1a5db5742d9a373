"""Where the `relevo` commands act: the running lab if there is one, else AWS. The same code serves both."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from runbooks.lab_folder import lab_file
from shared.adapters.accounts import Accounts
from shared.adapters.control import Control
from shared.adapters.order_log import OrderLog
from shared.adapters.order_queries import OrderQueries
from shared.domain.takeover import Timing
from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TIMES: Final = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 3, "mode": "standard"})
# For a look at both Regions, one of which may be lost: it takes seven seconds at most to say so.
_BRIEF: Final = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})


@dataclass(frozen=True, slots=True)
class Target:
    """AWS, or the lab with an endpoint for each Region and a clock of its own."""

    name: str
    endpoints: dict[str, str]
    time_scale: float = 1.0
    detection_seconds: float = TOPOLOGY.health_check_interval_seconds * TOPOLOGY.health_check_failure_threshold
    dns_ttl_seconds: float = TOPOLOGY.dns_ttl_seconds
    account: str | None = None  # with which a person tries the lab
    times: Config = _TIMES

    def brief(self) -> Target:
        """The same with little patience, for looks at Regions of which one may be lost."""
        return replace(self, times=_BRIEF)

    def api_url(self, region: str) -> str:
        """Where a Region's own API answers; the lab wants the Region's hostname as ``Host``."""
        return self.endpoints.get(region, f"https://{TOPOLOGY.region_api_name(region)}")

    @property
    def timing(self) -> Timing:
        """The product's waits, as they are there."""
        return Timing.scaled(self.time_scale)

    def client(self, service: str, region: str) -> Any:
        """A client of one Region; the lab takes the root credentials that it was started with."""
        lab: dict[str, Any] = {}
        if region in self.endpoints:
            lab = {"endpoint_url": self.endpoints[region], "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=region, config=self.times, **lab)  # type: ignore[call-overload]

    def dynamodb(self, region: str) -> DynamoDBClient:
        client: DynamoDBClient = self.client("dynamodb", region)
        return client

    def accounts(self, region: str) -> Accounts:
        return Accounts(self.dynamodb(region), TOPOLOGY.accounts_table)

    def control(self, region: str) -> Control:
        return Control(self.dynamodb(region), TOPOLOGY.control_table)

    def order_log(self, region: str) -> OrderLog:
        return OrderLog(self.dynamodb(region), TOPOLOGY.order_log_table)

    def order_queries(self, region: str) -> OrderQueries:
        return OrderQueries(self.dynamodb(region), TOPOLOGY.order_view_table)


def current_target(folder: Path | None = None) -> Target:
    """The lab of this checkout, or of the folder that is named, if it runs; else AWS with the caller's credentials."""
    state = lab_file(folder)
    if not state.exists():
        return Target("aws", {})
    lab = json.loads(state.read_text(encoding="utf-8"))
    endpoints = {name: region["endpoint"] for name, region in lab["regions"].items()}
    return Target(
        "lab",
        endpoints,
        float(lab["time_scale"]),
        float(lab["check_interval_seconds"]) * TOPOLOGY.health_check_failure_threshold,
        float(lab["ttl_seconds"]),
        lab.get("account", {}).get("username"),
    )
