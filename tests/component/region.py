"""One Region's functions over moto, called as AWS calls them: API Gateway requests, stream records, queue messages."""

from __future__ import annotations

import importlib
import json
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from shared.adapters import clients
from shared.adapters.accounts import Accounts
from shared.adapters.items import from_wire
from shared.domain.auth import Account, hash_password
from shared.domain.instants import in_milliseconds
from shared.topology import TOPOLOGY
from tests.component.aws import REGION
from tests.component.watched import WATCH

_serializer, _deserializer = TypeSerializer(), TypeDeserializer()


PASSWORD = "una-clave-larga"
FUNCTIONS = ("api", "authorizer", "health", "relay", "processor", "sentinel", "webhook", "importer", "stream_arn")


@cache
def password_hash() -> str:
    return hash_password(PASSWORD)


def plain(item: dict[str, Any]) -> dict[str, Any]:
    return from_wire(item)


def wire(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _serializer.serialize(value) for name, value in item.items()}


class LambdaContext(SimpleNamespace):
    """What Lambda passes beside the event."""

    def __init__(self, seconds: float = 60) -> None:
        super().__init__(
            function_name="relevo-test", memory_limit_in_mb=128, aws_request_id=str(uuid.uuid4()), function_version="1",
            invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:relevo-test",
        )  # fmt: skip
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._until - time.monotonic()) * 1000)


