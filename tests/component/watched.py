"""Watches the AWS calls of each function and refuses what its policy does not allow, as IAM would.

Every component test runs under it: a call that `tests.permissions` does not list is denied and fails the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from shared.topology import TOPOLOGY, live_function
from tests.component.aws import PEER
from tests.permissions import (
    ACCOUNTS,
    BUS,
    CALLED,
    CONTROL,
    IMPORTER,
    IMPORTS,
    INBOX,
    LOG,
    PEER_LOG,
    RESULTS,
    SECRET,
    TOPIC,
    VIEW,
    queue,
)

T = TypeVar("T")
Call = tuple[str, str, str]  # function, resource, action

TABLES = {
    TOPOLOGY.order_log_table: LOG,
    TOPOLOGY.accounts_table: ACCOUNTS,
    TOPOLOGY.control_table: CONTROL,
    TOPOLOGY.order_view_table: VIEW,
}
# What IAM judges each element of a transaction or a batch by, where it is not the operation's own name.
IN_TRANSACTION = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
}  # fmt: skip
GRANTED: set[Call] = {
    (part.partition("_")[0] if part.startswith("processor_") else part, resource, action)
    for part, grants in CALLED.items()
    for resource, actions in grants.items()
    for action in actions
}


class CallWatch:
    """Which function is at work, what it called, and what it was denied."""

    def __init__(self) -> None:
        self.function: str | None = None
        self.called: set[Call] = set()
        self.denied: list[Call] = []
        self.withdrawn: Call | None = None  # a permission that a test takes away

    def see(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        """A hook of botocore, run before each call."""
        if self.function is None:
            return
        for resource, action in _judged(model, params, context["client_region"]):
            call = (self.function, resource, action)
            self.called.add(call)
            if call not in GRANTED or call == self.withdrawn:
                self.denied.append(call)
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": f"{call}"}}, model.name)

    @contextmanager
    def at_work(self, function: str | None) -> Iterator[None]:
        """Calls are those of this function; ``None``: of a test that looks in the middle of one."""
        before, self.function = self.function, function
        try:
            yield
        finally:
            self.function = before

    def watched(self, function: str, work: Callable[..., T]) -> Callable[..., T]:
        """``work``, its calls being those of ``function``."""

        def watched(*args: Any, **more: Any) -> T:
            with self.at_work(function):
                return work(*args, **more)

        return watched

    def called_by(self, function: str) -> set[Call]:
        return {call for call in self.called if call[0] == function}

    def forget(self) -> None:
        self.called.clear()
        self.denied.clear()
        self.withdrawn = None


WATCH = CallWatch()


def _judged(model: Any, params: dict[str, Any], region: str) -> Iterator[tuple[str, str]]:
    service, operation = model.service_model.service_name, model.name
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            for element in params["TransactItems"]:
                ((kind, request),) = element.items()
                yield _table(request, region), f"dynamodb:{IN_TRANSACTION[kind]}"
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            for table in params["RequestItems"]:
                yield _table({"TableName": table}, region), f"dynamodb:{operation}"
        case "dynamodb", _:
            yield _table(params, region), f"dynamodb:{operation}"
        case "sns", "Publish" | "PublishBatch":
            assert params["TopicArn"].endswith(f":{TOPOLOGY.event_topic}")
            yield TOPIC, "sns:Publish"
        case "events", "PutEvents":
            assert {entry["EventBusName"] for entry in params["Entries"]} == {TOPOLOGY.effect_bus}
            yield BUS, "events:PutEvents"
        case "sqs", _:
            name = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
            yield queue(name), f"sqs:{operation}"
        case "secretsmanager", _:
            yield SECRET, f"secretsmanager:{operation}"
        case "s3", _:
            assert params["Bucket"] == TOPOLOGY.import_bucket(region)
            folder = {"inbox": INBOX, "results": RESULTS}.get(params.get("Key", "").partition("/")[0], IMPORTS)
            yield folder, "s3:ListBucket" if operation == "ListObjectsV2" else f"s3:{operation}"
        case "lambda", "Invoke":
            assert params["FunctionName"] == live_function("importer")
            yield IMPORTER, "lambda:InvokeFunction"
        case _:
            yield f"anything of {service}", f"{service}:{operation}"


def _table(request: dict[str, Any], region: str) -> str:
    table = TABLES[request["TableName"]]
    if region == PEER:
        assert table == LOG
        return PEER_LOG
    return f"{table}/index/{request['IndexName']}" if "IndexName" in request else table
