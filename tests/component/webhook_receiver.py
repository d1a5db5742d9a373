"""A client system with a webhook: its subscription, its receiver in place of the network, and the queue's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.adapters import clients
from shared.adapters.settings import settings
from shared.adapters.webhook_calls import CallFailedError
from shared.domain.auth import Account
from tests.component.region import LambdaContext, RegionUnderTest
from tests.component.watched import WATCH

URL = "https://recibe.example.com/relevo"


@dataclass
class Call:
    url: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Stands where the webhook function calls out; ``takes`` says whether it answers 2xx."""

    region: RegionUnderTest
    takes: bool = True
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.region.module("webhook")._teller.post = self._post

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        self.calls.append(Call(url, body, headers))
        if not self.takes:
            raise CallFailedError("the receiver answered 500")


def subscribe(region: RegionUnderTest, sub: str = "ana", **more: Any) -> str:
    """An account with a webhook; returns its secret."""
    with WATCH.at_work(None):
        accounts = region.module("runtime").accounts()
        if accounts.account(sub) is None:
            accounts.add(Account(sub, "client", ""), now=region.clock())
    answer = region.call("PUT", "/v1/webhook", {"url": URL, **more}, sub=sub)
    assert answer.status == 200, answer.text
    return str(answer.json["secret"])


@contextmanager
def messages_of(*events: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Messages about stored events as the rule puts them into the queue, received once, as Lambda passes them."""
    sqs, url = clients.sqs(), settings().webhook_queue_url
    with WATCH.at_work(None):
        for event in events:
            announced = {"event_id": event["event_id"], "order_id": event["order_id"], "webhook": True}
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(announced))
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    try:
        yield [
            {
                "messageId": found["MessageId"], "receiptHandle": found["ReceiptHandle"], "body": found["Body"],
                "attributes": found["Attributes"], "eventSource": "aws:sqs",
            }
            for found in received
        ]  # fmt: skip
    finally:
        with WATCH.at_work(None):
            for found in received:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])


def tell(region: RegionUnderTest, *records: dict[str, Any]) -> list[str]:
    """Let the webhook function handle messages; returns the ids of those that it reports as failed."""
    answer = region.module("webhook").handler({"Records": list(records)}, LambdaContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def hidden(_: RegionUnderTest) -> int:
    """How many messages of the queue cannot be received just now."""
    name = "ApproximateNumberOfMessagesNotVisible"
    with WATCH.at_work(None):
        asked = clients.sqs().get_queue_attributes(QueueUrl=settings().webhook_queue_url, AttributeNames=[name])
    return int(asked["Attributes"][name])
