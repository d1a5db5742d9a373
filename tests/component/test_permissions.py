"""Each function's policy is exactly what it calls: nothing missing, nothing to spare, and each permission is needed.

tests/infra/test_permissions.py holds the templates against the same list, so the templates grant just these calls.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from shared.adapters.items import effect_from_plain
from shared.topology import TOPOLOGY
from tests.component.aws import PEER, create_tables, dead_letter_queues
from tests.component.door import knock
from tests.component.pipeline import Caught, from_peer, register
from tests.component.region import LambdaContext, RegionUnderTest, stream_record, wire
from tests.component.watched import GRANTED, WATCH
from tests.component.webhook_receiver import Receiver, hidden, messages_of, subscribe, tell

START = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
LINES = [{"product": "Panela", "price": 4000}]
Outcome = list[Any]


class Everything(set[str]):
    """A set that has whatever it is asked for."""

    def __contains__(self, _: object) -> bool:
        return True


@contextmanager
def refusing(region: RegionUnderTest, name: str) -> Iterator[None]:
    """The topic or the bus takes nothing for a while."""
    sender = getattr(region.module("runtime"), name)()
    before, sender._client = sender._client, Caught(refuse=Everything())
    yield
    sender._client = before


def wanted(region: RegionUnderTest, function: str) -> int:
    """How many effects go to the webhooks' queue: all of them, in a process that cannot learn who subscribed."""
    listeners = region.module("runtime").effect_bus().wanted.__self__
    listeners._known = listeners._looked_at = None
    effects = [effect_from_plain(item) for item in region.log_items("effect")]
    with WATCH.at_work(function):
        return len(listeners.wanted(effects))


def api(region: RegionUnderTest) -> Outcome:
    region.account("ana", "admin")
    answers = [
        region.call("POST", "/token", {"username": "ana", "password": "una-clave-larga"}, sub=None),
        region.call("POST", "/v1/orders", {"order_id": "o", "items": LINES}),
        *(region.call("GET", path) for path in ("/v1/orders/o", "/v1/orders", "/v1/metrics", "/v1/status")),
        region.call("PUT", "/v1/webhook", {"url": "https://recibe.example.com/"}),
        region.call("DELETE", "/v1/webhook"),
    ]
    return [answer.status for answer in answers]


def webhook(region: RegionUnderTest) -> Outcome:
    subscribe(region)
    register(region, "o", items=LINES)
    (event,) = region.log_items("event")
    assert region.process([event]) == []
    with messages_of(event, event) as (taken, refused):
        receiver = Receiver(region)
        failed = tell(region, taken)
        receiver.takes = False
        failed += tell(region, refused)
        return [failed, len(receiver.calls), hidden(region)]


def authorizer(region: RegionUnderTest) -> Outcome:
    region.account("ana", "operator")
    region.module("authorizer")  # before the log-in: its own reading of the keyring is what counts
    return [knock(region, "GET", "/v1/metrics", headers=region.log_in()).status]


def health(region: RegionUnderTest) -> Outcome:
    return [
        region.call("GET", path, sub=None, function="health").status
        for path in ("/health", f"/control/drained/{region.name}")
    ]


def relay(region: RegionUnderTest) -> Outcome:
    register(region, "o", items=LINES)
    failed = region.relay_everything()
    (created,) = region.log_items("event")
    # Another relay was faster: the rows that were read at first are stale.
    register(region, "o", "assigned", courier="luis")
    view = region.module("runtime").order_view()
    rows = view.rows
    view.rows = lambda order_ids: {**rows(order_ids), "o": None}
    failed += region.relay_everything()
    view.rows = rows
    assert region.process([created]) == []
    failed += region.relay_everything()
    with refusing(region, "event_topic"):
        register(region, "p")
        failed += region.relay_everything()
    failed += region.relay([{**stream_record({"pk": "ORDER#q", "sk": "x"}), "eventID": "9"}])
    work = [(item["order_id"], item["status"], "published_at" in item) for item in region.view_items("ORDER#", "WORK#")]
    done = [item["order_id"] for item in region.view_items("ORDER#", "WORK#") if "announced_at" in item]
    found = [len(region.view_items(kind)) for kind in ("QUARANTINE", "BUCKETS#")]
    return [failed, work, done, *found, wanted(region, "relay")]


def processor(region: RegionUnderTest) -> Outcome:
    there = boto3.client("dynamodb", region_name=PEER)
    create_tables(there)
    try:
        for order in ("o", "old"):
            register(region, order, items=LINES)
        first, old = region.log_items("event")
        failed = region.process([first]) + region.process([first])
        (effect,) = region.log_items("effect")
        done = {**from_peer(effect), "pk": "ORDER#old", "sk": f"EFFECT#{old['event_id']}", "event_id": old["event_id"]}
        there.put_item(TableName=TOPOLOGY.order_log_table, Item=wire({**done, "order_id": "old"}))
        failed += region.process([old], age_seconds=1000)
        return [failed, len(region.log_items("effect"))]
    finally:
        for table in there.list_tables()["TableNames"]:
            there.delete_table(TableName=table)


