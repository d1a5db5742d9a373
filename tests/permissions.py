"""What each function may do: what its own code calls, and what Lambda does with the function's role.

tests/infra holds the templates against it; tests/component holds against it what the functions call, both ways.
"""

from __future__ import annotations

from shared.topology import STATUSES, TOPOLOGY, queue_name

LOG = "arn:aws:dynamodb:{region}:${{AWS::AccountId}}:table/relevo-order-log"
PEER_LOG = "arn:aws:dynamodb:{peer}:${{AWS::AccountId}}:table/relevo-order-log"
STREAM = "${{ReplicaStreamArn:{stream}.StreamArn}}"
ACCOUNTS = "arn:aws:dynamodb:{region}:${{AWS::AccountId}}:table/relevo-accounts"
CONTROL = "arn:aws:dynamodb:{region}:${{AWS::AccountId}}:table/relevo-control"
VIEW = "${{Table:relevo-order-view.Arn}}"
LIST, PENDING = f"{VIEW}/index/list", f"{VIEW}/index/pending"
SECRET = "arn:aws:secretsmanager:{region}:${{AWS::AccountId}}:secret:relevo/keyring-??????"
TOPIC = "${{Topic:relevo-events.fifo}}"
BUS = "${{EventBus:relevo-effects.Arn}}"

IMPORTS = "arn:aws:s3:::cargo-test-import-{region}"
INBOX, RESULTS = f"{IMPORTS}/inbox/*", f"{IMPORTS}/results/*"
IMPORTER = "arn:aws:lambda:{region}:${{AWS::AccountId}}:function:relevo-importer:live"

Grants = dict[str, set[str]]  # actions by resource

READ_SECRET: Grants = {SECRET: {"secretsmanager:GetSecretValue"}}
ANNOUNCE: Grants = {TOPIC: {"sns:Publish"}, BUS: {"events:PutEvents"}}


def on_dynamodb(*actions: str) -> set[str]:
    return {f"dynamodb:{action}" for action in actions}


def queue(name: str) -> str:
    return f"${{{{Queue:{name}.Arn}}}}"


PROCESSOR: Grants = {LOG: on_dynamodb("GetItem", "PutItem"), PEER_LOG: on_dynamodb("GetItem")}
CALLED: dict[str, Grants] = {
    "api": {
        LOG: on_dynamodb("GetItem", "Query", "PutItem"),
        ACCOUNTS: on_dynamodb("Query", "PutItem", "DeleteItem"),  # writes: webhooks' settings alone
        CONTROL: on_dynamodb("GetItem", "Query"),
        VIEW: on_dynamodb("GetItem", "BatchGetItem", "Query", "UpdateItem", "PutItem"),
        LIST: on_dynamodb("Query"),
        PENDING: on_dynamodb("Query"),
        **READ_SECRET,
    },
    "authorizer": {ACCOUNTS: on_dynamodb("Query"), **READ_SECRET},
    "health": {LOG: on_dynamodb("GetItem"), CONTROL: on_dynamodb("GetItem"), **READ_SECRET},
    "relay": {
        LOG: on_dynamodb("Query"),
        ACCOUNTS: on_dynamodb("Query"),
        VIEW: on_dynamodb("GetItem", "BatchGetItem", "PutItem", "BatchWriteItem", "UpdateItem"),
        **ANNOUNCE,
    },
    "sentinel": {
        LOG: on_dynamodb("GetItem", "Query", "PutItem"),
        ACCOUNTS: on_dynamodb("Query"),
        CONTROL: on_dynamodb("GetItem", "PutItem"),
        VIEW: on_dynamodb("GetItem", "BatchGetItem", "Query", "PutItem", "BatchWriteItem", "UpdateItem"),
        PENDING: on_dynamodb("Query"),
        **{
            name: {"sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
            for name in map(queue, TOPOLOGY.dead_letter_queues.values())
        },
        **ANNOUNCE,
    },
    "webhook": {
        LOG: on_dynamodb("Query"),
        ACCOUNTS: on_dynamodb("Query"),
        queue(TOPOLOGY.webhook_queue): {"sqs:ChangeMessageVisibility"},
    },
    "importer": {
        LOG: on_dynamodb("Query", "PutItem"),
        ACCOUNTS: on_dynamodb("Query"),
        VIEW: on_dynamodb("GetItem"),
        INBOX: {"s3:GetObject"},
        RESULTS: {"s3:GetObject", "s3:PutObject"},
        IMPORTS: {"s3:ListBucket"},
        IMPORTER: {"lambda:InvokeFunction"},
    },
    "stream_arn": {LOG: on_dynamodb("DescribeTable")},
    **{f"processor_{status}": PROCESSOR for status in STATUSES},
}
POLLED = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
}
GIVEN_UP = {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
# Lambda's pollers and its failure destinations act with the function's role; the CDK grants these.
BY_LAMBDA: dict[str, Grants] = {
    "relay": {
        STREAM: on_dynamodb("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"),
        queue(TOPOLOGY.relay_failures_queue): GIVEN_UP,
    },
    **{f"processor_{status}": {queue(queue_name(status)): POLLED} for status in STATUSES},
    "webhook": {queue(TOPOLOGY.webhook_queue): POLLED},
    "importer": {queue(TOPOLOGY.import_dead_letter_queue): GIVEN_UP},
}
