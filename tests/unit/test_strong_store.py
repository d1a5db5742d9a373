"""The lab's strong tables refuse what MRSC refuses, and nothing else that a Region asks goes to their store."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.lab.emulator.strong_store import keep_tables_in
from shared.topology import TOPOLOGY

LOG, VIEW = TOPOLOGY.order_log_table, TOPOLOGY.order_view_table
KEY = {"pk": {"S": "ORDER#o"}, "sk": {"S": "ROW"}}


class Store:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, target: str, body: bytes) -> Any:
        self.asked.append(target.rpartition(".")[2])
        return 200, {}, b"the store's"


def ask(operation: str, request: dict[str, Any], service: str = "DynamoDB_20120810") -> tuple[Any, list[str]]:
    """The answer of a Region whose strong tables are in a store, and what the store was asked."""

    async def own(*_: Any) -> Any:
        return 200, {}, b"the Region's"

    dynamodb, streams, store = SimpleNamespace(handle_request=own), SimpleNamespace(handle_request=own), Store()
    keep_tables_in(store, dynamodb, streams)  # type: ignore[arg-type]
    handle = (streams if "Streams" in service else dynamodb).handle_request
    headers = {"x-amz-target": f"{service}.{operation}"}
    return asyncio.run(handle("POST", "/", headers, json.dumps(request).encode(), {})), store.asked


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("PutItem", {"TableName": LOG, "Item": KEY}),
        ("Query", {"TableName": TOPOLOGY.control_table}),
        ("BatchGetItem", {"RequestItems": {LOG: {"Keys": [KEY]}}}),
        ("DescribeTable", {"TableName": f"arn:aws:dynamodb:us-east-1:000000000000:table/{LOG}"}),
    ],
)
def test_calls_about_strong_tables_go_to_the_store(operation: str, request_: dict[str, Any]) -> None:
    answer, asked = ask(operation, request_)
    assert (answer[2], asked) == (b"the store's", [operation])


def test_all_streams_are_the_stores() -> None:
    answer, asked = ask("GetRecords", {"ShardIterator": "i"}, "DynamoDBStreams_20120810")
    assert (answer[2], asked) == (b"the store's", ["GetRecords"])


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": VIEW, "Item": KEY}}]}),
        ("PutItem", {"TableName": VIEW, "Item": {**KEY, "note": {"S": LOG}}}),
        ("ListTables", {}),
    ],
)
def test_the_regions_own_tables_stay_where_they_are(operation: str, request_: dict[str, Any]) -> None:
    answer, asked = ask(operation, request_)
    assert (answer[2], asked) == (b"the Region's", [])


@pytest.mark.parametrize(
    ("operation", "request_", "reason"),
    [
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": LOG, "Item": KEY}}]}, "Transactional"),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": LOG, "Key": KEY}}]}, "Transactional"),
        ("UpdateTimeToLive", {"TableName": LOG}, "Time to Live"),
        ("BatchGetItem", {"RequestItems": {LOG: {"Keys": [KEY]}, VIEW: {"Keys": [KEY]}}}, "does not play one call"),
    ],
)
def test_what_strong_tables_lack_is_refused(operation: str, request_: dict[str, Any], reason: str) -> None:
    (status, _, body), asked = ask(operation, request_)
    assert (status, asked) == (400, [])
    assert reason in json.loads(body)["message"]
