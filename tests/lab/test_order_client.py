"""The client that others copy: what it does when a Region is slow, refuses, or is lost under it."""

from __future__ import annotations

import json
import random
import time

import pytest

from loadtests.order_client import ClientError, OrderClient, RefusedError, UnansweredError
from loadtests.resolver import Resolver
from shared.topology import TOPOLOGY
from tests.lab.running_lab import RunningLab
from tests.lab.stub_platform import StubPlatform

pytestmark = pytest.mark.lab

ORDER = {"order_id": "C-1", "items": [{"product": "panela", "price": "4500"}]}
HOST = "localhost"


class Names:
    """A resolver that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, name: str) -> str:
        self.asked.append(name)
        return "127.0.0.1"


def client_of(platform: StubPlatform, names: Names | None = None, **options: float) -> OrderClient:
    url = f"http://{HOST}:{platform.server_port}"
    return OrderClient(url, "ana", "secret", resolve=names or Names(), rng=random.Random(7), **options)


def test_a_command_that_was_taken_but_not_answered_is_repeated_unchanged() -> None:
    with StubPlatform() as platform:
        platform.refuse_every = 2  # stored, and answered 503
        with client_of(platform) as client:
            client.register({**ORDER, "order_id": "first"})
            assert client.register(ORDER).status == 201
        tries = [tries for tries in platform.sent.values() if len(tries) == 2]
        assert len(tries) == 1, "the second command was sent twice, as one event"
        (first, again) = tries[0]
        assert first == again
        assert first[0], "with an idempotency key that was made before the first try"


def test_the_name_is_asked_again_once_the_ttl_is_over_and_after_a_failure_and_not_before() -> None:
    with StubPlatform() as platform:
        names = Names()
        with client_of(platform, names) as client:
            for number in range(3):
                client.register({**ORDER, "order_id": f"C-{number}"})
        assert names.asked == [HOST]
        platform.refuse_every = 1
        with pytest.raises(UnansweredError):
            client_of(platform, again := Names(), patience_seconds=1.0).register(ORDER)
        assert len(again.asked) > 1, "each failure opens a connection of its own"
        platform.refuse_every = 0
        with client_of(platform, short := Names(), ttl_seconds=0.0) as client:
            client.register(ORDER)
        assert len(short.asked) == 2, "the login and the order each resolved the name"


def test_an_expired_token_is_renewed_once_and_the_command_goes_through() -> None:
    with StubPlatform() as platform, client_of(platform) as client:
        client._token, client._token_until = "expired", time.monotonic() + 60
        assert client.register(ORDER).status == 201


def test_patience_ends_with_an_error_that_says_what_was_last_heard() -> None:
    with StubPlatform() as platform:
        platform.refuse_every = 1
        started = time.monotonic()
        with pytest.raises(UnansweredError, match=r"POST /v1/orders: no answer in \d+ tries, last: 503"):
            client_of(platform, patience_seconds=2.0).register(ORDER)
        assert time.monotonic() - started < 3.0


@pytest.mark.parametrize("url", ["", "api.example.com", "ftp://api.example.com", "https://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ClientError, match=r"expected an http\(s\) URL"):
        OrderClient(url, "ana", "secret")


def lab_client(lab: RunningLab) -> OrderClient:
    state = lab.state()
    host, _, port = state["dns"].rpartition(":")
    gateway = state["regions"]["us-east-1"]["port"]
    account = state["account"]
    return OrderClient(
        f"http://{TOPOLOGY.api_name}:{gateway}", account["username"], account["password"],
        resolve=Resolver((host, int(port))).resolve, ttl_seconds=state["ttl_seconds"],
    )  # fmt: skip


def test_a_region_lost_under_the_client_costs_it_time_and_nothing_else(calm_lab: RunningLab) -> None:
    lab, client = calm_lab, lab_client(calm_lab)
    before = client.register({**ORDER, "order_id": "C-before"})
    assert before.region is not None
    lab.relevo("fault", "region-loss", before.region, "--mode", "freeze")
    during = client.register({**ORDER, "order_id": "C-during"}, key="C-during")
    assert during.region == TOPOLOGY.peer_of(before.region)
    assert client.order("C-during").body["order_id"] == "C-during"
    assert client.register({**ORDER, "order_id": "C-during"}, key="C-during").is_repeat
    lab.heal()
    assert client.order("C-before").body["status"] == "created"
    client.close()


def test_what_the_api_refuses_is_told_with_its_reason(lab: RunningLab) -> None:
    with lab_client(lab) as client:
        with pytest.raises(RefusedError, match="422") as refused:
            client.register({**ORDER, "items": []})
        assert refused.value.problem["errors"]
        with pytest.raises(RefusedError, match="404"):
            client.order("nobody-knows-it")


def test_the_command_line_registers_reports_and_shows(lab: RunningLab) -> None:
    registered = lab.relevo("client", "register", "--order-id", "C-cli", "--item", "Café: grano:32000:2", "--key", "k")
    assert registered.exit_code == 0, registered.stderr
    assert "C-cli: created" in registered.stdout
    again = lab.relevo("client", "register", "--order-id", "C-cli", "--item", "Café: grano:32000:2", "--key", "k")
    assert "which knew it already" in again.stdout
    assert lab.relevo("client", "report", "C-cli", "delivered").exit_code == 0
    shown = json.loads(lab.relevo("client", "show", "C-cli", "--json").stdout)
    assert (shown["status"], shown["items"][0]["product"], shown["items"][0]["quantity"]) == (
        "delivered", "Café: grano", 2,
    )  # fmt: skip
    refused = lab.relevo("client", "report", "C-cli", "delivered", "--attempt", "1000000")
    assert refused.exit_code == 1
    assert "relevo: 422" in refused.stderr
    assert lab.relevo("client", "register", "--item", "no price").exit_code == 2