def sentinel(region: RegionUnderTest) -> Outcome:
    region.at = START
    watch = region.module("sentinel")._sentinel
    watch.peer_serving = lambda: True
    with refusing(region, "event_topic"):
        register(region, "o", items=LINES)
        assert region.relay_everything() == []
    region.at += timedelta(seconds=70)
    outcome: Outcome = [watch.look().draining]
    outcome += ["published_at" in work for work in region.view_items("ORDER#", "WORK#")]
    (event,) = region.log_items("event")
    assert region.process([event]) == []
    with refusing(region, "effect_bus"):
        assert region.relay_everything() == []
    watch.peer_serving = lambda: False
    for _ in range(8):
        region.at += timedelta(seconds=15)
        outcome.append(watch.look().draining)
    with dead_letter_queues(), WATCH.at_work("sentinel"):
        region.module("sentinel").tell_dead_letters()
    told = [item["pk"] for item in region.items(TOPOLOGY.control_table)]
    done = [(item["order_id"], "announced_at" in item) for item in region.view_items("ORDER#", "WORK#")]
    beats = [(item["beat_at"], item.get("announced_through")) for item in region.log_items("heartbeat")]
    outcome.append(wanted(region, "sentinel"))
    return [*outcome, told, done, beats, [item.get("blocked") for item in region.view_items("ORDER#", "ROW")]]


def importer(region: RegionUnderTest) -> Outcome:
    region.account("ana", "client")
    told = region.put_file("inbox/ana/o.csv", b"order_id,status\no,created\nb,lost\n")
    module = region.module("importer")
    module.IMPORTS = replace(module.IMPORTS, orders_per_second=1_000_000.0)
    for _ in range(3):
        region.importer(told, seconds=1)
        region.module("requests").guard._read_at = None
    done = json.loads(region.file("results/ana/o.csv.result.json"))
    seen = region.module("requests").guard_seen
    with WATCH.at_work("importer"):
        seen()
    names = ("state", "created", "repeats", "failed", "attempt")
    return [*(done[name] for name in names), region.file("results/ana/o.csv.errors.csv"), WATCH.denied[:]]


def stream_arn(region: RegionUnderTest) -> Outcome:
    sent: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urllib.request, "urlopen", lambda put, **_: sent.append(put.data) or nullcontext())
        module = region.module("stream_arn")
        patch.setattr(module, "SECONDS_BETWEEN_TRIES", 0)
        asked = {"TableName": TOPOLOGY.order_log_table}
        request = {"StackId": "s", "RequestId": "r", "LogicalResourceId": "l", "ResponseURL": "https://here"}
        module.handler({"RequestType": "Create", "ResourceProperties": asked, **request}, LambdaContext())
    return sent


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (api, authorizer, health, relay, processor, sentinel, webhook, importer, stream_arn)
}


def play(region: RegionUnderTest, function: str) -> Outcome:
    """What came of everything that a function does; what it raised is an outcome too."""
    try:
        return SCENARIOS[function](region)
    except Exception as error:  # noqa: BLE001  # a permission that is gone shows wherever its call was made
        return [f"{type(error).__name__}: {error}"]


def test_every_function_has_a_scenario() -> None:
    assert set(SCENARIOS) == {function for function, _, _ in GRANTED}


@pytest.mark.parametrize("function", SCENARIOS)
def test_a_function_calls_everything_that_it_may_call(region: RegionUnderTest, function: str) -> None:
    """That it calls nothing else is watched in every component test."""
    outcome = SCENARIOS[function](region)
    assert WATCH.called_by(function) == {call for call in GRANTED if call[0] == function}
    assert outcome


@pytest.mark.parametrize("function", SCENARIOS)
def test_without_any_one_permission_something_fails(new_region: Callable[[], RegionUnderTest], function: str) -> None:
    undisturbed = play(new_region(), function)
    for call in sorted(call for call in GRANTED if call[0] == function):
        region = new_region()
        WATCH.withdrawn = call
        assert play(region, function) != undisturbed, f"nobody misses {call}"
        assert set(WATCH.denied) == {call}


def test_the_watch_refuses_what_no_policy_allows(region: RegionUnderTest) -> None:
    with WATCH.at_work("api"), pytest.raises(Exception, match="AccessDenied"):
        boto3.client("dynamodb").delete_table(TableName=TOPOLOGY.order_log_table)
    assert [action for _, _, action in WATCH.denied] == ["dynamodb:DeleteTable"]
    WATCH.denied.clear()
