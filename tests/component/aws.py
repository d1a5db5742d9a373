"""The AWS resources of one Region, as the stacks make them, in moto: tables and indexes, topic, bus, secret."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from shared.adapters import clients
from shared.topology import LIST_INDEX, LIVE, PENDING_INDEX, TOPOLOGY, function_name

REGION, PEER = "us-east-1", "us-east-2"
KEYS = {"K1": "first-key-of-the-keyring-of-the-tests", "K2": "second-key-of-the-keyring-of-the-tests"}
ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "ORDER_LOG_TABLE": TOPOLOGY.order_log_table,
    "ORDER_VIEW_TABLE": TOPOLOGY.order_view_table,
    "ACCOUNTS_TABLE": TOPOLOGY.accounts_table,
    "CONTROL_TABLE": TOPOLOGY.control_table,
    "EFFECT_BUS_NAME": TOPOLOGY.effect_bus,
    "TIME_SCALE": "1",
    "PEER_REGION": PEER,
    "PEER_ENDPOINT": "http://127.0.0.1:1",
    "PEER_AWS_ENDPOINT_URL": "",
    "STATUS": "created",
    "POWERTOOLS_SERVICE_NAME": "relevo",
    "POWERTOOLS_METRICS_NAMESPACE": "Relevo",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


def create_tables(dynamodb: Any) -> None:
    """The tables with the keys and indexes that the stacks give them."""
    for name in (TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table):
        dynamodb.create_table(TableName=name, **_keyed("pk", "sk"), BillingMode="PAY_PER_REQUEST")
    indexes = ((LIST_INDEX, "list_bucket", "list_key"), (PENDING_INDEX, "pending_key", "due_at"))
    dynamodb.create_table(
        TableName=TOPOLOGY.order_view_table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_keyed("pk", "sk")["KeySchema"],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("pk", "sk", *(key for index in indexes for key in index[1:]))
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": name, "KeySchema": _keyed(*keys)["KeySchema"], "Projection": {"ProjectionType": "ALL"}}
            for name, *keys in indexes
        ],
    )


@contextmanager
def dead_letter_queues() -> Iterator[dict[str, str]]:
    """The addresses of a Region's dead-letter queues, by what they are for, while they exist."""
    sqs = clients.sqs()
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    urls = {
        queue: sqs.create_queue(QueueName=name, Attributes=fifo if name.endswith(".fifo") else {})["QueueUrl"]
        for queue, name in TOPOLOGY.dead_letter_queues.items()
    }
    try:
        yield urls
    finally:
        for url in urls.values():
            sqs.delete_queue(QueueUrl=url)


def _keyed(partition: str, sort: str) -> dict[str, Any]:
    return {
        "KeySchema": [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in (partition, sort)],
    }


def create_importer() -> None:
    """The import bucket, and a function behind the importer's alias: what is called is counted, nothing runs."""
    clients.s3().create_bucket(Bucket=TOPOLOGY.import_bucket(REGION))
    create_function("importer", iam=boto3.client("iam"), functions=clients.functions())


def create_function(part: str, *, iam: Any, functions: Any) -> None:
    """A function with its alias; it does nothing."""
    name = function_name(part)
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName=part, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    package = io.BytesIO()
    zipfile.ZipFile(package, "w").close()
    functions.create_function(
        FunctionName=name, Runtime="python3.13", Role=role, Handler="a.b", Publish=True,
        Code={"ZipFile": package.getvalue()},
    )  # fmt: skip
    functions.create_alias(FunctionName=name, Name=LIVE, FunctionVersion="1")


def create_resources() -> dict[str, str]:
    """Everything a Region's functions use; returns the names that are known only afterwards, for the environment."""
    create_tables(clients.dynamodb())
    create_importer()
    topic = clients.sns().create_topic(
        Name=TOPOLOGY.event_topic, Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "false"}
    )
    clients.events().create_event_bus(Name=TOPOLOGY.effect_bus)
    secret = clients.secretsmanager().create_secret(
        Name=TOPOLOGY.keyring_secret, SecretString=json.dumps({"current": "K1", "keys": KEYS})
    )
    queue = clients.sqs().create_queue(QueueName=TOPOLOGY.webhook_queue)
    return {
        "EVENT_TOPIC_ARN": topic["TopicArn"], "KEYRING_SECRET_ARN": secret["ARN"],
        "WEBHOOK_QUEUE_URL": queue["QueueUrl"],
    }  # fmt: skip
