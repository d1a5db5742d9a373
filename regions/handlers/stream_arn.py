"""CloudFormation custom resource: the stream ARN of this Region's replica of a table.

CloudFormation knows only the ARN in the Region that owns a global table. Every way out of here is an answer to
CloudFormation, since without one a deployment hangs.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any, Literal, Protocol, TypedDict

TRIES = 10
SECONDS_BETWEEN_TRIES = 3.0  # a fresh role needs some seconds until it holds everywhere
ANSWER_TIMEOUT_SECONDS = 10.0


class ResourceProperties(TypedDict):
    TableName: str


class Request(TypedDict):
    """What CloudFormation sends."""

    RequestType: Literal["Create", "Update", "Delete"]
    ResponseURL: str
    StackId: str
    RequestId: str
    LogicalResourceId: str
    ResourceProperties: ResourceProperties


class Tables(Protocol):
    """The one call of DynamoDB's client that is needed."""

    def describe_table(self, *, TableName: str) -> Any: ...  # noqa: N803 - the name is boto3's


class StreamNotFoundError(RuntimeError):
    """The table has no stream in this Region."""


def handler(event: Request, _context: object) -> None:
    """Answer with ``StreamArn``, or tell CloudFormation why not."""
    table = event.get("ResourceProperties", {}).get("TableName", "")
    try:
        data = {} if event["RequestType"] == "Delete" else {"StreamArn": stream_arn(_tables(), table)}
        answer(event, table, data=data)
    except Exception as error:  # noqa: BLE001 - any failure must reach CloudFormation; its text is all an operator sees
        answer(event, table, failure=f"stream of {table or 'a table without a name'}: {error}")


def stream_arn(tables: Tables, table: str) -> str:
    """Return the ARN of the table's current stream in this Region; tries until IAM and the replica are there."""
    for attempt in range(1, TRIES + 1):
        try:
            arn = tables.describe_table(TableName=table)["Table"].get("LatestStreamArn")
            if arn:
                return str(arn)
            raise StreamNotFoundError("this Region's replica has no stream")
        except Exception:
            if attempt == TRIES:
                raise
        time.sleep(SECONDS_BETWEEN_TRIES)
    raise AssertionError("unreachable")


def answer(request: Request, table: str, *, data: dict[str, str] | None = None, failure: str | None = None) -> None:
    """PUT the outcome to the address that CloudFormation waits at."""
    body = json.dumps(
        {
            "Status": "FAILED" if failure else "SUCCESS",
            "Reason": (failure or "")[:1000],
            # Constant, so that a changed stream updates its readers and CloudFormation has nothing to delete.
            "PhysicalResourceId": f"stream-of-{table}",
            "StackId": request["StackId"],
            "RequestId": request["RequestId"],
            "LogicalResourceId": request["LogicalResourceId"],
            "Data": data or {},
        }
    ).encode()
    # The address is signed without a content type; another one would break its signature.
    put = urllib.request.Request(request["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    with urllib.request.urlopen(put, timeout=ANSWER_TIMEOUT_SECONDS):  # noqa: S310 - CloudFormation's own
        print(f"answered {request['RequestType']} for {table}: {failure or 'ok'}")  # noqa: T201 - the log line


def _tables() -> Tables:
    import boto3  # noqa: PLC0415 - here, so that a broken package is reported too

    tables: Tables = boto3.client("dynamodb")
    return tables
