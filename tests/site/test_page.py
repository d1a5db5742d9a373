"""The dashboard in a real Chromium over the real lab. The cases are in page.test.mjs; here each gets its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loadtests.lab.deploy import client
from shared.adapters.tokens import issue
from shared.domain.auth import Account, Keyring
from shared.topology import TOPOLOGY
from tests.lab.running_lab import PROJECT, RunningLab

HERE = Path(__file__).parent
CASES = HERE / "page.test.mjs"
NAMES = re.findall(r'^test\("([^"]+)"', CASES.read_text(), re.MULTILINE)
OUT = PROJECT / "out" / "site"

pytestmark = pytest.mark.lab


def expired_token(lab: RunningLab) -> str:
    """A token of the lab's account as it was good half an hour ago."""
    secrets = client(lab.layout.seats[TOPOLOGY.owner_region], "secretsmanager")
    keyring = Keyring.from_secret(secrets.get_secret_value(SecretId=TOPOLOGY.keyring_secret)["SecretString"])
    account = Account(lab.state()["account"]["username"], "admin", "")
    return issue(keyring, account, now=datetime.now(UTC) - timedelta(hours=1))


@pytest.fixture(scope="module")
def outcome(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What went wrong in each case, empty where nothing did. One browser does them all, in their order."""
    report = tmp_path_factory.mktemp("site") / "report.xml"
    coordinates = {
        "edge": lab.layout.edge,
        "control": lab.layout.control,
        "account": lab.state()["account"],
        "expired_token": expired_token(lab),
        "out": str(OUT),
    }
    node = Path(sys.executable).with_name("node")
    command = [str(node), "--test", "--test-reporter=junit", f"--test-reporter-destination={report}", str(CASES)]
    try:
        ended = subprocess.run(
            command, cwd=HERE, env={**os.environ, "RELEVO_LAB": json.dumps(coordinates)},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        found = {
            case.attrib["name"]: "".join(failure.text or "" for failure in case.iter("failure"))
            for case in ET.parse(report).iter("testcase")
        }
        yield {name: found.get(name, f"was not run\n{ended.stdout}\n{ended.stderr}") for name in NAMES}
    finally:
        lab.heal()


@pytest.mark.parametrize("name", NAMES)
def test_page(outcome: dict[str, str], name: str) -> None:
    assert not outcome[name], outcome[name]
