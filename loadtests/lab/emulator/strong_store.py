"""Plays DynamoDB's strong global tables (MRSC) in a Region's MiniStack: calls for them go on to one store for all.

The store is a process that belongs to no Region, as a write's second copy does. A Region asks it in the middle of its
own calls, so a lost Region reaches nothing, and what MRSC refuses is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from shared.topology import TOPOLOGY

STRONG_TABLES: Final = (TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table)
DIFFERENCES: Final = (
    "strong global tables are one store in a process of its own, which no fault reaches: AWS keeps three copies",
    "a write to them costs no way to another Region, and is never refused as in conflict with one of another Region",
)
TRANSACTIONS: Final = frozenset({"TransactWriteItems", "TransactGetItems", "ExecuteTransaction"})
CREDENTIALS: Final = Credentials("test", "test")

Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Any]]


class StrongStore:
    """The store, as a Region's MiniStack asks it."""

    def __init__(self, endpoint: str) -> None:
        self._url = endpoint.rstrip("/") + "/"
        self._signer = SigV4Auth(CREDENTIALS, "dynamodb", TOPOLOGY.owner_region)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the store; a Region's process keeps it to its end."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, target: str, body: bytes) -> Answer:
        """Pass a call on, whole, and its answer back."""
        if self._session is None:  # needs the loop that runs by now
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
            )
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        self._signer.add_auth(request)
        async with self._session.post(self._url, data=body, headers=dict(request.headers)) as response:
            content = await response.read()
            kept = {
                name: response.headers[name] for name in ("Content-Type", "x-amz-crc32") if name in response.headers
            }
            return response.status, kept, content


def keep_tables_in(store: StrongStore, dynamodb: Any, dynamodb_streams: Any) -> None:
    """Let MiniStack's DynamoDB ask the store for strong tables, and for all streams: only they have any."""
    own: Handler = dynamodb.handle_request

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
        target = headers.get("x-amz-target", "")
        strong, others = tables_of(body)
        if not strong:
            return await own(method, path, headers, body, query)
        if refusal := refusal_of(target.rpartition(".")[2], strong, others):
            return _refused(refusal)
        return await store.ask(target, body)

    async def handle_stream(_: str, __: str, headers: dict[str, str], body: bytes, ___: dict[str, Any]) -> Any:
        return await store.ask(headers.get("x-amz-target", ""), body)

    dynamodb.handle_request = handle
    dynamodb_streams.handle_request = handle_stream


def tables_of(body: bytes) -> tuple[set[str], set[str]]:
    """The strong tables that a request is about, and the other ones."""
    if not any(name.encode() in body for name in STRONG_TABLES):
        return set(), set()  # as good as always: not parsed twice
    request: Mapping[str, Any] = json.loads(body)
    asked = {str(request.get("TableName", "")), *request.get("RequestItems", {})}
    asked |= {str(part["TableName"]) for action in request.get("TransactItems", ()) for part in action.values()}
    named = {name.rpartition("/")[2] for name in asked if name}
    return named & set(STRONG_TABLES), named - set(STRONG_TABLES)


def refusal_of(operation: str, strong: set[str], others: set[str]) -> str | None:
    """Why a call about strong tables is refused; None if it is not."""
    names = ", ".join(sorted(strong))
    if operation in TRANSACTIONS:
        return f"Transactional operations are not supported on tables with multi-Region strong consistency: {names}"
    if operation == "UpdateTimeToLive":
        return f"Time to Live is not supported on tables with multi-Region strong consistency: {names}"
    if others:
        return f"The lab does not play one call about {names} and {', '.join(sorted(others))}"
    return None


def _refused(reason: str) -> Answer:
    body = json.dumps({"__type": "com.amazon.coral.validate#ValidationException", "message": reason}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, body
