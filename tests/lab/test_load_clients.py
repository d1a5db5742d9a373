"""Locust's clients against a stub: by themselves, open loop, retrying the same command, and true to their ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from loadtests.connections import Connections
from loadtests.ledger import Ledger, LedgerTail
from loadtests.retries import RETRYABLE_STATUSES
from loadtests.shapes import crowd_for
from shared.topology import TOPOLOGY
from tests.lab.stub_platform import StubPlatform
from tests.lab.two_ministacks import eventually

ROOT = Path(__file__).resolve().parents[2]


def run_locust(
    platform: StubPlatform, folder: Path, *options: str, shape: str = "none",
    until: Callable[[Ledger], bool] | None = None,
) -> Ledger:  # fmt: skip
    """Run Locust in its own process, as `locust -f loadtests/locustfile.py` does, and read its ledger.

    It ends by itself as its options say, or when what it has written down is enough.
    """
    accounts = folder / "accounts.json"
    rows = [{"username": role, "password": "a password", "role": role} for role in ("courier", "client", "operator")]
    accounts.write_text(json.dumps(rows))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RELEVO_SHAPE": shape}
    command = [
        sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--only-summary",
        "--host", platform.url, "--stop-timeout", "20", "--relevo-users", str(accounts),
        "--relevo-ledger", str(folder / "ledger.jsonl"), "--relevo-run", "T1", *options,
    ]  # fmt: skip
    ledger, tail, said = Ledger(), LedgerTail(folder / "ledger.jsonl"), folder / "locust.log"

    def enough() -> bool:
        for entry in tail.new_entries():
            ledger.add(entry)
        return locust.poll() is not None or (until is not None and until(ledger))

    with said.open("wb") as log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as locust:
        try:
            eventually(enough, within=60, what="a run that ends")
            locust.terminate()
            locust.wait(30)
        finally:
            locust.kill()
    assert "Traceback" not in said.read_text()
    for entry in tail.new_entries():
        ledger.add(entry)
    return ledger


def test_every_user_class_works_and_acknowledged_commands_are_what_the_platform_got(tmp_path: Path) -> None:
    with StubPlatform() as platform:
        platform.refuse_every = 4

        def says_it_all(ledger: Ledger) -> bool:
            with platform.lock:
                resent = any(len(tries) > 1 for tries in platform.sent.values())
            return resent and {arrival.route for arrival in ledger.arrivals} >= routes

        routes = {"POST /v1/orders", "POST /registrar_pedido_entregado", "GET /v1/metrics"}
        ledger = run_locust(platform, tmp_path, "-u", "24", "-r", "24", until=says_it_all)
        kinds = {user.kind for user in ledger.users.values()}
        assert kinds == {"Courier", "ClientSystem", "Operator", "PinnedClient"}
        assert {arrival.route for arrival in ledger.arrivals} >= routes
        assert {user.location for user in ledger.users.values()} == {"us-east-1", "us-east-2"}
        assert set(ledger.acks) == set(ledger.commands)
        assert all(arrival.ok for arrival in ledger.arrivals)
        # Refused ones were sent again unchanged: one event id, one key and one body, however many tries.
        assert any(len(tries) > 1 for tries in platform.sent.values())
        assert all(len(set(tries)) == 1 for tries in platform.sent.values())
        assert len(platform.sent) == len(ledger.commands)
        assert platform.hosts == {"127.0.0.1"}


def test_clients_log_in_again_before_their_token_expires(tmp_path: Path) -> None:
    with StubPlatform() as platform:
        platform.token_seconds = 6
        ledger = run_locust(platform, tmp_path, "-u", "12", "-r", "12", "-t", "13s", "--tags", "client")
        assert 2 <= platform.logins <= 4  # a crowd with one account shares its token
        scheduled = [arrival.scheduled for arrival in ledger.arrivals]
        assert max(scheduled) - min(scheduled) > platform.token_seconds
        assert all(arrival.first_try_ok for arrival in ledger.arrivals)


def test_a_slow_platform_hides_no_load(tmp_path: Path) -> None:
    with StubPlatform() as platform:
        platform.freeze_at_read, platform.freeze_seconds = 12, 4.0
        ledger = run_locust(
            platform, tmp_path, "-u", "24", "-r", "24", "-t", "14s", "--relevo-arrivals", "even", "--tags", "operator"
        )
        frozen_from = platform.frozen_until - platform.freeze_seconds
        during = [a for a in ledger.arrivals if frozen_from <= a.scheduled < platform.frozen_until]
        # 24 users with one arrival somewhere in each two seconds: about 48 are due in four seconds, frozen or not.
        # Users that wait for their answers would have one each.
        assert 36 <= len(during) <= 60
        for arrival in during:
            assert arrival.finished >= platform.frozen_until - 0.05
            assert arrival.latency_seconds >= platform.frozen_until - arrival.scheduled - 0.05


def test_growth_runs_by_itself_and_tags_choose_who_takes_part(tmp_path: Path) -> None:
    with StubPlatform() as platform:
        ledger = run_locust(
            platform, tmp_path, "--relevo-step-seconds", "2", "--tags", "client", "--relevo-locations", "us-east-2",
            shape="growth",
        )  # fmt: skip
        assert {user.kind for user in ledger.users.values()} == {"ClientSystem"}
        assert {user.location for user in ledger.users.values()} == {"us-east-2"}
        assert len(ledger.users) == round(crowd_for(10, TOPOLOGY.baseline).users * 2 / 12)  # 2 of 12 are client systems


class Recorder:
    """A policy with one address that writes down how its tries went."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def address(self) -> str:
        return "127.0.0.1"

    def answered(self) -> None:
        self.heard.append("answered")

    def failed(self) -> None:
        self.heard.append("failed")

    def told_to_leave(self) -> None:
        self.heard.append("told to leave")


def test_an_answer_that_says_try_again_counts_as_a_failure_of_the_address() -> None:
    """Otherwise a pinned client would stay for ever with a Region that throttles everything."""
    recorder = Recorder()
    with StubPlatform() as platform:
        connections = Connections(platform.url, recorder, 1)
        platform.refuse_every = 1
        refused = connections.send("POST", "/v1/orders", {"order_id": "o"}, token="good", key="k")
        platform.refuse_every = 0
        taken = connections.send("POST", "/v1/orders", {"order_id": "o"}, token="good", key="k")
        connections.close()
    assert (refused.http in RETRYABLE_STATUSES, taken.http) == (True, 201)
    assert [heard for heard in recorder.heard if heard != "told to leave"] == ["failed", "answered"]
