"""The cold import of the API function against that of the old system's stack, each in fresh interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from loadtests.lab.layout import ROOT

PACKAGE: Final = ROOT / ".build" / "lambda"
RUNS: Final = 5
# The process's own time: on a busy machine the clock tells more of the others than of the import.
MEASURE: Final = (
    "import sys, time; start = time.process_time(); {setup}; import {module}; print(time.process_time() - start)"
)


class ImportFailedError(Exception):
    """A module could not be imported; the text is what Python said."""


@dataclass(frozen=True)
class ColdImport:
    """The best of some runs, in seconds of processor time: this API's, and that of the same routes on FastAPI."""

    ours: float
    theirs: float

    @property
    def share(self) -> float:
        return self.ours / self.theirs


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


@contextmanager
def secrets_endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SecretsManager)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def import_seconds(*, setup: str, module: str, flags: list[str], environment: dict[str, str]) -> float:
    """Processor time that a fresh interpreter takes to import a module; raises ``ImportFailedError``."""
    command = [sys.executable, *flags, "-c", MEASURE.format(setup=setup, module=module)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise ImportFailedError(f"{module}: {done.stderr}")
    return float(done.stdout.splitlines()[-1])


def measure_cold_import(runs: int = RUNS) -> ColdImport:
    """Import both again and again, side by side, so that a noisy machine is noisy for both."""
    ours, theirs = [], []
    with secrets_endpoint() as endpoint, tempfile.TemporaryDirectory(prefix="relevo-bytecode-") as bytecode:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPYCACHEPREFIX": bytecode,  # compiled once, but not into the package
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": endpoint,
            "PEER_REGION": "us-east-2",
            "ORDER_LOG_TABLE": "log", "ORDER_VIEW_TABLE": "view", "ACCOUNTS_TABLE": "accounts",
            "CONTROL_TABLE": "control",
            "KEYRING_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:relevo/keyring",
            "POWERTOOLS_SERVICE_NAME": "api", "POWERTOOLS_METRICS_NAMESPACE": "Relevo",
        }  # fmt: skip
        for _ in range(runs + 1):  # the first compiles
            # -S: nothing but what the package holds, so a missing module would show.
            package = f"sys.path.insert(0, {str(PACKAGE)!r})"
            ours.append(
                import_seconds(
                    setup=package, module="regions.handlers.api", flags=["-S", "-P"], environment=environment
                )
            )
            theirs.append(
                import_seconds(
                    setup="pass", module="loadtests.bench.reference_app", flags=[], environment=environment
                )
            )  # fmt: skip
    return ColdImport(min(ours[1:]), min(theirs[1:]))
