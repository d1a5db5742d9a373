"""The drill's own ear on each Region's event bus: a queue and a rule, made before the load and removed after it."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

from loadtests.drills.evidence import Announcement, canonical_text
from loadtests.drills.probe import TROUBLE, Probe
from loadtests.drills.target import DrillRegion
from shared.topology import TOPOLOGY

BATCH = 10


class AnnouncementCollector(Probe):
    """Collects what one Region announces. The message is deleted only after it was kept."""

    def __init__(self, region: DrillRegion, run: str) -> None:
        super().__init__(f"announcements of {region.name}", 0.5)
        self.heard: list[Announcement] = []
        self.region = region.name
        self._name = f"relevo-drill-{run}"
        self._sqs = region.client("sqs")
        self._events = region.client("events")
        self._account_id = region.account_id
        self._queue_url = ""

    def subscribe(self) -> None:
        """Make the queue and the rule; raises if the Region refuses."""
        queue_arn = f"arn:aws:sqs:{self.region}:{self._account_id}:{self._name}"
        rule_arn = f"arn:aws:events:{self.region}:{self._account_id}:rule/{TOPOLOGY.effect_bus}/{self._name}"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
                }
            ],
        }
        made = self._sqs.create_queue(QueueName=self._name, Attributes={"Policy": json.dumps(policy)})
        self._queue_url = made["QueueUrl"]
        self._events.put_rule(
            Name=self._name, EventBusName=TOPOLOGY.effect_bus, EventPattern=json.dumps({"source": ["relevo"]})
        )
        answer = self._events.put_targets(
            Rule=self._name, EventBusName=TOPOLOGY.effect_bus, Targets=[{"Id": "drill", "Arn": queue_arn}]
        )
        if answer.get("FailedEntryCount"):
            raise OSError(f"the rule's target was refused in {self.region}: {answer}")

    def look(self) -> None:
        """Drain what is there."""
        while not self.stopping:
            if not self.drain_once():
                return

    def drain_once(self) -> int:
        """Take one batch; return how many messages there were."""
        messages: list[Any] = self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=0, VisibilityTimeout=30
        ).get("Messages", [])
        for message in messages:
            self._keep(message["Body"])
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        return len(messages)

    def _keep(self, body: str) -> None:
        detail = json.loads(body, parse_float=Decimal).get("detail") or {}
        content = canonical_text([detail.get("kind"), detail.get("content")])
        self.heard.append(Announcement(self.region, str(detail.get("event_id")), content, time.time()))

    def unsubscribe(self) -> list[str]:
        """Remove what ``subscribe`` made; return what could not be removed."""
        left: list[str] = []
        steps = (
            (self._events.remove_targets, {"Rule": self._name, "EventBusName": TOPOLOGY.effect_bus, "Ids": ["drill"]}),
            (self._events.delete_rule, {"Name": self._name, "EventBusName": TOPOLOGY.effect_bus}),
            (self._sqs.delete_queue, {"QueueUrl": self._queue_url}),
        )
        for step, arguments in steps:
            try:
                step(**arguments)
            except TROUBLE as error:
                left.append(f"{self._name} in {self.region}: {error}")
        return left
