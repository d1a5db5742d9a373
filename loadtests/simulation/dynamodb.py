"""An in-memory DynamoDB client with the calls that the adapters make, and nothing else.

A contract test holds it against moto over the same cases. ``step`` is called before every call and after every write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from loadtests.simulation.expressions import Item, condition, plain, update
from loadtests.simulation.memory_log import nothing
from loadtests.simulation.replica import Key, Table
from shared.topology import LIST_INDEX, PENDING_INDEX

INDEXES: Final = {LIST_INDEX: ("list_bucket", "list_key"), PENDING_INDEX: ("pending_key", "due_at")}
BASE: Final = ("pk", "sk")
NOBODY: Final[Mapping[str, Any]] = {}
NOT_READ: Final = 7  # every so many batches are answered in part, as DynamoDB may


def key_of(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def refused(code: str, operation: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(response, operation)


class MemoryDynamoDB:
    """The tables of one Region."""

    def __init__(
        self, tables: Mapping[str, Table], step: Callable[[], None] = nothing, *, partly: bool = False
    ) -> None:
        self.tables = tables
        self._step = step
        self._partly, self._batches = partly, 0

    # Reading.

    def get_item(self, *, TableName: str, Key: Mapping[str, Any], ConsistentRead: bool = False) -> dict[str, Any]:  # noqa: N803
        del ConsistentRead
        self._step()
        found = self.tables[TableName].get(key_of(Key))
        return {"Item": found} if found is not None else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        self._step()
        self._batches += 1
        responses: dict[str, list[Item]] = {}
        unread: dict[str, Any] = {}
        for name, request in RequestItems.items():
            keys = list(request["Keys"])
            if self._partly and self._batches % NOT_READ == 0:
                unread[name] = {**request, "Keys": [keys.pop()]}
            found = [self.tables[name].get(key_of(key)) for key in keys]
            responses[name] = [item for item in found if item is not None]
        return {"Responses": responses, "UnprocessedKeys": unread}

    def query(
        self, *, TableName: str, KeyConditionExpression: str, ExpressionAttributeValues: Mapping[str, Any],  # noqa: N803
        IndexName: str | None = None, ConsistentRead: bool = False, ScanIndexForward: bool = True,  # noqa: N803
        Limit: int | None = None, FilterExpression: str | None = None,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] = NOBODY, ExclusiveStartKey: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:  # fmt: skip
        """One page: everything that matches, up to the limit."""
        del ConsistentRead
        self._step()
        values, names = ExpressionAttributeValues, ExpressionAttributeNames
        partition, sort = INDEXES[IndexName] if IndexName else BASE
        table = self.tables[TableName]
        if IndexName is None:
            found: list[Item] = table.partition(values[KeyConditionExpression.split()[2]]["S"])
        else:
            found = [item for item in table.everything() if partition in item and sort in item]
        matches = condition(KeyConditionExpression)
        found = [item for item in found if matches(item, names, values)]
        found.sort(key=lambda item: (plain(item[sort]), key_of(item)), reverse=not ScanIndexForward)
        if ExclusiveStartKey:
            places = [key_of(item) for item in found]
            found = found[places.index(key_of(ExclusiveStartKey)) + 1 :]
        answer: dict[str, Any] = {}
        if Limit is not None and len(found) > Limit:
            found = found[:Limit]
            answer["LastEvaluatedKey"] = {name: found[-1][name] for name in {*BASE, partition, sort}}
        if FilterExpression:
            keeps = condition(FilterExpression)
            found = [item for item in found if keeps(item, names, values)]
        return {"Items": found, "Count": len(found), **answer}

    # Writing.

    def put_item(
        self, *, TableName: str, Item: dict[str, Any], ConditionExpression: str | None = None,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] = NOBODY, ExpressionAttributeValues: Mapping[str, Any] = NOBODY,  # noqa: N803
    ) -> dict[str, Any]:  # fmt: skip
        self._step()
        table, key = self.tables[TableName], key_of(Item)
        if ConditionExpression and not condition(ConditionExpression)(
            table.get(key) or {}, ExpressionAttributeNames, ExpressionAttributeValues
        ):
            raise refused("ConditionalCheckFailedException", "PutItem")
        table.put(key, Item)
        self._step()
        return {}

    def delete_item(self, *, TableName: str, Key: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        self._step()
        self.tables[TableName].delete(key_of(Key))
        self._step()
        return {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        self._step()
        made = self._updated(request)
        if made is None:
            raise refused("ConditionalCheckFailedException", "UpdateItem")
        self.tables[request["TableName"]].put(*made)
        self._step()
        match request.get("ReturnValues", "NONE"):
            case "NONE":
                return {}
            case "UPDATED_NEW":  # here with the attributes that stayed as they were, which nobody reads
                return {"Attributes": made[1]}
            case other:
                raise NotImplementedError(other)

    def _updated(self, request: Mapping[str, Any]) -> tuple[Key, Item] | None:
        """The item as an update makes it; ``None`` if its condition does not hold."""
        key = request["Key"]
        names = request.get("ExpressionAttributeNames", NOBODY)
        values = request.get("ExpressionAttributeValues", NOBODY)
        before = self.tables[request["TableName"]].get(key_of(key)) or {}
        wanted = request.get("ConditionExpression")
        if wanted and not condition(wanted)(before, names, values):
            return None
        after = {**key, **before}
        for change in update(request["UpdateExpression"]):
            change(before, after, names, values)
        return key_of(key), after

    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """All updates, or none of them."""
        self._step()
        requests = [action["Update"] for action in TransactItems]
        made = [self._updated(request) for request in requests]
        if None in made:
            codes = ["ConditionalCheckFailed" if one is None else "None" for one in made]
            reasons = [{"Code": code} for code in codes]
            raise refused("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        for request, one in zip(requests, made, strict=True):
            assert one is not None  # looked at above
            self.tables[request["TableName"]].put(*one)
        self._step()
        return {}

    def batch_write_item(self, *, RequestItems: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:  # noqa: N803
        """Puts one after the other: a crash may come between any two of them."""
        for name, requests in RequestItems.items():
            for request in requests:
                self._step()
                item = request["PutRequest"]["Item"]
                self.tables[name].put(key_of(item), item)
        self._step()
        return {"UnprocessedItems": {}}
