"""What an invocation came to: success, a failure of the function, or a function that was never reached."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from loadtests.lab.polling.invocation import Answer, Verdict, invoke


class FakeLambda:
    """A Lambda client that answers once, as told."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.event: Any = None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - the client's names
        self.event = json.loads(Payload)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def answered(payload: bytes, **more: str) -> dict[str, Any]:
    return {"Payload": io.BytesIO(payload), **more}


@pytest.mark.parametrize(
    ("payload", "response"),
    [(b"null", None), (b"", None), (b'{"batchItemFailures": []}', {"batchItemFailures": []}), (b"<html>", b"<html>")],
)
def test_a_function_that_returned_succeeded_with_its_response(payload: bytes, response: object) -> None:
    assert invoke(FakeLambda(answered(payload)), "relay", {}) == Answer(Verdict.SUCCEEDED, response)


def test_an_error_of_the_function_is_a_failure() -> None:
    answer = invoke(FakeLambda(answered(b'{"errorType": "ValueError"}', FunctionError="Unhandled")), "relay", {})
    assert answer.verdict is Verdict.FAILED
    assert "ValueError" in answer.reason


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"),
        ClientError({"Error": {"Code": "ServiceException"}}, "Invoke"),
        EndpointConnectionError(endpoint_url="http://127.0.1.1:4566"),
        ReadTimeoutError(endpoint_url="http://127.0.1.1:4566"),
        ConnectionResetError(),
    ],
)
def test_a_throttle_or_a_silent_service_is_no_attempt(error: Exception) -> None:
    assert invoke(FakeLambda(error), "relay", {}).verdict is Verdict.NOT_REACHED


def test_an_answer_that_breaks_off_is_no_attempt() -> None:
    class Broken:
        def read(self) -> bytes:
            raise ReadTimeoutError(endpoint_url="http://127.0.1.1:4566")

    assert invoke(FakeLambda({"Payload": Broken()}), "relay", {}).verdict is Verdict.NOT_REACHED


def test_times_and_bytes_stand_in_the_event_as_in_lambdas() -> None:
    client = FakeLambda(answered(b"null"))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    invoke(client, "relay", {"at": moment, "half": moment.replace(microsecond=500_000), "B": b"\x00\xff"})
    assert client.event == {"at": 1767225600, "half": 1767225600.5, "B": "AP8="}


def test_what_no_event_can_hold_is_an_error_of_the_poller() -> None:
    with pytest.raises(TypeError, match="no event holds a set"):
        invoke(FakeLambda(answered(b"null")), "relay", {"x": {1}})
