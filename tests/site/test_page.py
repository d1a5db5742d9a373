"""The dashboard in a real Chromium over the real lab. The cases are in page.test.mjs; here each gets its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from loadtests.lab.deploy import client
from shared.adapters.tokens import issue
from shared.domain.auth import Account, Keyring
from shared.topology import TOPOLOGY
from tests.lab.running_lab import PROJECT, RunningLab
from tests.site.node_tests import names, troubles

FILE = "page.test.mjs"
PICTURES = PROJECT / "out" / "site"

pytestmark = pytest.mark.lab


def expired_token(lab: RunningLab) -> str:
    """A token of the lab's account as it was good half an hour ago."""
    secrets = client(lab.layout.seats[TOPOLOGY.owner_region], "secretsmanager")
    keyring = Keyring.from_secret(secrets.get_secret_value(SecretId=TOPOLOGY.keyring_secret)["SecretString"])
    account = Account(lab.state()["account"]["username"], "admin", "")
    return issue(keyring, account, now=datetime.now(UTC) - timedelta(hours=1))


@pytest.fixture(scope="module")
def outcome(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One browser does all cases, in their order; the last one leaves a Region lost."""
    lab.heal()  # whatever another suite's last test left behind
    coordinates = {
        "edge": lab.layout.edge,
        "control": lab.layout.control,
        "account": lab.state()["account"],
        "expired_token": expired_token(lab),
        "out": str(PICTURES),
    }
    try:
        folder = tmp_path_factory.mktemp("site")
        yield troubles(FILE, folder, seconds=240, environment={"RELEVO_LAB": json.dumps(coordinates)})
    finally:
        lab.heal()


@pytest.mark.parametrize("name", names(FILE))
def test_page(outcome: dict[str, str], name: str) -> None:
    assert not outcome[name], outcome[name]
