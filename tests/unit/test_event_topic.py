"""Cutting publications into requests: never two of one order and status in a request, order kept, sizes kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.effect_bus import EffectBus
from shared.adapters.event_topic import MAX_BATCH, MAX_BATCH_BYTES, EventTopic, Publication, batches, message_of
from shared.adapters.items import event_from_plain
from shared.domain.effects import effect_of
from shared.domain.orders import Item
from tests.unit.orders import NOW, event, events

sequences = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["created", "failed"])).map(
        lambda pair: event(pair[1], order_id=pair[0])
    ),
    max_size=60,
).map(lambda found: [Publication(replace(one, event_id=f"e{number}")) for number, one in enumerate(found)])


@given(sequences)
def test_lanes_keep_their_order_and_never_share_a_batch(publications: list[Publication]) -> None:
    cut = batches(publications)
    sent: dict[tuple[str, str], list[str]] = defaultdict(list)
    for batch in cut:
        assert 1 <= len(batch) <= MAX_BATCH
        lanes = [publication.lane for publication, _ in batch]
        assert len(set(lanes)) == len(lanes)
        for publication, _ in batch:
            sent[publication.lane].append(publication.event.event_id)
    expected: dict[tuple[str, str], list[str]] = defaultdict(list)
    for publication in publications:
        expected[publication.lane].append(publication.event.event_id)
    assert sent == expected


def test_large_events_are_spread_over_requests() -> None:
    items = tuple(Item("ñ" * 195 + str(number), Decimal("1.00")) for number in range(100))
    publications = [
        Publication(event(event_id=f"e{number}", order_id=f"o{number}", items=items)) for number in range(10)
    ]
    cut = batches(publications)
    assert len(cut) > 1
    assert all(sum(len(message.encode()) for _, message in batch) <= MAX_BATCH_BYTES for batch in cut)
    assert sum(map(len, cut)) == 10


def test_independent_events_fill_their_requests() -> None:
    publications = [Publication(event(event_id=f"e{number}", order_id=f"o{number}")) for number in range(25)]
    assert [len(batch) for batch in batches(publications)] == [10, 10, 5]


@given(events())
def test_a_message_carries_its_whole_event(found: Any) -> None:
    import json

    assert event_from_plain(json.loads(message_of(found))) == found


class Topic:
    """An SNS client that refuses some events, or fails as told."""

    def __init__(self, refuse: set[str] = frozenset(), error: Exception | None = None) -> None:  # type: ignore[assignment]
        self.refuse, self.error = refuse, error
        self.sent: list[str] = []
        self.requests = 0

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.requests += 1
        if self.error:
            raise self.error
        failed = []
        for entry in PublishBatchRequestEntries:
            event_id = entry["MessageDeduplicationId"].partition("#")[0]
            if event_id in self.refuse:
                failed.append({"Id": entry["Id"], "Code": "InternalError"})
            else:
                self.sent.append(event_id)
        return {"Failed": failed}

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.requests += 1
        if self.error:
            raise self.error
        return {"Entries": [{"ErrorCode": "Throttled"} if number in (0,) else {} for number, _ in enumerate(Entries)]}


@given(sequences, st.sets(st.integers(0, 59)))
def test_behind_a_refused_event_its_lane_is_not_tried(publications: list[Publication], refused: set[int]) -> None:
    topic = Topic({f"e{number}" for number in refused})
    outcome = EventTopic(topic, "arn").publish(publications)  # type: ignore[arg-type]
    assert sorted(map(repr, [*outcome.published, *outcome.failed])) == sorted(map(repr, publications))
    assert {found.event.event_id for found in outcome.published} == set(topic.sent)
    for lane in {found.lane for found in publications}:
        tried = [found.event.event_id for found in publications if found.lane == lane]
        first = next((number for number, found in enumerate(tried) if found in topic.refuse), len(tried))
        assert [found for found in tried if found in topic.sent] == tried[:first]


@pytest.mark.parametrize(
    ("error", "requests"),
    [
        (ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "PublishBatch"), 3),
        (ConnectTimeoutError(endpoint_url="https://sns"), 1),
    ],
)
def test_a_service_that_does_not_answer_is_asked_once(error: Exception, requests: int) -> None:
    publications = [Publication(event(event_id=f"e{number}", order_id=f"o{number}")) for number in range(25)]
    client = Topic(error=error)
    topic = EventTopic(client, "arn")  # type: ignore[arg-type]
    outcome = topic.publish(publications)
    assert (len(outcome.failed), client.requests, topic.is_silent) == (25, requests, requests == 1)
    effects = [effect_of(found.event, origin_region="us-east-1", recorded_at=NOW) for found in publications]
    client = Topic(error=error)
    bus = EffectBus(client, "bus")  # type: ignore[arg-type]
    assert (len(bus.announce(effects).failed), client.requests, bus.is_silent) == (25, requests, requests == 1)


def test_an_announcement_that_is_refused_is_told_by_its_place() -> None:
    effects = [
        effect_of(event(event_id=f"e{number}"), origin_region="us-east-1", recorded_at=NOW) for number in range(12)
    ]
    outcome = EffectBus(Topic(), "bus").announce(effects)  # type: ignore[arg-type]
    assert [found.event_id for found in outcome.failed] == ["e0", "e10"]
    assert len(outcome.announced) == 10
