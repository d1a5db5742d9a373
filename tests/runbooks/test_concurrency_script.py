"""What the automation of a lost Region runs: it gives back all that there was, also when it was cancelled half-way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from regions.concurrency_script import give_back, note, take

RESERVED = {"relevo-api": 200, "relevo-relay": 40, "relevo-sentinel": None}
TARGET = {"Region": "us-east-2", "Functions": list(RESERVED)}


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        boto3.client("iam").create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
        client = boto3.client("lambda", region_name=TARGET["Region"])
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as package:
            package.writestr("handler.py", "")
        for name, reserved in RESERVED.items():
            client.create_function(
                FunctionName=name, Runtime="python3.13", Handler="handler.handler", Code={"ZipFile": code.getvalue()},
                Role="arn:aws:iam::123456789012:role/functions",
            )  # fmt: skip
            if reserved is not None:
                client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
        yield client


def reserved(functions: Any) -> dict[str, int | None]:
    return {
        name: functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name in RESERVED
    }


def test_what_was_taken_is_given_back_as_it_was(functions: Any) -> None:
    noted = note(TARGET, None)
    take(TARGET, None)
    assert set(reserved(functions).values()) == {0}
    give_back({"Region": TARGET["Region"], **noted}, None)
    assert reserved(functions) == RESERVED


def test_a_cancel_half_way_gives_back_what_was_taken_and_leaves_the_rest(functions: Any) -> None:
    noted = note(TARGET, None)
    take({**TARGET, "Functions": ["relevo-api"]}, None)
    give_back({"Region": TARGET["Region"], **noted}, None)
    assert reserved(functions) == RESERVED


def test_what_is_off_already_is_never_noted_as_what_it_had(functions: Any) -> None:
    functions.put_function_concurrency(FunctionName="relevo-relay", ReservedConcurrentExecutions=0)
    with pytest.raises(RuntimeError, match="relevo-relay is off already"):
        note(TARGET, None)


def test_one_function_that_cannot_be_restored_keeps_no_other_off_and_is_named(functions: Any) -> None:
    noted = note(TARGET, None)
    take(TARGET, None)
    functions.delete_function(FunctionName="relevo-api")
    with pytest.raises(RuntimeError, match="still off: relevo-api=200"):
        give_back({"Region": TARGET["Region"], **noted}, None)
    del noted
    for name in ("relevo-relay", "relevo-sentinel"):
        found = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        assert found == RESERVED[name]


def test_what_was_noted_survives_being_quoted(functions: Any) -> None:
    del functions
    assert not set(note(TARGET, None)["Before"]) & set("\"'{}[]\\")
