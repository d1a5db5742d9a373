"""The situations that runbooks speak of, brought about in the running lab by its own commands, and ended again."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from runbooks.target import Target, current_target
from shared.adapters import items
from shared.adapters.accounts import AccountExistsError
from shared.adapters.event_topic import message_of
from shared.adapters.order_rows import ROW
from shared.domain.auth import Account, hash_password
from shared.domain.takeover import NOBODY, peer_is_lost
from shared.topology import TOPOLOGY, dead_letter_queue_name
from tests.lab.running_lab import RunningLab, eventually

HERE, PEER = "us-east-1", "us-east-2"
ACCOUNT = "courier-ana"


class Situations:
    """Brings the lab into a situation, unless it is in it already."""

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab
        self.target: Target = current_target(lab.layout.folder)
        assert self.target.name == "lab", "these commands must never reach AWS"

    def relevo(self, *arguments: str) -> str:
        done = self.lab.relevo(*arguments)
        assert done.exit_code == 0, f"relevo {' '.join(arguments)}: {done.output}"
        return done.stdout

    def bring_about(self, situation: str) -> None:
        """Make a situation true; raises ``KeyError`` for one that is not known."""
        {
            "nothing": self.calm,
            "a dead letter waits in us-east-1": self._dead_letter,
            "a key rotation is under way": self._rotation,
            "account courier-ana exists": self._account,
            "an order is missing in the view of us-east-1": self._missing_order,
            "us-east-1 is drained": lambda: self._drained(HERE),
            "us-east-2 is drained": lambda: self._drained(PEER),
            "replication is cut": self._cut,
            "us-east-1 is frozen": self._frozen,
        }[situation]()

    def calm(self) -> None:
        """No fault, no Region drained, no rotation under way, and both Regions healthy to DNS."""
        seen = self.lab.control("/status")
        states = {region["state"] for region in seen["regions"].values()}
        if states != {"running"} or seen["link"]["partitioned"]:
            self.lab.heal()
        drained = self._register()
        if drained != NOBODY:
            self.relevo("readmit", drained, "--reason", "the situation is over", "--accept-dead-letters", "--yes")
        eventually(self._serves_everywhere, within=60, what="both Regions healthy, none drained")
        # Heartbeats and register have come over too, without which no key is rotated.
        eventually(lambda: not self._keys()["impairments"], within=60, what="no Region impaired")
        if self._keys()["rotation"]:
            self.relevo("keys", "rotate", "--back", "--yes")

    def end(self) -> None:
        """Leave the lab as it was found, whatever failed: calm, and without dead letters."""
        self.calm()
        if self._dead_letters():
            self.relevo("redrive", HERE, "created", "--yes")

    def _serves_everywhere(self) -> bool:
        regions = self.lab.control("/status")["regions"].values()
        return all(seen["healthy"] and not seen["drained"] for seen in regions)

    def _register(self) -> str:
        """Which Region is drained; a Region's peer knows it first."""
        for region in TOPOLOGY.region_names:
            if self.target.control(TOPOLOGY.peer_of(region)).register().drains(region):
                return region
        return NOBODY

    def _drained(self, region: str) -> None:
        if self._register() != region:
            self.calm()
            self.relevo("drain", region, "--reason", "a situation of the runbooks", "--yes")

    def _cut(self) -> None:
        if not self.lab.control("/status")["link"]["partitioned"]:
            self.calm()
            self.relevo("fault", "partition")

    def _frozen(self) -> None:
        """Lost to its peer too, which needs some looks for that and drains it."""
        if self.lab.control("/status")["regions"][HERE]["state"] == "running":
            self.calm()
            self.relevo("fault", "region-loss", HERE, "--mode", "freeze")
        eventually(self._is_lost, within=60, what=f"{HERE} lost and drained in the eyes of {PEER}")

    def _is_lost(self) -> bool:
        guard = self.target.order_queries(PEER).guard()
        return guard is not None and peer_is_lost(guard) and self.target.control(PEER).register().drains(HERE)

    def _keys(self) -> Any:
        return json.loads(self.relevo("keys", "status", "--json"))

    def _rotation(self) -> None:
        if not self._keys()["rotation"]:
            self.calm()
            self.relevo("keys", "rotate", "--yes")

    def _account(self) -> None:
        account = Account(ACCOUNT, "courier", hash_password("correct horse"))
        with contextlib.suppress(AccountExistsError):
            self.target.accounts(TOPOLOGY.owner_region).add(account, now=datetime.now(UTC))

    def _order(self) -> str:
        """An order of this Region that is wholly done."""
        order_id = f"RUNBOOK-{uuid4().hex[:12]}"
        assert self.lab.order(order_id, region=HERE).status == 201
        eventually(lambda: self.lab.effects(order_id, HERE), within=30, what=f"the effect of {order_id}")
        return order_id

    def _dead_letters(self) -> int:
        sqs = self.target.client("sqs", HERE)
        url = sqs.get_queue_url(QueueName=dead_letter_queue_name("created"))["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _dead_letter(self) -> None:
        """A message that was done after all, as when a processor dies after its write for the fifth time."""
        if self._dead_letters():
            return
        self.calm()
        (event,) = self.target.order_log(HERE).order(self._order()).events
        sqs = self.target.client("sqs", HERE)
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName=dead_letter_queue_name("created"))["QueueUrl"],
            MessageBody=message_of(event),
            MessageGroupId=event.order_id,
            MessageDeduplicationId=uuid4().hex,
            MessageAttributes={"status": {"DataType": "String", "StringValue": "created"}},
        )

    def _missing_order(self) -> None:
        """A row that is gone and stays gone: what the relay still had to project would bring it back."""
        self.calm()
        dynamodb = self.target.dynamodb(HERE)
        key = items.to_wire({"pk": items.order_key(self._order()), "sk": ROW})

        def is_gone() -> bool:
            dynamodb.delete_item(TableName=TOPOLOGY.order_view_table, Key=key)
            time.sleep(2)
            found = dynamodb.get_item(TableName=TOPOLOGY.order_view_table, Key=key, ConsistentRead=True)
            return "Item" not in found

        eventually(is_gone, within=30, what="a row that stays gone")
