"""Where the `relevo` commands act: the running lab if there is one, else AWS. The same code serves both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from shared.adapters.accounts import Accounts
from shared.adapters.control import Control
from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LAB_STATE: Final = Path(".lab/lab.json")
_TIMES: Final = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 3, "mode": "standard"})


@dataclass(frozen=True, slots=True)
class Target:
    """AWS, or the lab with an endpoint for each Region."""

    name: str
    endpoints: dict[str, str]

    def client(self, service: str, region: str) -> Any:
        """A client of one Region; the lab takes the root credentials that it was started with."""
        lab: dict[str, Any] = {}
        if region in self.endpoints:
            lab = {"endpoint_url": self.endpoints[region], "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=region, config=_TIMES, **lab)  # type: ignore[call-overload]

    def dynamodb(self, region: str) -> DynamoDBClient:
        client: DynamoDBClient = self.client("dynamodb", region)
        return client

    def accounts(self, region: str) -> Accounts:
        return Accounts(self.dynamodb(region), TOPOLOGY.accounts_table)

    def control(self, region: str) -> Control:
        return Control(self.dynamodb(region), TOPOLOGY.control_table)


def current_target(state: Path = LAB_STATE) -> Target:
    """The lab that runs in this folder, or AWS with the caller's own credentials."""
    if not state.exists():
        return Target("aws", {})
    regions = json.loads(state.read_text(encoding="utf-8"))["regions"]
    return Target("lab", {name: region["endpoint"] for name, region in regions.items()})
