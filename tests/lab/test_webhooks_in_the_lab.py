"""A client system's receiver on loopback: signed calls from either Region, again when it fails, and after a redrive."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loadtests.lab.deploy import client
from regions.handlers.contract import VERIFY
from shared.adapters.accounts import Accounts
from shared.domain.auth import Account, hash_password
from shared.topology import TOPOLOGY
from tests.lab.running_lab import RunningLab, eventually

pytestmark = pytest.mark.lab
HERE, THERE = TOPOLOGY.region_names
PASSWORD = "una-clave-larga"
EXAMPLE: dict[str, Any] = {}
exec(VERIFY, EXAMPLE)  # as a client would copy it from the contract


class Receiving(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status = 204
        self.calls: list[tuple[dict[str, str], bytes]] = []

    def about(self, event_id: str) -> list[tuple[dict[str, str], bytes]]:
        return [found for found in self.calls if found[0]["Relevo-Event-Id"] == event_id]


class Answering(BaseHTTPRequestHandler):
    server: Receiving

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@dataclass
class ClientSystem:
    """An account with a receiver, and what it asks a Region."""

    lab: RunningLab
    receiver: Receiving
    token: str = ""
    secret: str = field(default="", repr=False)

    def ask(self, method: str, path: str, body: object = None, *, region: str = HERE) -> Any:
        headers = {"Host": TOPOLOGY.region_api_name(region), "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        url = self.lab.layout.seats[region].endpoint + path
        request = urllib.request.Request(
            url, None if body is None else json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def system(lab: RunningLab) -> Iterator[ClientSystem]:
    with Receiving() as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        found = ClientSystem(lab, receiver)
        name = "tienda"
        for region in TOPOLOGY.region_names:  # replication brings one of them, whoever is first
            accounts = Accounts(client(lab.layout.seats[region], "dynamodb"), TOPOLOGY.accounts_table)
            if region == HERE:
                accounts.add(Account(name, "client", hash_password(PASSWORD)), now=datetime.now(UTC))
            eventually(lambda accounts=accounts: accounts.account(name), within=20, what=f"{name} in {region}")
        found.token = found.ask("POST", "/token", {"username": name, "password": PASSWORD})["access_token"]
        url = f"http://127.0.0.1:{receiver.server_port}/relevo"
        found.secret = found.ask("PUT", "/v1/webhook", {"url": url})["secret"]

        def is_known_there() -> bool:
            try:
                return bool(found.ask("GET", "/v1/webhook", region=THERE)["secrets_made_at"])
            except urllib.error.HTTPError as error:
                return error.code != 404

        eventually(is_known_there, within=20, what="the subscription in the other Region")
        time.sleep(
            1.5 * TOPOLOGY.look_seconds * lab.state()["time_scale"]
        )  # nothing tells when every relay looked again
        yield found
        found.ask("DELETE", "/v1/webhook")
        receiver.shutdown()


def test_a_receiver_hears_of_its_order_from_whichever_region_took_the_report(system: ClientSystem) -> None:
    items = [{"product": "panela", "price": 4500}]
    made = system.ask("POST", "/v1/orders", {"order_id": "HOOK-1", "items": items}, region=HERE)
    others = system.lab.order("HOOK-OTHERS", region=HERE)
    eventually(lambda: system.lab.effects("HOOK-1", THERE), within=30, what="the order in the other Region")
    report = system.lab.api("/v1/orders/HOOK-1/events", {"status": "delivered", "courier": "Ana"}, region=THERE)
    assert report.status == 201
    for event_id, status in ((made["event_id"], "created"), (report.body["event_id"], "delivered")):
        ((headers, body), *_) = eventually(
            lambda event_id=event_id: system.receiver.about(event_id), within=60, what=f"a call about {status}"
        )
        assert EXAMPLE["is_from_relevo"](system.secret, headers["Relevo-Signature"], body)
        told = json.loads(body)
        assert (told["order_id"], told["status"], told["event_id"]) == ("HOOK-1", status, event_id)
    assert system.receiver.about(others.body["event_id"]) == []


def test_a_receiver_that_fails_is_called_again_then_given_up_and_after_a_redrive_called_once_more(
    system: ClientSystem,
) -> None:
    sqs = client(system.lab.layout.seats[HERE], "sqs")
    queue, dead = (
        sqs.get_queue_url(QueueName=name)["QueueUrl"]
        for name in (TOPOLOGY.webhook_queue, TOPOLOGY.webhook_dead_letter_queue)
    )
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    short = json.dumps({**json.loads(policy), "maxReceiveCount": 2})  # all ten tries take two hours even here
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": short})
    system.receiver.status = 500
    try:
        event_id = system.ask("POST", "/v1/orders", {"order_id": "HOOK-2"}, region=HERE)["event_id"]

        def given_up() -> bool:
            depth = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
            return int(depth["Attributes"]["ApproximateNumberOfMessages"]) == 1

        eventually(given_up, within=120, what="a call that was given up")
        assert len(system.receiver.about(event_id)) == 2
    finally:
        system.receiver.status = 204
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    planned = system.lab.relevo("redrive", HERE, "webhooks")
    assert "about 1 calls of relevo-webhooks-dlq" in planned.output
    assert system.lab.relevo("redrive", HERE, "webhooks", "--yes").exit_code == 0
    eventually(lambda: len(system.receiver.about(event_id)) == 3, within=60, what="the call after the redrive")
