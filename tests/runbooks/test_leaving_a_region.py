"""Drain, evacuate, readmit: from the healthy side alone, never leaving no Region serving (I7), never back too early."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runbooks import evacuate, healthy_side, readmit
from runbooks.target import Target
from shared.adapters import items
from shared.adapters.order_rows import waits_for
from shared.adapters.order_view import kpi_key
from shared.domain.instants import day_in_bogota, to_text
from shared.topology import TOPOLOGY, dead_letter_queue_name
from tests.runbooks.two_regions import HERE, PEER, TwoRegions, moto

REASON = ("--reason", "a rehearsal", "--yes")


class Front(ThreadingHTTPServer):
    """A Region's `/health` and `/control`, over its own replica of the register."""

    def __init__(self, region: str) -> None:
        super().__init__(("127.0.0.1", 0), FrontHandler)
        self.region = region
        self.serving = True
        self.asked: list[str] = []


class FrontHandler(BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/health":
            document: dict[str, object] = {"serving": self.server.serving, "region": self.server.region}
        else:
            register = Target("aws", {}).control(self.server.region).register()
            document = {"drained": register.drains(self.path.rpartition("/")[2])}
        body = json.dumps(document, separators=(",", ":")).encode()
        self.send_response(200 if self.server.serving else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def front(region: str) -> Iterator[Front]:
    server = Front(region)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def fronts() -> Iterator[dict[str, Front]]:
    with ExitStack() as stack:
        yield {region: stack.enter_context(front(region)) for region in TOPOLOGY.region_names}


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fronts: dict[str, Front]) -> Iterator[TwoRegions]:
    """Two Regions whose waits are short, and whose APIs answer on this machine."""
    with moto(monkeypatch, tmp_path):
        monkeypatch.setattr(Target, "api_url", lambda _, region: f"http://127.0.0.1:{fronts[region].server_port}")
        brief = Target("aws", {}, 0.01, detection_seconds=0.1, dns_ttl_seconds=0.2)
        for module in (evacuate, readmit):
            monkeypatch.setattr(module, "current_target", lambda: brief)
        monkeypatch.setattr(healthy_side, "LOOK_EVERY_SECONDS", 0.05)
        monkeypatch.setattr(evacuate, "LEAST_SECONDS", 1.0)
        monkeypatch.setattr(readmit, "LEAST_CATCH_UP_SECONDS", 1.0)
        made = TwoRegions(monkeypatch)
        made.make_queues(HERE)
        made.beat(at=datetime.now(UTC) + timedelta(minutes=1))
        yield made


def draining(region: str) -> str:
    return Target("aws", {}).control(region).register().draining


def count_orders(regions: TwoRegions, region: str, orders: int) -> None:
    """Let a Region's view count so many orders of today."""
    item = items.to_wire({**kpi_key(day_in_bogota(datetime.now(UTC)), 0), "status:created": orders})
    regions.client("dynamodb", region).put_item(TableName=TOPOLOGY.order_view_table, Item=item)


def wait_for_work(regions: TwoRegions, of: str) -> None:
    """Put an event without an effect into both views."""
    now = datetime.now(UTC)
    fields = {
        "pk": "ORDER#o", "sk": "WORK#e", "order_id": "o", "event_id": "e", "status": "created",
        **waits_for(of, "o", due_at=now), "seen_at": to_text(now), "recorded_at": to_text(now),
    }  # fmt: skip
    for region in TOPOLOGY.region_names:
        item = items.to_wire(fields)
        regions.client("dynamodb", region).put_item(TableName=TOPOLOGY.order_view_table, Item=item)


@pytest.mark.parametrize("command", ["drain", "evacuate"])
def test_without_yes_the_plan_and_the_undo_are_printed_and_nothing_is_done(regions: TwoRegions, command: str) -> None:
    done = regions.run(command, HERE, "--reason", "a rehearsal")
    assert done.exit_code == 0
    assert "nothing done" in done.output
    assert f"undo: relevo readmit {HERE}" in done.output
    assert draining(PEER) == "none"


@pytest.mark.parametrize("command", ["drain", "evacuate"])
def test_nothing_is_called_in_the_region_that_is_left(
    regions: TwoRegions, fronts: dict[str, Front], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    whole = Target.client

    def client(target: Target, service: str, region: str) -> Any:
        assert region != HERE, f"{service} was called in the Region that is being left"
        return whole(target, service, region)

    monkeypatch.setattr(Target, "client", client)
    done = regions.run(command, HERE, *REASON)
    assert done.exit_code == 0, done.output
    monkeypatch.undo()
    assert fronts[HERE].asked == []
    assert fronts[PEER].asked


def test_a_drained_region_is_seen_by_health_checks_of_its_peer(regions: TwoRegions, fronts: dict[str, Front]) -> None:
    assert regions.run("drain", HERE, *REASON).exit_code == 0
    assert draining(PEER) == HERE
    assert f"/control/drained/{HERE}" in fronts[PEER].asked
    again = regions.run("drain", HERE, *REASON)
    assert (again.exit_code, "already" in again.output) == (0, True)


@pytest.mark.parametrize("command", ["drain", "evacuate"])
def test_the_only_healthy_region_is_not_drained(regions: TwoRegions, fronts: dict[str, Front], command: str) -> None:
    fronts[PEER].serving = False
    done = regions.run(command, HERE, *REASON)
    assert done.exit_code == 1
    assert "only healthy Region" in done.output
    assert draining(PEER) == "none"


@pytest.mark.parametrize("command", ["drain", "evacuate"])
def test_both_regions_are_never_drained(regions: TwoRegions, command: str) -> None:
    for region in TOPOLOGY.region_names:
        Target("aws", {}).control(region).drain(PEER, by="someone", reason="lost", now=datetime.now(UTC))
    done = regions.run(command, HERE, *REASON)
    assert done.exit_code == 1
    assert "readmit it first" in done.output
    assert draining(PEER) == PEER


def test_an_evacuation_is_confirmed_with_how_far_replication_has_come(regions: TwoRegions) -> None:
    done = regions.run("evacuate", HERE, *REASON, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["region"] == HERE
    assert 0.3 <= found["seconds"] < 10
    assert datetime.fromisoformat(found["replicated_through"]) > datetime.now(UTC)


def test_an_evacuation_is_not_confirmed_while_writes_may_be_missing(regions: TwoRegions) -> None:
    log = Target("aws", {}).order_log(PEER)
    log.beat(region=HERE, numbers=[0], now=datetime.now(UTC) - timedelta(minutes=1), announced_through=None)
    done = regions.run("evacuate", HERE, *REASON)
    assert done.exit_code == 1
    assert "writes have not come over" in done.output
    assert draining(PEER) == HERE


def test_an_evacuation_is_not_confirmed_while_work_is_in_flight(regions: TwoRegions) -> None:
    wait_for_work(regions, HERE)
    done = regions.run("evacuate", HERE, *REASON)
    assert done.exit_code == 1
    assert "1 events wait for their effect" in done.output


@pytest.fixture
def drained(regions: TwoRegions) -> TwoRegions:
    Target("aws", {}).control(PEER).drain(HERE, by="sentinel", reason="lost", now=datetime.now(UTC))
    for region in TOPOLOGY.region_names:
        count_orders(regions, region, 7)
    return regions


def test_a_region_that_has_caught_up_is_readmitted_with_yes_only(drained: TwoRegions) -> None:
    plan = drained.run("readmit", HERE)
    assert (plan.exit_code, "nothing done" in plan.output, draining(PEER)) == (0, True, HERE)
    assert f"undo: relevo drain {HERE}" in plan.output
    done = drained.run("readmit", HERE, "--yes")
    assert done.exit_code == 0, done.output
    assert draining(PEER) == "none"


def test_a_region_that_is_not_drained_is_left_alone(drained: TwoRegions) -> None:
    done = drained.run("readmit", PEER, "--yes")
    assert (done.exit_code, "not drained" in done.output) == (0, True)
    assert draining(PEER) == HERE


def test_a_region_that_does_not_serve_stays_drained(drained: TwoRegions, fronts: dict[str, Front]) -> None:
    fronts[HERE].serving = False
    done = drained.run("readmit", HERE, "--yes")
    assert (done.exit_code, "stays drained" in done.output, draining(PEER)) == (1, True, HERE)


def test_a_region_without_its_peers_writes_stays_drained(drained: TwoRegions) -> None:
    log = Target("aws", {}).order_log(HERE)
    log.beat(region=PEER, numbers=[1], now=datetime.now(UTC) - timedelta(minutes=1), announced_through=None)
    done = drained.run("readmit", HERE, "--yes")
    assert (done.exit_code, "replication-stalled" in done.output, draining(PEER)) == (1, True, HERE)


def test_a_region_whose_view_is_behind_stays_drained(drained: TwoRegions) -> None:
    count_orders(drained, HERE, 6)
    done = drained.run("readmit", HERE, "--yes")
    assert (done.exit_code, "reconcile" in done.output, draining(PEER)) == (1, True, HERE)


def test_a_region_that_does_not_answer_stays_drained_in_one_line(drained: TwoRegions) -> None:
    drained.silence(HERE)
    done = drained.run("readmit", HERE, "--yes")
    assert (done.exit_code, "stays drained" in done.output, draining(PEER)) == (1, True, HERE)


@pytest.mark.parametrize("queue", [TOPOLOGY.webhook_dead_letter_queue, TOPOLOGY.import_dead_letter_queue])
def test_a_deaf_receiver_and_a_file_that_a_drained_region_cannot_import_keep_no_region_out(
    drained: TwoRegions, queue: str
) -> None:
    sqs = drained.client("sqs", HERE)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody="{}")
    done = drained.run("readmit", HERE, "--yes")
    assert (done.exit_code, "has no dead letters" in done.output, draining(PEER)) == (0, True, "none")


def test_dead_letters_keep_a_region_drained_until_they_are_accepted(drained: TwoRegions) -> None:
    sqs = drained.client("sqs", HERE)
    url = sqs.get_queue_url(QueueName=dead_letter_queue_name("failed"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="o", MessageDeduplicationId="1")
    done = drained.run("readmit", HERE, "--yes")
    assert (done.exit_code, "1 in failed" in done.output, draining(PEER)) == (1, True, HERE)
    assert drained.run("readmit", HERE, "--accept-dead-letters", "--yes").exit_code == 0
    assert draining(PEER) == "none"
