"""The few DynamoDB calls of the replication link, over one kept connection per call at a time.

Signs with botocore and speaks JSON itself: at hundreds of small calls a second the full client would cost more than the
link's work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from loadtests.lab.replication.last_writer import Transfer
from loadtests.lab.replication.versions import Item, StreamRecord

ROOT: Final = Credentials("test", "test")
ANSWER_SECONDS: Final = 3.0  # a frozen Region takes connections and never answers; a busy one takes a while


class RegionSilentError(Exception):
    """The Region did not answer; what became of the call is unknown."""


class DynamoError(Exception):
    """The Region answered with an error, so the call did nothing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Page:
    """What one GetRecords brought."""

    records: list[StreamRecord]
    next_iterator: str | None
    size: int


class DynamoDB:
    """DynamoDB and its streams in one Region of the lab."""

    def __init__(self, session: aiohttp.ClientSession, region: str, endpoint: str) -> None:
        self.region = region
        self._session = session
        self._url = endpoint.rstrip("/") + "/"
        self._signer = SigV4Auth(ROOT, "dynamodb", region)

    async def _call(self, operation: str, body: Mapping[str, object]) -> tuple[dict[str, object], int]:
        service = "DynamoDBStreams_20120810" if operation in _STREAM_OPERATIONS else "DynamoDB_20120810"
        content = json.dumps(body, separators=(",", ":")).encode()
        headers = {"X-Amz-Target": f"{service}.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        request = AWSRequest("POST", self._url, headers=headers, data=content)
        self._signer.add_auth(request)
        try:
            async with self._session.post(self._url, data=content, headers=dict(request.headers)) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RegionSilentError(f"{self.region}: {operation}: {error!r}") from error
        try:
            parsed = cast("dict[str, object]", json.loads(answer))
        except ValueError as error:
            raise RegionSilentError(f"{self.region}: {operation}: {response.status} without JSON") from error
        if response.status >= 500:
            raise RegionSilentError(f"{self.region}: {operation}: {response.status} {parsed}")
        if response.status != 200:
            code = str(parsed.get("__type", response.status)).rpartition("#")[2]
            raise DynamoError(code, str(parsed.get("message") or parsed.get("Message") or parsed))
        return parsed, len(answer)

    async def find_stream(self, table: str) -> str | None:
        """The ARN of the table's stream, None while there is no such table or stream."""
        try:
            answer, _ = await self._call("DescribeTable", {"TableName": table})
        except DynamoError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        description = cast("dict[str, str]", answer["Table"])
        return description.get("LatestStreamArn")

    async def oldest_position(self, stream: str) -> str:
        """An iterator at the oldest record of the stream's one shard."""
        return await self._iterator(stream, {"ShardIteratorType": "TRIM_HORIZON"})

    async def position_after(self, stream: str, sequence_number: str) -> str:
        """An iterator just after a record."""
        kind = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence_number}
        return await self._iterator(stream, kind)

    async def _iterator(self, stream: str, kind: Mapping[str, str]) -> str:
        answer, _ = await self._call("DescribeStream", {"StreamArn": stream, "Limit": 1})
        shards = cast("dict[str, list[dict[str, str]]]", answer["StreamDescription"])["Shards"]
        request = {"StreamArn": stream, "ShardId": shards[0]["ShardId"], **kind}
        answer, _ = await self._call("GetShardIterator", request)
        return str(answer["ShardIterator"])

    async def records(self, iterator: str) -> Page:
        """The next records of a stream, up to 1,000 or 1 MB."""
        answer, size = await self._call("GetRecords", {"ShardIterator": iterator, "Limit": 1000})
        records = cast("list[StreamRecord]", answer["Records"])
        return Page(records, cast("str | None", answer.get("NextShardIterator")), size)

    async def write(self, transfers: Iterable[Transfer]) -> set[tuple[str, str, str]]:
        """Put or delete up to 25 items; returns the (table, pk, sk) that the Region did not process."""
        requests: dict[str, list[dict[str, object]]] = {}
        for key, version, _ in transfers:
            names = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
            request: dict[str, object] = (
                {"DeleteRequest": {"Key": names}} if version.item is None else {"PutRequest": {"Item": version.item}}
            )
            requests.setdefault(key.table, []).append(request)
        answer, _ = await self._call("BatchWriteItem", {"RequestItems": requests})
        unprocessed = cast("dict[str, list[dict[str, dict[str, Item]]]]", answer.get("UnprocessedItems") or {})
        return {
            (table, _text(item["pk"]), _text(item["sk"]))
            for table, left in unprocessed.items()
            for request in left
            for item in (request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"],)
        }


_STREAM_OPERATIONS: Final = frozenset({"DescribeStream", "GetShardIterator", "GetRecords"})


def _text(value: object) -> str:
    return str(cast("dict[str, str]", value)["S"])


def open_session() -> aiohttp.ClientSession:
    """A session whose calls give up on a silent Region."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=ANSWER_SECONDS)
    # Idle connections go before the Region closes them, or a write could meet that moment and be of unknown outcome.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, skip_auto_headers=["User-Agent"]
    )
