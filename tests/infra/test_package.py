"""The Lambda package: exactly what runs there, complete without any installed library, the same each time."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from regions.package import LOCK, ROOT, SDK_DATA_FILES, SERVICES, source_files
from regions.routing import DRAINED, SERVING

TOP_LEVEL = {
    *("regions", "shared"),
    *("aws_lambda_powertools", "boto3", "botocore", "dateutil", "jmespath", "jwt", "s3transfer", "urllib3"),
    *("six.py", "typing_extensions.py"),
}
HANDLERS = sorted(path.stem for path in (ROOT / "regions" / "handlers").glob("*.py") if path.stem != "__init__")


def test_the_package_holds_exactly_these_things(package: Path) -> None:
    assert {path.name for path in package.iterdir()} == TOP_LEVEL


def test_of_regions_only_the_handlers_are_packed(package: Path) -> None:
    assert {path.name for path in (package / "regions").iterdir()} == {"__init__.py", "handlers"}
    packed = {
        path.relative_to(package)
        for top in ("regions", "shared")
        for path in (package / top).rglob("*")
        if path.is_file()
    }
    assert packed == {path.relative_to(ROOT) for path in source_files()}
    assert all(path.suffix in (".py", ".json") for path in packed)


def test_nothing_is_compiled_hidden_or_left_over(package: Path) -> None:
    for path in package.rglob("*"):
        assert path.suffix not in (".so", ".pyd", ".dylib", ".pyc", ".js", ".css"), path
        assert not path.name.startswith("."), path
        assert path.name not in ("__pycache__", "tests", "bin"), path
        assert not path.name.endswith(".dist-info"), path
        assert not path.is_symlink()


def test_botocore_describes_only_the_services_that_are_called(package: Path) -> None:
    described = {path.name for path in (package / "botocore" / "data").iterdir()}
    assert described == {*SERVICES, *SDK_DATA_FILES}
    called = set()
    for source in source_files():
        for node in ast.walk(ast.parse(source.read_text())) if source.suffix == ".py" else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client":
                called |= {argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    assert called == set(SERVICES)


def test_the_package_is_small(package: Path) -> None:
    assert sum(path.stat().st_size for path in package.rglob("*") if path.is_file()) < 12_000_000


def test_the_lock_pins_by_hash_and_names_no_machine() -> None:
    text = LOCK.read_text()
    assert "http" not in text
    assert "/" not in re.sub(r"regions/handlers/requirements\.in", "", text)
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", text, re.MULTILINE))
    assert len(pinned) == len(re.findall(r"^[a-z]", text, re.MULTILINE))
    assert all(f"{name}=={version} \\\n    --hash=sha256:" in text for name, version in pinned.items())
    here = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {name: here.get(name) for name in pinned} == pinned, "Lambda would run other versions than the tests"


class StandInForAws(BaseHTTPRequestHandler):
    """Answers the calls that functions make when they start: a keyring, and a register that drains us-east-1."""

    def do_POST(self) -> None:
        target = self.headers.get("X-Amz-Target", "")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: dict[str, object] = {}
        if target.endswith("GetSecretValue"):
            secret = json.dumps({"current": "K1", "keys": {"K1": "k" * 64}})
            answer = {"ARN": body["SecretId"], "Name": "relevo/keyring", "VersionId": "v" * 32, "SecretString": secret}
        elif body.get("TableName") == "relevo-control":
            answer = {"Item": {"pk": {"S": "DRAINING"}, "sk": {"S": "DRAINING"}, "draining": {"S": "us-east-1"}}}
        sent = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandInForAws)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run_in_package(package: Path, aws: str, program: str) -> str:
    """Run a program with the standard library and the package, as Lambda would."""
    environment = {
        "AWS_ENDPOINT_URL": aws,
        "AWS_REGION": "us-east-2",
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "ORDER_LOG_TABLE": "relevo-order-log",
        "ORDER_VIEW_TABLE": "relevo-order-view",
        "ACCOUNTS_TABLE": "relevo-accounts",
        "CONTROL_TABLE": "relevo-control",
        "KEYRING_SECRET_ARN": "arn:aws:secretsmanager:us-east-2:000000000000:secret:relevo/keyring",
        "EVENT_TOPIC_ARN": "arn:aws:sns:us-east-2:000000000000:relevo-events.fifo",
        "EFFECT_BUS_NAME": "relevo-effects",
        "STATUS": "created",
        "TIME_SCALE": "1",
        "PEER_REGION": "us-east-1",
        "PEER_ENDPOINT": "https://us-east-1.api.cargo.test",
        "PEER_AWS_ENDPOINT_URL": "",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "Relevo",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.environ["PATH"],
    }
    program = f"import sys; sys.path.insert(0, {str(package)!r})\n{program}"
    ended = subprocess.run(
        [sys.executable, "-S", "-P", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_handler_module_starts_from_the_package_alone(package: Path, aws: str) -> None:
    program = f"""
import importlib
for name in {HANDLERS!r}:
    importlib.import_module('regions.handlers.' + name)
foreign = [m.__file__ for n, m in sys.modules.items() if 'site-packages' in (getattr(m, '__file__', None) or '')]
assert not foreign, foreign
"""
    assert {"api", "authorizer", "health", "importer", "processor", "relay", "sentinel", "stream_arn"} <= set(HANDLERS)
    run_in_package(package, aws, program)


def test_route_53_finds_in_the_answers_what_it_searches(package: Path, aws: str) -> None:
    program = """
import types
from regions.handlers.health import handler
context = types.SimpleNamespace(function_name='f', memory_limit_in_mb='1', invoked_function_arn='a', aws_request_id='r')
import json
paths = ['/health', '/control/drained/us-east-1', '/control/drained/us-east-2']
print('ANSWERS ' + json.dumps([handler({'path': path, 'httpMethod': 'GET'}, context)['body'] for path in paths]))
"""
    printed = run_in_package(package, aws, program)
    (line,) = [line for line in printed.splitlines() if line.startswith("ANSWERS ")]
    health, drained, not_drained = json.loads(line.removeprefix("ANSWERS "))
    assert SERVING in health
    assert DRAINED in drained
    assert DRAINED not in not_drained
