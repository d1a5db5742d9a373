"""Invokes a function for a poller and tells what became of it; reads the batch item failures that it returned."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("relevo.pollers")


class _Payload(Protocol):
    def read(self) -> bytes: ...


class _Invoked(TypedDict, total=False):
    Payload: _Payload
    FunctionError: str


class LambdaClient(Protocol):
    """The part of the Lambda client that pollers use."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> _Invoked: ...  # noqa: N803 - the client's names


class Verdict(Enum):
    """What became of an invocation."""

    SUCCEEDED = auto()
    FAILED = auto()  # the function ran and raised, timed out or died
    NOT_REACHED = auto()  # throttled, or the service did not answer: counts as no attempt, as on AWS


@dataclass(frozen=True)
class Answer:
    """The end of one invocation."""

    verdict: Verdict
    response: object = None
    reason: str = ""


def invoke(client: LambdaClient, function: str, event: Mapping[str, object]) -> Answer:
    """Invoke a function and wait for its end, however long it takes (see ``region_clients``)."""
    try:
        invoked = client.invoke(FunctionName=function, Payload=json.dumps(event, default=_wire_form).encode())
        payload = invoked["Payload"].read()
    except ClientError as error:
        return Answer(Verdict.NOT_REACHED, reason=str(error))
    except (BotoCoreError, OSError) as error:
        return Answer(Verdict.NOT_REACHED, reason=type(error).__name__)
    if kind := invoked.get("FunctionError"):
        return Answer(Verdict.FAILED, reason=f"{kind}: {payload[:300].decode(errors='replace')}")
    try:
        return Answer(Verdict.SUCCEEDED, json.loads(payload) if payload else None)
    except ValueError:
        return Answer(Verdict.SUCCEEDED, payload)


def reported_failures(response: object) -> tuple[str, ...] | None:
    """The identifiers in ``batchItemFailures``, () for complete success, None for a malformed report.

    As documented for ReportBatchItemFailures: an empty or null response or list is success; an identifier that is
    empty, null or under another name makes the whole batch a failure.
    """
    if response is None:
        return ()
    if not isinstance(response, dict):
        return None
    items = response.get("batchItemFailures")
    if items is None:
        return ()
    if not isinstance(items, list):
        return None
    identifiers = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    known = tuple(identifier for identifier in identifiers if isinstance(identifier, str) and identifier)
    return known if len(known) == len(identifiers) else None


def _wire_form(value: object) -> object:
    """What the client library parsed, as it stands in Lambda's event."""
    if isinstance(value, datetime):
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no event holds a {type(value).__name__}")
