"""A release as it was recorded: what it took, wrote and answered, and how the tests replay and compare it.

`recorded/log-<version>.json` is recorded once. A release adds a file; none is ever written again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.topology import TOPOLOGY
from tests.component.region import Answer, RegionUnderTest, plain, stream_record

RECORDINGS = sorted((Path(__file__).parent / "recorded").glob("log-*.json"))


@dataclass(frozen=True)
class Release:
    """What a release left behind."""

    document: dict[str, Any]

    def log(self, entity: str | None = None) -> list[dict[str, Any]]:
        items = [plain(item) for item in self.document["log"]]
        return [item for item in items if entity in (None, item["entity"])]

    def messages(self, region: str | None = None) -> list[dict[str, Any]]:
        return [json.loads(sent["body"]) for sent in self.document["messages"] if region in (None, sent["region"])]


def store(region: RegionUnderTest, items: list[dict[str, Any]]) -> None:
    for item in items:
        region.put(TOPOLOGY.order_log_table, item)


def stream(region: RegionUnderTest, items: list[dict[str, Any]]) -> None:
    """Store items and let the relay see them, as one batch."""
    store(region, items)
    assert region.relay([stream_record(item, number) for number, item in enumerate(items, 1)]) == []


def still_says(recorded: Any, found: Any) -> bool:
    """Whether everything recorded is there with its value; members may have been added."""
    if isinstance(recorded, dict):
        return isinstance(found, dict) and all(
            name in found and still_says(value, found[name]) for name, value in recorded.items()
        )
    if isinstance(recorded, list):
        return isinstance(found, list) and len(recorded) == len(found) and all(map(still_says, recorded, found))
    return type(recorded) is type(found) and bool(recorded == found)


def assert_shown_as_recorded(region: RegionUnderTest, release: Release) -> None:
    region.at = datetime.fromisoformat(release.document["asked_at"])
    for order_id, recorded in release.document["orders"].items():
        found = region.call("GET", f"/v1/orders/{order_id}")
        assert still_says(recorded, found.json), (recorded, found.text)
    assert still_says(release.document["page"], region.call("GET", "/v1/orders").json["orders"])
    assert still_says(release.document["figures"], region.call("GET", "/v1/metrics").json)


def effects_by_event(items: list[dict[str, Any]]) -> dict[str, tuple[str, Any, str]]:
    return {item["event_id"]: (item["kind"], item["content"], item["content_hash"]) for item in items}


def send(region: RegionUnderTest, request: dict[str, Any]) -> Answer:
    """Send a recorded request at its recorded instant; a legacy route with a token of its own."""
    headers, subject = dict(request["headers"]), request["subject"]
    if "role" in request:
        region.at = None  # tokens are checked by the machine's own clock
        if not any(item["pk"].endswith(subject) for item in region.items(TOPOLOGY.accounts_table)):
            region.account(subject, request["role"])
        headers |= region.log_in(subject)
    region.at = datetime.fromisoformat(request["at"])
    return region.call(
        "POST", request["path"], request["body"], headers=headers, sub=None if "role" in request else subject
    )
