"""AWS clients: one place for time limits, retries and connection reuse. Nothing else creates a client.

The request path has 10 s in all, so a call gets 1 s to connect and 2 s to answer, three tries. Requests are not checked
here against AWS's model: adapters make them, their tests run them, and AWS checks each one anyway.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

_PATIENT = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"total_max_attempts": 3, "mode": "standard"},
    max_pool_connections=32,
    parameter_validation=False,
)
# For what is a favour and not a need (a look into the peer Region, what the sentinel saw) and for the health verdict,
# which has two seconds in all: one try, less than a second.
_BRIEF = Config(
    connect_timeout=0.7,
    read_timeout=0.9,
    retries={"total_max_attempts": 1, "mode": "standard"},
    parameter_validation=False,
)


class _PlainParser(JSONParser):
    """Leaves attribute values as they are on the wire, which is what botocore makes of them again, but for binary ones.

    It rebuilds each value as a structure of ten members: a third of the time of a page of orders.
    """

    def _handle_structure(self, shape: Any, value: Any) -> Any:
        if shape.name == "AttributeValue":
            return value
        return super()._handle_structure(shape, value)  # type: ignore[misc]  # its types leave it out


class _PlainParsers(ResponseParserFactory):
    def create_parser(self, protocol_name: str) -> ResponseParser:
        return _PlainParser() if protocol_name == "json" else super().create_parser(protocol_name)


def _plain(client: DynamoDBClient) -> DynamoDBClient:
    client._endpoint._response_parser_factory = _PlainParsers()  # type: ignore[attr-defined]  # noqa: SLF001
    return client


@cache
def dynamodb() -> DynamoDBClient:
    return _plain(boto3.client("dynamodb", config=_PATIENT))


@cache
def brief_dynamodb() -> DynamoDBClient:
    return _plain(boto3.client("dynamodb", config=_BRIEF))


@cache
def secretsmanager() -> SecretsManagerClient:
    return boto3.client("secretsmanager", config=_BRIEF)


@cache
def peer_dynamodb(region: str, endpoint_url: str) -> DynamoDBClient:
    """The peer Region's DynamoDB, for processors that got an old message; empty ``endpoint_url`` means AWS's own."""
    return _plain(boto3.client("dynamodb", region_name=region, endpoint_url=endpoint_url or None, config=_BRIEF))


@cache
def sns() -> SNSClient:
    return boto3.client("sns", config=_PATIENT)


@cache
def events() -> EventBridgeClient:
    return boto3.client("events", config=_PATIENT)


@cache
def sqs() -> SQSClient:
    return boto3.client("sqs", config=_PATIENT)


@cache
def s3() -> S3Client:
    return boto3.client("s3", config=_PATIENT)


@cache
def functions() -> LambdaClient:
    return boto3.client("lambda", config=_PATIENT)
