"""Both Regions as the operators' commands meet them, in moto: tables, keyring with its replica, heartbeats, queues."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import typer
from botocore.exceptions import ReadTimeoutError
from click.testing import Result
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from typer.testing import CliRunner

from runbooks.commands import register
from runbooks.lab_folder import FOLDER_VARIABLE
from runbooks.target import Target
from shared.adapters.order_log import OrderLog
from shared.domain.plans import EVERYONES_KEY
from shared.topology import EVERYONES_PLAN, PLAN_PREFIX, STATUSES, TOPOLOGY, queue_name
from tests.component.aws import create_function, create_tables

HERE, PEER = "us-east-1", "us-east-2"
FIRST_KEY = "first-key-of-the-keyring-of-the-tests"
KEYRING = {"current": "K1", "keys": {"K1": FIRST_KEY}}


@contextmanager
def moto(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Moto in place of AWS, outside of any lab; one call at a time, since moto is not made for threads."""
    patch.chdir(folder)
    patch.setenv(FOLDER_VARIABLE, str(folder))
    # Moto's API Gateway wants a package that it checks OpenAPI documents with; nobody sends one here.
    for name in ("", ".validation", ".validation.exceptions"):
        names = SimpleNamespace(validate=None, OpenAPIValidationError=ValueError)
        patch.setitem(sys.modules, f"openapi_spec_validator{name}", names)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    answer, lock = BotocoreStubber.process_request, RLock()

    def guarded(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return answer(self, request)

    patch.setattr(BotocoreStubber, "process_request", guarded)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield


class TwoRegions:
    """What the tests prepare and look at; `run` is the command line."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.app = typer.Typer()
        register(self.app)
        for region in TOPOLOGY.region_names:
            create_tables(self.client("dynamodb", region))
        self.beat()

    def client(self, service: str, region: str) -> Any:
        return boto3.client(service, region_name=region)  # type: ignore[call-overload]

    def run(self, *arguments: str, given: str | None = None) -> Result:
        done: Result = CliRunner().invoke(self.app, list(arguments), input=given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception  # an operator never sees a traceback
        return done

    def run_json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        return json.loads(done.stdout)

    def beat(self, *, at: datetime | None = None, of: tuple[str, ...] = TOPOLOGY.region_names) -> None:
        """Heartbeats of Regions, in both replicas."""
        for replica in TOPOLOGY.region_names:
            log = OrderLog(self.client("dynamodb", replica), TOPOLOGY.order_log_table)
            for region in of:
                numbers = range(TOPOLOGY.heartbeat_keys)
                log.beat(region=region, numbers=numbers, now=at or datetime.now(UTC), announced_through=None)

    def make_queues(self, region: str = HERE) -> None:
        names = (*map(queue_name, STATUSES), TOPOLOGY.webhook_queue, *TOPOLOGY.dead_letter_queues.values())
        for name in names:
            kind = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            self.client("sqs", region).create_queue(QueueName=name, Attributes=kind)

    def make_importer(self, region: str) -> None:
        """The function behind the importer's alias; it takes calls and does nothing."""
        create_function("importer", iam=self.client("iam", region), functions=self.client("lambda", region))

    def make_usage_plans(self, region: str) -> None:
        """The plans and everyone's key, as the Region's stack makes them."""
        gateway = self.client("apigateway", region)
        for plan in TOPOLOGY.usage_plans:
            gateway.create_usage_plan(name=f"{PLAN_PREFIX}{plan.name}", apiStages=[])
        name = f"{PLAN_PREFIX}{EVERYONES_PLAN}"
        everyone = gateway.create_usage_plan(name=name, apiStages=[])["id"]
        key = gateway.create_api_key(name=name, value=EVERYONES_KEY, enabled=True)["id"]
        gateway.create_usage_plan_key(usagePlanId=everyone, keyId=key, keyType="API_KEY")

    def make_keyring(self, keyring: dict[str, Any] | None = None) -> None:
        """The keyring in its owner Region, replicated to the other."""
        self.client("secretsmanager", TOPOLOGY.owner_region).create_secret(
            Name=TOPOLOGY.keyring_secret,
            SecretString=json.dumps(keyring or KEYRING),
            AddReplicaRegions=[{"Region": TOPOLOGY.peer_of(TOPOLOGY.owner_region)}],
        )

    def make_keyring_copies(self) -> None:
        """A keyring in each Region without replication, as the lab has it."""
        for region in TOPOLOGY.region_names:
            self.client("secretsmanager", region).create_secret(
                Name=TOPOLOGY.keyring_secret, SecretString=json.dumps(KEYRING)
            )

    def keyring(self, region: str = TOPOLOGY.owner_region) -> Any:
        answer = self.client("secretsmanager", region).get_secret_value(SecretId=TOPOLOGY.keyring_secret)
        return json.loads(answer["SecretString"])

    def silence(self, region: str) -> None:
        """From now on a Region answers no operator."""
        whole = Target.client

        def client(target: Target, service: str, name: str) -> Any:
            made = whole(target, service, name)
            if name == region:

                def fail(**_: Any) -> None:
                    raise ReadTimeoutError(endpoint_url=f"https://{service}.{region}")

                made.meta.events.register("before-send", fail)
            return made

        self._patch.setattr(Target, "client", client)
