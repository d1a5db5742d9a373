"""One Region in moto for each test, with its functions imported afresh; sockets are off, moto answers in process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws
from pytest_socket import disable_socket, enable_socket

from shared.adapters import clients, settings
from tests.component.aws import ENVIRONMENT, create_resources
from tests.component.region import RegionUnderTest


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


def forget() -> None:
    """Forget what a process of Lambda would have cached."""
    for name in [name for name in sys.modules if name.startswith("regions.handlers.")]:
        del sys.modules[name]
    settings.settings.cache_clear()
    for made in vars(clients).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()
    parameters.clear_caches()
    parameters.base.DEFAULT_PROVIDERS.clear()


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[RegionUnderTest]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    forget()
    with mock_aws():
        for name, value in create_resources().items():
            monkeypatch.setenv(name, value)
        found = RegionUnderTest()
        count_calls(found, monkeypatch)
        yield found
    forget()


def count_calls(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the AWS calls that the functions' own clients make, by operation."""
    import boto3

    make = boto3.client

    def client(*arguments: Any, **options: Any) -> Any:
        made = make(*arguments, **options)

        def count(model: Any, **_: Any) -> None:
            region.calls[model.name] += 1

        made.meta.events.register("before-call", count)
        return made

    monkeypatch.setattr(clients.boto3, "client", client)
