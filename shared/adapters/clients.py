"""AWS clients: one place for time limits, retries and connection reuse. Nothing else creates a client.

The request path has 10 s in all, so a call gets 1 s to connect and 2 s to answer, three tries. Requests are not checked
here against AWS's model: adapters make them, their tests run them, and AWS checks each one anyway.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
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


def with_values_as_they_are(client: DynamoDBClient) -> DynamoDBClient:
    """Let a new client pass attribute values on as they are on the wire, to and fro; returns it.

    botocore rebuilds each value as a structure with ten members, which took a third of the time of a page of orders.
    `items` reads and writes the wire's form, which is what botocore makes of it again. Only binary values would differ,
    and there are none.
    """
    client.meta.service_model._service_description["shapes"]["AttributeValue"]["document"] = True  # noqa: SLF001
    return client


@cache
def dynamodb() -> DynamoDBClient:
    return with_values_as_they_are(boto3.client("dynamodb", config=_PATIENT))


@cache
def brief_dynamodb() -> DynamoDBClient:
    return with_values_as_they_are(boto3.client("dynamodb", config=_BRIEF))


@cache
def secretsmanager() -> SecretsManagerClient:
    return boto3.client("secretsmanager", config=_BRIEF)


@cache
def peer_dynamodb(region: str, endpoint_url: str) -> DynamoDBClient:
    """The peer Region's DynamoDB, for processors that got an old message; empty ``endpoint_url`` means AWS's own."""
    return with_values_as_they_are(
        boto3.client("dynamodb", region_name=region, endpoint_url=endpoint_url or None, config=_BRIEF)
    )


@cache
def sns() -> SNSClient:
    return boto3.client("sns", config=_PATIENT)


@cache
def events() -> EventBridgeClient:
    return boto3.client("events", config=_PATIENT)


@cache
def sqs() -> SQSClient:
    return boto3.client("sqs", config=_PATIENT)
