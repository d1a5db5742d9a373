"""The operators' commands against a real DynamoDB interface: what they print, what they refuse, what they write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import typer
from moto import mock_aws
from typer.testing import CliRunner

from loadtests.lab.layout import ROOT, Layout
from runbooks.commands import register
from runbooks.lab_folder import FOLDER_VARIABLE, lab_folder
from runbooks.target import current_target
from shared.domain.auth import password_matches
from shared.topology import TOPOLOGY

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
runner = CliRunner()


@pytest.fixture
def relevo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[typer.Typer]:
    """The `relevo` command, outside of any lab, with both Regions' control and account tables."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    app = typer.Typer()
    register(app)
    with mock_aws():
        for region in TOPOLOGY.region_names:
            for table in (TOPOLOGY.accounts_table, TOPOLOGY.control_table):
                boto3.client("dynamodb", region_name=region).create_table(
                    TableName=table,
                    BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                    AttributeDefinitions=[
                        {"AttributeName": "pk", "AttributeType": "S"},
                        {"AttributeName": "sk", "AttributeType": "S"},
                    ],
                )
        yield app


def test_account_add_takes_the_password_from_standard_input_and_stores_only_its_hash(relevo: typer.Typer) -> None:
    done = runner.invoke(relevo, ["account", "add", "ana", "--role", "operator"], input="correct horse\n")
    assert done.exit_code == 0, done.output
    assert "correct horse" not in done.output
    account = current_target().accounts(TOPOLOGY.owner_region).account("ana")
    assert account is not None
    assert account.role == "operator"
    assert "correct horse" not in account.password_hash
    assert password_matches(account, "correct horse")


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (["bo", "--role", "emperor"], "correct horse\n", "is not one of"),
        (["bo", "--region", "eu-west-1"], "correct horse\n", "expected one of"),
        (["bo"], "short\n", "8 to 200"),
        (["b\x07o"], "correct horse\n", "control characters"),
    ],
)
def test_account_add_refuses_bad_input_with_one_clear_message(
    relevo: typer.Typer, arguments: list[str], password: str, said: str
) -> None:
    done = runner.invoke(relevo, ["account", "add", *arguments], input=password)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_account_add_refuses_a_name_that_is_taken(relevo: typer.Typer) -> None:
    assert runner.invoke(relevo, ["account", "add", "ana"], input="correct horse\n").exit_code == 0
    again = runner.invoke(relevo, ["account", "add", "ana"], input="another horse\n")
    assert again.exit_code == 1
    assert "already" in again.output
    account = current_target().accounts(TOPOLOGY.owner_region).account("ana")
    assert account is not None
    assert password_matches(account, "correct horse")


def test_without_a_named_folder_the_lab_is_that_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert lab_folder() == ROOT / ".lab"


def test_commands_act_on_the_lab_when_it_runs_from_whatever_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert current_target().name == "aws"
    assert Layout.from_environment().lab_file == tmp_path / "lab.json"  # the lab's own commands look there too
    (tmp_path / "lab.json").write_text(
        json.dumps(
            {
                "regions": {"us-east-1": {"endpoint": "http://127.0.1.1:4566"}},
                "time_scale": 0.1,
                "check_interval_seconds": 1.0,
                "ttl_seconds": 2.0,
            }
        )
    )
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    target = current_target()
    assert target.name == "lab"
    assert (target.time_scale, target.detection_seconds, target.dns_ttl_seconds) == (0.1, 2.0, 2.0)
    assert target.dynamodb("us-east-1").meta.endpoint_url == "http://127.0.1.1:4566"