@dataclass
class Answer:
    """What a client gets."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class RegionUnderTest:
    """Imports each function's module afresh, so that no test sees what another one cached."""

    name: str = REGION
    calls: Counter[str] = field(default_factory=Counter)
    at: datetime | None = None  # the Region's clock; the machine's own while None

    def clock(self) -> datetime:
        return in_milliseconds(self.at or datetime.now(UTC))

    def module(self, name: str) -> Any:
        runtime: Any = importlib.import_module("regions.handlers.runtime")
        runtime.now = self.clock  # before the other modules take it from there
        path = f"regions.handlers.{name}"
        if path in sys.modules or name not in FUNCTIONS:
            return importlib.import_module(path)
        with WATCH.at_work(name):
            found = importlib.import_module(path)
        found.handler = WATCH.watched(name, found.handler)
        if name == "sentinel":  # tests let it look, one look at a time
            found._sentinel.look = WATCH.watched(name, found._sentinel.look)
        return found

    def counted(self) -> dict[str, int]:
        """The AWS calls since this was asked last."""
        calls = dict(self.calls)
        self.calls.clear()
        return calls

    def account(self, username: str = "ana", role: str = "admin", **more: Any) -> None:
        """An account whose password is PASSWORD."""
        Accounts(clients.dynamodb(), TOPOLOGY.accounts_table).add(
            Account(username, role, password_hash(), **more), now=datetime.now(UTC)
        )

    def log_in(self, username: str = "ana", password: str = PASSWORD) -> dict[str, str]:
        answer = self.call("POST", "/token", {"username": username, "password": password}, sub=None)
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    def call(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None, sub: str | None = "ana", scope: str | None = None, raw: str | None = None,
        base64: bool = False, function: str = "api", authorizer: dict[str, Any] | None = None,
        address: str = "203.0.113.9",
    ) -> Answer:  # fmt: skip
        """Send one request as API Gateway's REST proxy integration would, `sub` having passed the authorizer."""
        every = "orders:write orders:read orders:list metrics:read status:read legacy:read webhook:own"
        if authorizer is None and sub:
            authorizer = {"sub": sub, "scope": every if scope is None else scope, "principalId": sub}
        sent = {"Host": TOPOLOGY.api_name, "Content-Type": "application/json", **(headers or {})}
        event = {
            "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
            "pathParameters": None, "stageVariables": None,
            "requestContext": {
                "path": path, "stage": "live", "requestId": "r", "httpMethod": method, "apiId": "api",
                "identity": {"sourceIp": address}, **({"authorizer": authorizer} if authorizer else {}),
            },
            "body": raw if raw is not None else json.dumps(body) if body is not None else None,
            "isBase64Encoded": base64,
        }  # fmt: skip
        answer = self.module(function).handler(event, LambdaContext())
        many = {name: ",".join(values) for name, values in answer.get("multiValueHeaders", {}).items()}
        return Answer(answer["statusCode"], {**answer.get("headers", {}), **many}, answer["body"])

    # What the log's stream holds and what becomes of it.

    def items(self, table: str) -> list[dict[str, Any]]:
        with WATCH.at_work(None):
            pages = list(clients.dynamodb().get_paginator("scan").paginate(TableName=table))
        found = [plain(item) for page in pages for item in page["Items"]]
        return sorted(found, key=lambda item: (item["pk"], item["sk"]))

    def log_items(self, entity: str | None = None) -> list[dict[str, Any]]:
        found = self.items(TOPOLOGY.order_log_table)
        return [item for item in found if entity in (None, item.get("entity"))]

    def view_items(self, prefix: str = "", sort: str = "") -> list[dict[str, Any]]:
        found = self.items(TOPOLOGY.order_view_table)
        return [item for item in found if item["pk"].startswith(prefix) and item["sk"].startswith(sort)]

    def put(self, table: str, item: dict[str, Any]) -> None:
        with WATCH.at_work(None):
            clients.dynamodb().put_item(TableName=table, Item=wire(item))

    def relay(self, records: list[dict[str, Any]]) -> list[str]:
        """Let the relay handle stream records; returns the sequence numbers it reports as failed."""
        answer = self.module("relay").handler({"Records": records}, LambdaContext())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def relay_everything(self) -> list[str]:
        return self.relay([stream_record(item, number) for number, item in enumerate(self.log_items(), 1)])

    def put_file(self, key: str, content: bytes) -> dict[str, Any]:
        """Put a file into the import bucket; returns what S3 tells the importer of it."""
        bucket = TOPOLOGY.import_bucket(self.name)
        with WATCH.at_work(None):
            etag = clients.s3().put_object(Bucket=bucket, Key=key, Body=content)["ETag"]
        told = {"key": quote_plus(key, safe="/"), "size": len(content), "eTag": etag.strip('"')}
        later = f"{time.time_ns():018X}"
        return {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {**told, "sequencer": later}}}]}

    def importer(self, told: dict[str, Any], *, seconds: float = 900, request_id: str | None = None) -> None:
        """Let the importer work on a file; attempts of Lambda at one event have one request id."""
        context = LambdaContext(seconds)
        context.aws_request_id = request_id or context.aws_request_id
        self.module("importer").handler(told, context)

    def file(self, key: str) -> bytes:
        with WATCH.at_work(None):
            found = clients.s3().get_object(Bucket=TOPOLOGY.import_bucket(self.name), Key=key)
        return bytes(found["Body"].read())

    def process(self, events: list[dict[str, Any]], *, age_seconds: float = 0) -> list[str]:
        """Let the processor handle messages that carry these stored events; returns the message ids it reports."""
        records = [queue_record(event, number, age_seconds) for number, event in enumerate(events, 1)]
        answer = self.module("processor").handler({"Records": records}, LambdaContext())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def stream_record(item: dict[str, Any], number: int = 1, *, kind: str = "INSERT") -> dict[str, Any]:
    """A record of the log's stream, as Lambda passes it."""
    return {
        "eventID": str(number), "eventName": kind, "eventSource": "aws:dynamodb", "awsRegion": REGION,
        "dynamodb": {
            "Keys": wire({"pk": item["pk"], "sk": item["sk"]}), "NewImage": wire(item),
            "SequenceNumber": f"{number:021d}",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }  # fmt: skip


def queue_record(event: dict[str, Any], number: int = 1, age_seconds: float = 0) -> dict[str, Any]:
    """A message of a status's FIFO queue, as Lambda passes it; ``event`` is a stored event or the raw text."""
    from shared.adapters.event_topic import message_of
    from shared.adapters.items import event_from_plain

    body = event["text"] if "text" in event else message_of(event_from_plain(event))
    return {
        "messageId": f"m{number}", "receiptHandle": f"h{number}", "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": str(int((time.time() - age_seconds) * 1000)),
            "SenderId": "sns", "ApproximateFirstReceiveTimestamp": str(int(time.time() * 1000)),
            "MessageGroupId": event.get("group") or event["order_id"], "MessageDeduplicationId": f"d{number}",
            "SequenceNumber": str(number),
        },
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": REGION,
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:relevo-created.fifo",
    }  # fmt: skip
