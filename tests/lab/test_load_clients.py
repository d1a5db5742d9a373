"""Locust's clients against a stub: by themselves, open loop, retrying the same command, and true to their ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from loadtests.ledger import Ledger, read_ledger
from loadtests.shapes import crowd_for
from shared.topology import TOPOLOGY
from tests.lab.stub_platform import StubPlatform

ROOT = Path(__file__).resolve().parents[2]


def run_locust(platform: StubPlatform, folder: Path, *options: str, shape: str = "none") -> Ledger:
    """Run Locust in its own process, as `locust -f loadtests/locustfile.py` does, and read its ledger."""
    accounts = folder / "accounts.json"
    rows = [{"username": role, "password": "a password", "role": role} for role in ("courier", "client", "operator")]
    accounts.write_text(json.dumps(rows))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RELEVO_SHAPE": shape}
    command = [
        sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--only-summary",
        "--host", platform.url, "--stop-timeout", "20", "--relevo-users", str(accounts),
        "--relevo-ledger", str(folder / "ledger.jsonl"), "--relevo-run", "T1", *options,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return read_ledger(folder / "ledger.jsonl")


def test_every_user_class_works_and_acknowledged_commands_are_what_the_platform_got(tmp_path: Path) -> None:
    with StubPlatform() as platform:
        platform.refuse_every = 4
        ledger = run_locust(platform, tmp_path, "-u", "24", "-r", "24", "-t", "6s")
        kinds = {user.kind for user in ledger.users.values()}
        assert kinds == {"Courier", "ClientSystem", "Operator", "PinnedClient"}
        routes = {arrival.route for arrival in ledger.arrivals}
        assert {"POST /v1/orders", "POST /registrar_pedido_entregado", "GET /v1/metrics"} <= routes
        assert {user.location for user in ledger.users.values()} == {"us-east-1", "us-east-2"}
        assert set(ledger.acks) == set(ledger.commands)
        assert all(arrival.ok for arrival in ledger.arrivals)
        # Refused ones were sent again unchanged: one event id, one key and one body, however many tries.
        assert any(len(tries) > 1 for tries in platform.sent.values())
        assert all(len(set(tries)) == 1 for tries in platform.sent.values())
        assert len(platform.sent) == len(ledger.commands)
        assert platform.hosts == {"127.0.0.1"}


def test_a_slow_platform_hides_no_load(tmp_path: Path) -> None:
    with StubPlatform() as platform:

        def freeze() -> None:
            platform.frozen_until = time.time() + 4.0

        threading.Timer(4.0, freeze).start()
        ledger = run_locust(
            platform, tmp_path, "-u", "24", "-r", "24", "-t", "9s", "--relevo-arrivals", "even", "--tags", "operator"
        )
        frozen_from = platform.frozen_until - 4.0
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
