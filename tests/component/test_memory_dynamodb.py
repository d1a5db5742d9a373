"""One contract over moto's DynamoDB and the simulator's: the same calls get the same answers, errors included."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from loadtests.simulation.dynamodb import MemoryDynamoDB
from loadtests.simulation.expressions import ExpressionError, condition, update
from loadtests.simulation.replica import Table
from shared.adapters import clients
from shared.adapters.items import to_wire
from shared.topology import TOPOLOGY
from tests.component.region import RegionUnderTest

VIEW, LOG = TOPOLOGY.order_view_table, TOPOLOGY.order_log_table


class Both:
    """Sends each call to both and wants the same answer."""

    def __init__(self) -> None:
        self.memory, self.moto = MemoryDynamoDB({VIEW: Table(), LOG: Table()}), clients.dynamodb()

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            here, there = (_answer(getattr(client, name), request) for client in (self.memory, self.moto))
            assert here == there
            return here

        return call


def _answer(call: Any, request: dict[str, Any]) -> Any:
    try:
        answer = call(**request)
    except ClientError as error:
        reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", [])]
        return error.response["Error"]["Code"], reasons
    kept = {name: answer[name] for name in ("Item", "Items", "Responses", "LastEvaluatedKey") if name in answer}
    return _sets_sorted(kept)


def _sets_sorted(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: sorted(child) if name == "SS" else _sets_sorted(child) for name, child in node.items()}
    return [_sets_sorted(child) for child in node] if isinstance(node, list) else node


@pytest.fixture
def both(region: RegionUnderTest) -> Both:
    return Both()


def key(pk: str = "ORDER#o", sk: str = "ROW") -> dict[str, Any]:
    return to_wire({"pk": pk, "sk": sk})


def put(both: Both, table: str = VIEW, pk: str = "ORDER#o", sk: str = "ROW", **fields: Any) -> None:
    both.put_item(TableName=table, Item=to_wire({"pk": pk, "sk": sk, **fields}))


def test_an_insert_is_refused_when_the_item_is_there(both: Both) -> None:
    insert = {
        "TableName": LOG,
        "Item": to_wire({"pk": "a", "sk": "b"}),
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    assert both.put_item(**insert) == {}
    assert both.put_item(**insert) == ("ConditionalCheckFailedException", [])
    assert both.get_item(TableName=LOG, Key=key("a", "b"))["Item"] == key("a", "b")
    assert both.get_item(TableName=LOG, Key=key("a", "c")) == {}


@pytest.mark.parametrize("draining", [None, "none", "us-east-1", "us-east-2"])
def test_the_register_takes_nobody_else(both: Both, draining: str | None) -> None:
    if draining:
        put(both, LOG, "DRAINING", "DRAINING", draining=draining)
    both.put_item(
        TableName=LOG,
        Item=to_wire({"pk": "DRAINING", "sk": "DRAINING", "draining": "us-east-1"}),
        ConditionExpression="attribute_not_exists(pk) OR draining IN (:nobody, :region)",
        ExpressionAttributeValues=to_wire({":nobody": "none", ":region": "us-east-1"}),
    )
    both.get_item(TableName=LOG, Key=key("DRAINING", "DRAINING"))


@pytest.mark.parametrize("stored", [None, {}, {"version": 1}, {"version": 2}, {"version": "2"}])
@pytest.mark.parametrize("wanted", ["version = :two", "attribute_exists(pk)", "attribute_not_exists(version)"])
def test_an_update_is_made_only_if_its_condition_holds(both: Both, stored: Any, wanted: str) -> None:
    if stored is not None:
        put(both, **stored)
    both.update_item(
        TableName=VIEW, Key=key(), UpdateExpression="SET x = :two", ConditionExpression=wanted,
        ExpressionAttributeValues=to_wire({":two": 2}),
    )  # fmt: skip
    both.get_item(TableName=VIEW, Key=key())


@pytest.mark.parametrize("stored", [{}, {"n": 5, "seen": {"a"}, "blocked": {"failed"}, "at": "t0", "gone": 1}])
@pytest.mark.parametrize(
    "expression",
    [
        "SET #at = :at, n = if_not_exists(n, :one) REMOVE gone",
        "SET #at = if_not_exists(#at, :at)",
        "ADD seen :seen",
        "ADD n :one, extra :one",
        "DELETE blocked :blocked ADD version :one",
        "ADD n :one SET #at = :at",
        "REMOVE gone, absent",
    ],
)
def test_every_kind_of_update_that_the_adapters_make(both: Both, stored: Any, expression: str) -> None:
    values = {":at": "t1", ":one": 1, ":seen": {"b"}, ":blocked": {"failed"}}
    put(both, **stored)
    request: dict[str, Any] = {
        "ExpressionAttributeValues": to_wire({name: value for name, value in values.items() if name in expression})
    }
    if "#at" in expression:
        request["ExpressionAttributeNames"] = {"#at": "at"}
    both.update_item(
        TableName=VIEW, Key=key(), UpdateExpression=expression,
        **{name: value for name, value in request.items() if value},
    )  # fmt: skip
    both.get_item(TableName=VIEW, Key=key())


def test_a_transaction_writes_all_or_nothing_and_names_what_refused(both: Both) -> None:
    put(both, version=1)
    for version in (1, 1):
        row = {
            "TableName": VIEW, "Key": key(), "UpdateExpression": "SET version = :next",
            "ConditionExpression": "version = :version",
            "ExpressionAttributeValues": to_wire({":next": 2, ":version": version}),
        }  # fmt: skip
        figures = {
            "TableName": VIEW, "Key": key("KPI#2026-11-21", "SHARD#01"), "UpdateExpression": "ADD #k0 :k0",
            "ExpressionAttributeNames": {"#k0": "status:created"}, "ExpressionAttributeValues": to_wire({":k0": 1}),
        }  # fmt: skip
        both.transact_write_items(TransactItems=[{"Update": row}, {"Update": figures}])
    found = both.query(
        TableName=VIEW, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=to_wire({":pk": "KPI#2026-11-21"})
    )
    assert [item["status:created"] for item in found["Items"]] == [{"N": "1"}]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [None, 2])
def test_queries_of_tables_and_indexes_give_the_same_items_in_the_same_order(
    both: Both, forward: bool, limit: int | None
) -> None:
    for number in range(4):
        put(
            both, pk=f"ORDER#{number}", sk=f"WORK#{number}", pending_key="us-east-1",
            due_at=f"t{number % 3}{number}",
            list_bucket="b", list_key=f"k{number}", status=("created", "failed")[number % 2],
        )  # fmt: skip
        put(both, pk="BUCKETS#2026-11", sk=f"b{number}")
    more: dict[str, Any] = {"ScanIndexForward": forward, **({"Limit": limit} if limit else {})}
    values = to_wire({":p": "us-east-1", ":after": "t0"})
    page = both.query(
        TableName=VIEW, IndexName="pending", KeyConditionExpression="pending_key = :p AND due_at > :after",
        ExpressionAttributeValues=values, **more,
    )  # fmt: skip
    assert page["Items"]
    both.query(
        TableName=VIEW, IndexName="list", KeyConditionExpression="list_bucket = :b AND list_key < :below",
        ExpressionAttributeValues=to_wire({":b": "b", ":below": "k3", ":s": "failed"}),
        FilterExpression="#s = :s", ExpressionAttributeNames={"#s": "status"}, ScanIndexForward=forward,
    )  # fmt: skip
    page = both.query(
        TableName=VIEW, KeyConditionExpression="pk = :pk AND sk < :below",
        ExpressionAttributeValues=to_wire({":pk": "BUCKETS#2026-11", ":below": "b3"}), **more,
    )  # fmt: skip
    if "LastEvaluatedKey" in page:
        both.query(
            TableName=VIEW, KeyConditionExpression="pk = :pk AND sk < :below",
            ExpressionAttributeValues=to_wire({":pk": "BUCKETS#2026-11", ":below": "b3"}),
            ExclusiveStartKey=page["LastEvaluatedKey"], **more,
        )  # fmt: skip


def test_what_is_deleted_is_gone_and_a_query_may_want_the_beginning_of_a_key(both: Both) -> None:
    for sort in ("ana#SECRET#1", "ana#SUBSCRIPTION", "anabel#SECRET#1", "luz#SECRET#1"):
        put(both, LOG, "WEBHOOKS", sort)
    for _ in range(2):
        assert both.delete_item(TableName=LOG, Key=key("WEBHOOKS", "ana#SECRET#1")) == {}
    for prefix, found in (("ana#", 1), ("ana", 2), ("x", 0)):
        page = both.query(
            TableName=LOG, KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)", ConsistentRead=True,
            ExpressionAttributeValues=to_wire({":pk": "WEBHOOKS", ":sk": prefix}),
        )  # fmt: skip
        assert len(page["Items"]) == found


def test_batches_put_and_get_what_single_calls_do(both: Both) -> None:
    requests = [{"PutRequest": {"Item": to_wire({"pk": "ORDER#o", "sk": f"WORK#{n}", "n": n})}} for n in range(3)]
    both.batch_write_item(RequestItems={VIEW: requests})
    keys = [key(sk=f"WORK#{n}") for n in (1, 2, 7)]
    answer = both.memory.batch_get_item(RequestItems={VIEW: {"Keys": keys, "ConsistentRead": True}})
    there = both.moto.batch_get_item(RequestItems={VIEW: {"Keys": keys, "ConsistentRead": True}})
    assert answer["Responses"][VIEW] == sorted(there["Responses"][VIEW], key=lambda item: item["sk"]["S"])
    assert answer["UnprocessedKeys"] == there["UnprocessedKeys"] == {}


@pytest.mark.parametrize("text", ["size(a) > :b", "a = :b AND c = :d OR e = :f", "NOT a = :b", "a BETWEEN :b AND :c"])
def test_a_condition_that_the_simulator_does_not_know_is_refused(text: str) -> None:
    with pytest.raises((ExpressionError, KeyError)):
        condition(text)


@pytest.mark.parametrize("text", ["SET a = a + :b", "SET a = list_append(a, :b)", "PUT a :b"])
def test_an_update_that_the_simulator_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        update(text)
