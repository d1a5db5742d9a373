"""The lab's strong tables: what one Region writes stands for the other at once, in one store that no Region stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.lab import deploy
from loadtests.lab.emulator.ministack import start_store, wait_until_ready
from loadtests.lab.emulator.strong_store import StrongStore, keep_tables_in
from loadtests.lab.layout import Layout
from loadtests.lab.processes import ProcessBook, end_all
from shared.topology import TOPOLOGY
from tests.lab.running_lab import PROJECT
from tests.lab.two_ministacks import free_port

pytestmark = pytest.mark.lab
LOG = TOPOLOGY.order_log_table
EVENT = {"pk": {"S": "ORDER#o"}, "sk": {"S": "EVENT#1"}, "note": {"S": "ñandú"}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    layout = Layout.at(Path(tmp_path_factory.mktemp("store")))
    port = free_port(layout.store.address)
    layout = replace(layout, store=replace(layout.store, gateway_port=port, own_path_port=port))
    book = ProcessBook.new(layout.process_file)
    try:
        started = start_store(book, layout)
        assert book.of_region(TOPOLOGY.owner_region) == []  # no Region's loss stops it
        log = layout.log_folder / f"{started.name}.log"
        wait_until_ready(started, f"{layout.store.endpoint}/_ministack/ready", log)
        deploy.deploy_store(layout, PROJECT / "cdk.out")
        yield layout
    finally:
        end_all(book.started, book.lab)


class Region:
    """A Region's DynamoDB, whose strong tables are in the store."""

    def __init__(self, store: StrongStore) -> None:
        self.dynamodb, self.streams = SimpleNamespace(handle_request=None), SimpleNamespace(handle_request=None)
        keep_tables_in(store, self.dynamodb, self.streams)

    async def ask(self, operation: str, **request: Any) -> Any:
        part, service = (
            (self.streams, "DynamoDBStreams_20120810")
            if operation in ("DescribeStream", "GetShardIterator", "GetRecords")
            else (self.dynamodb, "DynamoDB_20120810")
        )
        headers = {"x-amz-target": f"{service}.{operation}"}
        _, _, body = await part.handle_request("POST", "/", headers, json.dumps(request).encode(), {})
        return json.loads(body)

    async def records(self) -> list[Any]:
        stream = (await self.ask("DescribeTable", TableName=LOG))["Table"]["LatestStreamArn"]
        shard = (await self.ask("DescribeStream", StreamArn=stream))["StreamDescription"]["Shards"][0]["ShardId"]
        place = {"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = (await self.ask("GetShardIterator", **place))["ShardIterator"]
        return list((await self.ask("GetRecords", ShardIterator=iterator))["Records"])


def test_a_write_is_there_for_the_other_region_at_once_and_in_both_streams(store: Layout) -> None:
    async def write_here_and_read_there() -> None:
        answers = StrongStore(store.store.endpoint)
        async with answers:
            here, there = Region(answers), Region(answers)
            insert = {"TableName": LOG, "Item": EVENT, "ConditionExpression": "attribute_not_exists(pk)"}
            assert "__type" not in await here.ask("PutItem", **insert)
            key = {name: EVENT[name] for name in ("pk", "sk")}
            found = await there.ask("GetItem", TableName=LOG, Key=key, ConsistentRead=True)
            assert found["Item"] == EVENT
            refused = await there.ask("PutItem", **insert)
            assert refused["__type"].endswith("ConditionalCheckFailedException")
            assert await here.records() == await there.records() != []

    asyncio.run(write_here_and_read_there())
