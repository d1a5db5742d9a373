"""The pollers' clients of one Region of the lab, with root credentials: patient where giving up would cost something.

A receive or an invocation is never given up while its connection lives. After a freeze the answer still comes, whereas
messages received into a connection that nobody reads would stay hidden for their visibility timeout, and an invocation
given up would run beside its retry. A process that dies breaks its connections, so nothing waits for the dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, cast

import boto3
from botocore.config import Config

from loadtests.lab.polling.invocation import LambdaClient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sqs import SQSClient

# One try each: the pollers' own loops try again.
_PATIENT: Final = Config(
    connect_timeout=2, read_timeout=3600, retries={"total_max_attempts": 1}, max_pool_connections=512
)
_BRISK: Final = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}, max_pool_connections=64)


@dataclass(frozen=True)
class RegionClients:
    """Clients of one Region; each may be used by many threads."""

    region: str
    functions: LambdaClient
    receiving: SQSClient
    queues: SQSClient
    tables: DynamoDBClient
    streams: DynamoDBStreamsClient

    @classmethod
    def open(cls, region: str, endpoint: str, queue_path: str | None = None) -> Self:
        """Make the clients of the Region that answers at ``endpoint``; nothing is called yet.

        ``queue_path`` leads to its queues through the lab's faults, which hit Lambda's own pollers on AWS too.
        """
        queue_path = queue_path or endpoint
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)  # noqa: S106
        return cls(
            region,
            cast("LambdaClient", session.client("lambda", endpoint_url=endpoint, config=_PATIENT)),
            session.client("sqs", endpoint_url=queue_path, config=_PATIENT),
            session.client("sqs", endpoint_url=queue_path, config=_BRISK),
            session.client("dynamodb", endpoint_url=endpoint, config=_BRISK),
            session.client("dynamodbstreams", endpoint_url=endpoint, config=_BRISK),
        )
