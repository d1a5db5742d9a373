"""One Region in moto for each test, with its functions imported afresh; sockets are off, moto answers in process.

The AWS clients are made once for all tests, since making them takes longer than most tests; what they hold is not.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.backends import get_backend
from moto.core.botocore_stubber import BotocoreStubber

import regions.handlers
from shared.adapters import clients, keyring, settings
from shared.topology import TOPOLOGY
from tests.component.aws import ENVIRONMENT, KEYS, REGION, create_resources
from tests.component.region import RegionUnderTest
from tests.component.releases import RECORDINGS, Release
from tests.component.watched import WATCH
from tests.sockets import no_network  # noqa: F401  # for every test of this folder


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter[str]]:
    """Moto in place of AWS; counts the calls that the functions' own clients make, by operation."""
    calls: Counter[str] = Counter()
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    os.environ.pop("AWS_ENDPOINT_URL", None)

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    try:
        with mock_aws(config={"lambda": {"use_docker": False}}), pytest.MonkeyPatch.context() as patch:
            one_call_at_a_time(patch)
            boto3.setup_default_session()
            boto3.DEFAULT_SESSION.events.register("provide-client-params", WATCH.see)
            for make in (
                clients.dynamodb, clients.brief_dynamodb, clients.sns, clients.events, clients.sqs,
                clients.secretsmanager, clients.s3, clients.functions,
            ):  # fmt: skip
                make.cache_clear()
                make().meta.events.register("before-call", count)
            os.environ.update(create_resources())
            forget()
            for name in ("api", "authorizer", "health", "relay", "processor", "sentinel", "webhook", "importer"):
                importlib.import_module(f"regions.handlers.{name}")
            # Every test imports the handlers afresh: let it find their bytecode, wherever the machine keeps it.
            patch.setattr(sys, "dont_write_bytecode", False)
            patch.setattr(sys, "pycache_prefix", str(tmp_path_factory.mktemp("bytecode")))
            yield calls
    finally:
        boto3.DEFAULT_SESSION = None
        os.environ.clear()
        os.environ.update(before)


def one_call_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """Moto copies a whole table for a transaction and is not made for threads; the functions call from several."""
    answer, lock = BotocoreStubber.process_request, RLock()

    def guarded(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return answer(self, request)

    patch.setattr(BotocoreStubber, "process_request", guarded)


def forget() -> None:
    """Forget what a process of Lambda would have cached."""
    for name in [name for name in sys.modules if name.startswith("regions.handlers.")]:
        del sys.modules[name]
        vars(regions.handlers).pop(name.rpartition(".")[2], None)
    settings.settings.cache_clear()
    keyring._provider.cache_clear()


def empty_tables() -> None:
    # The one shortcut into moto: making the tables again would take longer than the test.
    for table in get_backend("dynamodb")["123456789012"][REGION].tables.values():
        table.items.clear()
    get_backend("s3")["123456789012"]["aws"].buckets[TOPOLOGY.import_bucket(REGION)].keys.clear()


def begin(aws: Counter[str]) -> RegionUnderTest:
    """A Region that nothing has happened in yet."""
    empty_tables()
    clients.secretsmanager().put_secret_value(
        SecretId=os.environ["KEYRING_SECRET_ARN"], SecretString=json.dumps({"current": "K1", "keys": KEYS})
    )
    forget()
    aws.clear()
    WATCH.forget()
    return RegionUnderTest(calls=aws)


@pytest.fixture
def new_region(aws: Counter[str]) -> Iterator[Callable[[], RegionUnderTest]]:
    """For tests that need more than one Region, one after the other."""
    yield lambda: begin(aws)
    forget()


@pytest.fixture
def region(aws: Counter[str]) -> Iterator[RegionUnderTest]:
    yield begin(aws)
    forget()
    unexpected = [call for call in WATCH.denied if call != WATCH.withdrawn]
    assert not unexpected, f"not allowed by the function's policy: {unexpected}"


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest) -> Release:
    return Release(json.loads(request.param.read_text()))
