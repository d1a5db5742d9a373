"""The cold start of the API function against that of the old system's stack, in one run, each in fresh interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / ".build" / "lambda"
RUNS = 5
SHARE = 0.70

MEASURE = "import sys, time; start = time.perf_counter(); {setup}; import {module}; print(time.perf_counter() - start)"


class SecretsManager(BaseHTTPRequestHandler):
    """Answers GetSecretValue with a keyring, since the API function does not start without one."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        secret = json.dumps({"current": "K1", "keys": {"K1": "k" * 32}})
        body = json.dumps({"Name": "relevo/keyring", "SecretString": secret}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def secrets_endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SecretsManager)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def cold_import_seconds(*, setup: str, module: str, flags: list[str], environment: dict[str, str]) -> float:
    command = [sys.executable, *flags, "-c", MEASURE.format(setup=setup, module=module)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


@pytest.mark.enable_socket
def test_cold_import_of_the_api_stays_under_seventy_percent_of_the_old_stack(
    secrets_endpoint: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPYCACHEPREFIX": str(tmp_path),  # compiled once, but not into the package
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": secrets_endpoint,
        "PEER_REGION": "us-east-2",
        "ORDER_LOG_TABLE": "log", "ORDER_VIEW_TABLE": "view", "ACCOUNTS_TABLE": "accounts", "CONTROL_TABLE": "control",
        "KEYRING_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:relevo/keyring",
        "POWERTOOLS_SERVICE_NAME": "api", "POWERTOOLS_METRICS_NAMESPACE": "Relevo",
    }  # fmt: skip
    ours, theirs = [], []
    for _ in range(RUNS + 1):  # side by side, so that a noisy machine is noisy for both; the first compiles
        # -S: nothing but what the package holds, so a missing module would show.
        ours.append(
            cold_import_seconds(
                setup=f"sys.path.insert(0, {str(PACKAGE)!r})",
                module="regions.handlers.api",
                flags=["-S", "-P"],
                environment=environment,
            )
        )
        theirs.append(
            cold_import_seconds(setup="pass", module="tests.component.reference_app", flags=[], environment=environment)
        )
    share = min(ours[1:]) / min(theirs[1:])
    print(f"cold import: {min(ours[1:]):.3f} s against {min(theirs[1:]):.3f} s = {share:.0%}")
    assert share < SHARE
