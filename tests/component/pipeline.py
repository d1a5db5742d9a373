"""What the relay and the sentinel send, caught before it leaves: messages to the topic, announcements on the bus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ReadTimeoutError

from tests.component.region import RegionUnderTest


@dataclass
class Caught:
    """Stands behind the SNS and EventBridge clients; refuses or is silent as a test asks."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    announcements: list[dict[str, Any]] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)  # event ids that SNS or the bus refuses
    silent: bool = False
    requests: int = 0

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self._take_request()
        assert len(PublishBatchRequestEntries) <= 10
        failed = []
        for entry in PublishBatchRequestEntries:
            body = json.loads(entry["Message"])
            if body["event_id"] in self.refuse:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.messages.append({**entry, "body": body})
        return {"Successful": [], "Failed": failed}

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self._take_request()
        results = []
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            if detail["event_id"] in self.refuse:
                results.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "no"})
            else:
                self.announcements.append({**entry, "detail": detail})
                results.append({"EventId": "e"})
        return {"Entries": results, "FailedEntryCount": 0}

    def _take_request(self) -> None:
        self.requests += 1
        if self.silent:
            raise ReadTimeoutError(endpoint_url="https://here")

    @property
    def published(self) -> list[str]:
        return [message["body"]["event_id"] for message in self.messages]

    @property
    def announced(self) -> list[str]:
        return [announcement["detail"]["event_id"] for announcement in self.announcements]


def catch(region: RegionUnderTest) -> Caught:
    """Put a ``Caught`` in place of the Region's topic and bus."""
    caught = Caught()
    runtime = region.module("runtime")
    runtime.event_topic()._client = caught
    runtime.effect_bus()._client = caught
    return caught


def work_of(region: RegionUnderTest, event_id: str) -> dict[str, Any]:
    (found,) = [item for item in region.view_items("ORDER#", "WORK#") if item["event_id"] == event_id]
    return found


def register(region: RegionUnderTest, order_id: str, status: str = "created", **fields: Any) -> str:
    """Register a status through the API; returns the event's id."""
    answer = region.call("POST", "/v1/orders", {"order_id": order_id, "status": status, **fields})
    assert answer.status == 201, answer.text
    event_id: str = answer.json["event_id"]
    return event_id


def from_peer(item: dict[str, Any]) -> dict[str, Any]:
    """A stored item as if the peer had written it."""
    return {**item, "origin_region": "us-east-2"}


def without_seen(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """View items without the moments that tell when this Region did something."""
    moments = ("seen_at", "effect_seen_at", "announced_at", "published_at", "due_at", "expires_at", "version")
    return [{name: value for name, value in item.items() if name not in moments} for item in items]
