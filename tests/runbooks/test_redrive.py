"""`relevo redrive`: in order, never past a message that still fails, and nothing lost whenever it dies."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from runbooks import dead_letters
from runbooks.dead_letters import Redrive, letter_of, next_move
from runbooks.unordered_letters import send_back
from shared.adapters.event_topic import message_of
from shared.adapters.order_log import OrderLog
from shared.domain.effects import effect_of
from shared.domain.orders import Event, Item
from shared.topology import TOPOLOGY, dead_letter_queue_name, queue_name
from tests.runbooks.two_regions import HERE, PEER, TwoRegions

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(dead_letters, "RECEIVE_SECONDS", 0)


def event(order_id: str, number: int) -> Event:
    return Event(
        order_id=order_id, event_id=f"{order_id}-{number}", status="failed", origin_region=HERE, recorded_at=NOW,
        subject="ana", body_hash="h", attempt=number, items=(),
    )  # fmt: skip


class Queues:
    """The failed status's queue and dead-letter queue of one Region, and a processor that fails where it is told to."""

    def __init__(self, regions: TwoRegions) -> None:
        regions.make_queues()
        self.sqs = regions.client("sqs", HERE)
        self.log = OrderLog(regions.client("dynamodb", HERE), TOPOLOGY.order_log_table)
        self.queue = self.sqs.get_queue_url(QueueName=queue_name("failed"))["QueueUrl"]
        self.letters = self.sqs.get_queue_url(QueueName=dead_letter_queue_name("failed"))["QueueUrl"]
        self.poison: set[str] = set()
        self.got: list[str] = []
        self.statuses: list[str] = []

    def dead_letter(self, order_id: str, number: int, *, body: str | None = None) -> None:
        self._send(self.letters, order_id, body or message_of(event(order_id, number)), f"{order_id}-{number}#0")

    def _send(self, url: str, group: str, body: str, deduplication: str) -> None:
        self.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=deduplication,
            MessageAttributes={"status": {"DataType": "String", "StringValue": "failed"}},
        )  # fmt: skip

    @contextmanager
    def processing(self) -> Iterator[None]:
        """Process beside the test; what fails goes to the dead-letter queue, as after five receives."""
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                self.process()
                over.wait(0.02)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def process(self) -> None:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            event_id = json.loads(message["Body"])["event_id"]
            self.got.append(event_id)
            self.statuses.append(message["MessageAttributes"]["status"]["StringValue"])
            group = message["Attributes"]["MessageGroupId"]
            if event_id in self.poison:
                self._send(self.letters, group, message["Body"], message["Attributes"]["MessageDeduplicationId"])
            else:
                self.done(group, int(event_id.rpartition("-")[2]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def done(self, order_id: str, number: int) -> None:
        self.log.record_effect(effect_of(event(order_id, number), origin_region=HERE, recorded_at=NOW))

    def left(self) -> list[str]:
        """What is visible in the dead-letter queue, in order."""
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=self.letters, MaxNumberOfMessages=10).get("Messages"):
            found.extend(json.loads(message["Body"])["event_id"] for message in messages)
        return found


@pytest.fixture
def queues(regions: TwoRegions) -> Queues:
    return Queues(regions)


def test_messages_come_back_in_order_and_leave_the_dead_letter_queue(regions: TwoRegions, queues: Queues) -> None:
    for number in (1, 2, 3):
        for order in ("a", "b"):
            queues.dead_letter(order, number)
    with queues.processing():
        done = regions.run("redrive", HERE, "failed", "--yes")
    assert done.exit_code == 0, done.output
    assert "6 redriven" in done.output
    for order in ("a", "b"):
        assert [got for got in queues.got if got.startswith(order)] == [f"{order}-1", f"{order}-2", f"{order}-3"]
    assert set(queues.statuses) == {"failed"}
    assert queues.left() == []


def test_nothing_goes_past_a_message_that_still_fails_and_other_groups_go_on(
    regions: TwoRegions, queues: Queues
) -> None:
    for number in (1, 2, 3):
        queues.dead_letter("a", number)
        queues.dead_letter("b", number)
    queues.poison = {"a-2"}
    with queues.processing():
        done = regions.run("redrive", HERE, "failed", "--yes", "--wait", "1", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert [got for got in queues.got if got.startswith("a")] == ["a-1", "a-2"]
    assert [got for got in queues.got if got.startswith("b")] == ["b-1", "b-2", "b-3"]
    assert list(report["stopped"]) == ["a"]
    assert "no effect of event a-2" in report["stopped"]["a"]["reason"]
    assert report["redriven"] == 4


def test_a_message_that_failed_again_is_the_first_of_its_group_in_the_next_run(
    regions: TwoRegions, queues: Queues
) -> None:
    for number in (1, 2):
        queues.dead_letter("a", number)
    queues.poison = {"a-1"}
    with queues.processing():
        assert regions.run("redrive", HERE, "failed", "--yes", "--wait", "1").exit_code == 1
        queues.poison, queues.got = set(), []
        again = regions.run("redrive", HERE, "failed", "--yes")
    assert again.exit_code == 0, again.output
    assert queues.got == ["a-1", "a-2"]
    assert "1 were done already" in again.output, "the copy that came back is recognised by its effect"
    assert queues.left() == []


def test_a_message_whose_effect_is_there_is_removed_and_not_sent(regions: TwoRegions, queues: Queues) -> None:
    queues.dead_letter("a", 1)
    queues.done("a", 1)
    with queues.processing():
        report = regions.run_json("redrive", HERE, "failed", "--yes")
    assert (report["redriven"], report["already_done"], queues.got) == (0, 1, [])
    assert queues.left() == []


def test_a_message_that_cannot_be_read_stops_its_group_at_once(regions: TwoRegions, queues: Queues) -> None:
    queues.dead_letter("a", 1, body='{"event_id": "a-1"}')
    queues.dead_letter("a", 2)
    report = regions.run_json("redrive", HERE, "failed", "--yes")
    assert "cannot be processed" in report["stopped"]["a"]["reason"]
    assert report["left"] == 2
    assert queues.left() == ["a-1", "a-2"], "and all of it is visible again"


def test_without_yes_nothing_is_received_or_sent(regions: TwoRegions, queues: Queues) -> None:
    queues.dead_letter("a", 1)
    done = regions.run("redrive", HERE, "failed")
    assert done.exit_code == 0
    assert "about 1 messages" in done.output
    assert "undo: none needed" in done.output
    assert "nothing done" in done.output
    assert queues.left() == ["a-1"]


@pytest.mark.parametrize("operation", ["SendMessage", "DeleteMessage", "GetItem", "ChangeMessageVisibility"])
def test_whatever_call_it_dies_at_no_message_is_lost(regions: TwoRegions, queues: Queues, operation: str) -> None:
    for number in (1, 2):
        queues.dead_letter("a", number)

    class DeathError(BaseException):
        pass

    def die(model: Any, **_: Any) -> None:
        if model.name == operation:
            raise DeathError

    sqs, dynamodb = regions.client("sqs", HERE), regions.client("dynamodb", HERE)
    for client in (sqs, dynamodb):
        client.meta.events.register("before-call", die)
    redrive = Redrive(
        sqs=sqs, log=OrderLog(dynamodb, TOPOLOGY.order_log_table), queue=queues.queue, dead_letters=queues.letters,
        wait=1.0, sleep=lambda _: queues.process(),
    )  # fmt: skip
    redrive._release = lambda: None  # type: ignore[method-assign]  # the dead release nothing
    with pytest.raises(DeathError):
        redrive.run()
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queues.sqs.get_queue_attributes(QueueUrl=queues.letters, AttributeNames=names)["Attributes"]
    assert sum(int(found[name]) for name in names) == 2, "both are in the dead-letter queue still, hidden for a while"


def test_two_redrives_of_one_event_use_different_deduplication_ids(queues: Queues) -> None:
    queues.dead_letter("a", 1)
    message = queues.sqs.receive_message(
        QueueUrl=queues.letters, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"][0]
    redrive = Redrive(sqs=queues.sqs, log=queues.log, queue=queues.queue, dead_letters=queues.letters, wait=1.0)
    for _ in range(2):
        redrive._send(letter_of(message))
    for _ in range(2):
        queues.process()
    assert queues.got == ["a-1", "a-1"], "SQS would swallow a repeated id for five minutes"


def test_only_the_named_region_is_called(regions: TwoRegions, queues: Queues) -> None:
    regions.silence(PEER)
    queues.dead_letter("a", 1)
    with queues.processing():
        assert regions.run("redrive", HERE, "failed", "--yes").exit_code == 0


def test_a_silent_region_is_one_line(regions: TwoRegions, queues: Queues) -> None:
    regions.silence(HERE)
    done = regions.run("redrive", HERE, "failed", "--yes")
    assert done.exit_code == 1
    assert done.output.startswith("relevo: ")
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("eu-west-1", "failed"), (HERE, "eaten")])
def test_regions_and_statuses_are_validated(regions: TwoRegions, arguments: tuple[str, str]) -> None:
    assert regions.run("redrive", *arguments).exit_code == 2


def test_a_delivered_without_items_is_never_sent_in_vain() -> None:
    bare = Event(
        order_id="a", event_id="a-1", status="delivered", origin_region=HERE, recorded_at=NOW, subject="ana",
        body_hash="h",
    )  # fmt: skip
    message = {"Body": message_of(bare), "ReceiptHandle": "r", "Attributes": {"MessageGroupId": "a"}}
    letter = letter_of(message)
    assert next_move(letter, effect_is_there=False, sent_for=None, wait=1) == "stop"
    assert next_move(letter, effect_is_there=True, sent_for=None, wait=1) == "delete"
    whole = Event(**{**{name: getattr(bare, name) for name in bare.__slots__}, "items": (Item("café", 1),)})  # type: ignore[arg-type]
    letter = letter_of({**message, "Body": message_of(whole)})
    assert next_move(letter, effect_is_there=False, sent_for=None, wait=1) == "send"
    assert next_move(letter, effect_is_there=False, sent_for=0.5, wait=1) == "wait"
    assert next_move(letter, effect_is_there=False, sent_for=1.0, wait=1) == "stop"


def test_webhook_calls_that_were_given_up_go_back_and_not_more_than_were_there(
    regions: TwoRegions, queues: Queues
) -> None:
    sqs = queues.sqs
    dead, queue = (
        sqs.get_queue_url(QueueName=name)["QueueUrl"]
        for name in (TOPOLOGY.webhook_dead_letter_queue, TOPOLOGY.webhook_queue)
    )
    bodies = [f'{{"event_id": "e{number}"}}' for number in range(12)]
    for body in bodies:
        sqs.send_message(QueueUrl=dead, MessageBody=body)
    planned = regions.run("redrive", HERE, "webhooks")
    assert "about 12 calls of relevo-webhooks-dlq" in planned.output
    assert dead_letters.depth(sqs, queue) == 0
    done = regions.run("redrive", HERE, "webhooks", "--yes")
    assert (done.exit_code, "12 redriven" in done.output) == (0, True)
    assert dead_letters.depth(sqs, dead) == 0
    received: list[str] = []
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        received += [message["Body"] for message in found]
    assert sorted(received) == sorted(bodies)
    sqs.send_message(QueueUrl=dead, MessageBody=bodies[0])
    assert send_back(sqs, dead_letters=dead, send=received.append, at_most=0) == 0
    assert len(received) == len(bodies)
