"""Starts two MiniStack processes of a test's own, with the global tables, and ends every process that it started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from shared.topology import TOPOLOGY

PROJECT = Path(__file__).parents[2]
TABLES = (TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table)


def free_port(*hosts: str) -> int:
    """A port that is free on all of these addresses."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((hosts[0], 0))
            port: int = first.getsockname()[1]
            try:
                for host in hosts[1:]:
                    stack.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
            return port


def eventually(look: Callable[[], Any], *, within: float = 40.0, what: str = "the condition") -> Any:
    """Look again and again until what is seen is true; fails when it never is."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what} did not come true within {within} s: {seen!r}"
        time.sleep(0.02)


def accepts(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def answer_of(url: str, body: dict[str, object] | None = None) -> Any:
    """GET, or POST a JSON body, and return the JSON answer."""
    content = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=content), timeout=5) as answer:
        return json.load(answer)


@contextmanager
def running(command: Sequence[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and end it whatever happens, also when it is frozen."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command], cwd=PROJECT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def lab_process(module: str, lab_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of the lab's own processes (``replication.link``, ``route53.dns``, ``edge``) against a lab file."""
    command = [sys.executable, "-m", f"loadtests.lab.{module}", "--lab", str(lab_file)]
    with running(command, lab_file.with_name(f"{module}.log")) as process:
        yield process


@dataclass
class RegionProcess:
    """One Region of the pair."""

    name: str
    address: str
    port: int
    process: subprocess.Popen[bytes]

    def __post_init__(self) -> None:
        self.dynamodb = self._client("dynamodb")
        self.streams = self._client("dynamodbstreams")

    def _client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=10, connect_timeout=5)
        return boto3.client(  # type: ignore[call-overload]
            service, region_name=self.name, endpoint_url=f"http://{self.address}:{self.port}",
            aws_access_key_id="test", aws_secret_access_key="test", config=config,
        )  # fmt: skip

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def two_ministacks(folder: Path) -> Iterator[dict[str, RegionProcess]]:
    """Two Regions with empty global tables, enforcing IAM as in the lab."""
    port = free_port(*(region.lab_address for region in TOPOLOGY.regions))
    with ExitStack() as stack:
        regions: dict[str, RegionProcess] = {}
        for region in TOPOLOGY.regions:
            process = stack.enter_context(
                running(
                    [sys.executable, "-m", "ministack"],
                    folder / f"{region.name}.log",
                    AUTH="true",
                    BIND_HOST=region.lab_address,
                    GATEWAY_PORT=str(port),
                    MINISTACK_REGION=region.name,
                    LOG_LEVEL="WARNING",
                    STATE_DIR=str(folder / region.name),
                    PYTHONWARNINGS="ignore",
                )
            )
            regions[region.name] = RegionProcess(region.name, region.lab_address, port, process)
        for started in regions.values():
            eventually(lambda s=started: accepts(s.address, s.port), what=f"{started.name} listening")
            for table in TABLES:
                started.dynamodb.create_table(
                    TableName=table,
                    BillingMode="PAY_PER_REQUEST",
                    KeySchema=[
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "sk", "KeyType": "RANGE"},
                    ],
                    AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                    StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                )
        yield regions


def write_lab_file(folder: Path, regions: dict[str, tuple[str, int]], **more: object) -> Path:
    """Write the part of ``lab.json`` that link, DNS and edge read."""
    ports = {name: free_port("127.0.0.1") for name in ("dns", "edge", "link_control", "dns_control")}
    lab_file = folder / "lab.json"
    lab_file.write_text(
        json.dumps(
            {
                "regions": {
                    name: {"address": address, "port": port, "endpoint": f"http://{address}:{port}"}
                    for name, (address, port) in regions.items()
                },
                **{name: f"127.0.0.1:{port}" for name, port in ports.items()},
                **more,
            }
        )
    )
    return lab_file
