"""What `/v1/status` tells people beside health: dead letters of both Regions, and the last drill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from loadtests import last_drill
from shared.adapters import clients
from shared.adapters.dead_letter_queues import DeadLetterQueues
from shared.adapters.reports import DrillReport, Reports
from shared.topology import STATUSES, TOPOLOGY
from tests.component.aws import dead_letter_queues
from tests.component.region import LambdaContext, RegionUnderTest

NOON = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
DRILL = DrillReport("growth", "quick", "us-east-1", passed=False, started_at=NOON)


@pytest.fixture
def queues(region: RegionUnderTest) -> Iterator[dict[str, str]]:
    """The Region's dead-letter queues by what they are for."""
    with dead_letter_queues() as urls:
        yield urls


def reports() -> Reports:
    return Reports(clients.dynamodb(), TOPOLOGY.control_table)


def look_once(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> Any:
    sentinel = region.module("sentinel")
    monkeypatch.setattr(sentinel, "RUN_SECONDS", 0.0)
    sentinel._sentinel.peer_serving = lambda: True
    return sentinel.handler({}, LambdaContext())


def test_the_sentinel_tells_both_regions_what_lies_in_its_dead_letter_queues(
    region: RegionUnderTest, queues: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    region.at = NOON
    for number in range(2):
        clients.sqs().send_message(QueueUrl=queues["failed"], MessageBody=f"{number}", MessageGroupId="o")
    clients.sqs().send_message(QueueUrl=queues["relay"], MessageBody="x")
    assert look_once(region, monkeypatch) == {"looks": 1, "failed": 0}
    region.at += timedelta(seconds=20)
    here = region.call("GET", "/v1/status").json["regions"]["us-east-1"]
    others = {"failed": 2, "relay": 1, "webhooks": 0, "imports": 0}
    assert here["dead_letters"] == {**dict.fromkeys(STATUSES, 0), **others}
    assert here["dead_letters_age_seconds"] == 20


def test_a_sentinel_that_cannot_count_dead_letters_looks_all_the_same(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No queue is there: SQS refuses every question."""
    assert look_once(region, monkeypatch) == {"looks": 1, "failed": 0}
    regions = region.call("GET", "/v1/status").json["regions"]
    assert [seen["dead_letters"] for seen in regions.values()] == [None, None]


def test_queues_are_looked_up_once(region: RegionUnderTest, queues: dict[str, str]) -> None:
    counting = DeadLetterQueues(clients.sqs())
    region.counted()
    for _ in range(3):
        assert set(counting.depths()) == set(queues)
    assert region.counted() == {"GetQueueUrl": len(queues), "GetQueueAttributes": 3 * len(queues)}


def test_the_status_tells_of_the_peers_dead_letters_and_of_the_last_drill(region: RegionUnderTest) -> None:
    region.at = NOON
    assert region.call("GET", "/v1/status").json["last_drill"] is None
    reports().note_dead_letters("us-east-2", {"created": 4}, now=NOON)
    reports().note_drill(DRILL)
    answer = region.call("GET", "/v1/status").json
    assert answer["regions"]["us-east-2"]["dead_letters"] == {"created": 4}
    assert answer["regions"]["us-east-1"]["dead_letters"] is None
    assert answer["last_drill"] == {
        "drill": "growth",
        "timing": "quick",
        "region": "us-east-1",
        "passed": False,
        "started_at": "2026-11-21T17:00:00.000Z",
    }


def test_a_reports_item_of_an_unknown_kind_is_no_hindrance(region: RegionUnderTest) -> None:
    region.put(TOPOLOGY.control_table, {"pk": "REPORTS", "sk": "SOMETHING NEWER"})
    assert region.call("GET", "/v1/status").status == 200


def test_a_drill_is_told_to_the_first_region_that_takes_it(region: RegionUnderTest) -> None:
    class Lost:
        def put_item(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="http://there")

    verdict = {
        "drill": "growth",
        "timing": "quick",
        "region": "us-east-1",
        "passed": False,
        "started": NOON.isoformat(),
    }
    last_drill.tell(verdict, iter([Lost(), clients.dynamodb()]))  # type: ignore[list-item]
    assert reports().read().last_drill == DRILL


def test_the_newest_verdict_is_the_last_drill_whatever_else_lies_there(tmp_path: Path) -> None:
    assert last_drill.newest(tmp_path) is None
    for name, started in (("old", "2026-11-20T09:00:00Z"), ("new", "2026-11-21T17:00:00Z")):
        verdict = {"drill": "growth", "timing": "quick", "region": "us-east-1", "passed": False, "started": started}
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.json").write_text(json.dumps(verdict))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "verdict.json").write_text("{")
    assert last_drill.newest(tmp_path) == DRILL
