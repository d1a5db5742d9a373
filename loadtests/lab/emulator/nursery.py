"""Workers of Lambda functions are forked from a process that has loaded Python and the libraries of their package.

A start costs a second of CPU otherwise, most of it imports that are the same for all, and two Regions start forty.
The product's own modules are loaded by each worker itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

LIBRARIES: Final = (
    "boto3",
    "jwt",
    "aws_lambda_powertools",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes.sqs_event",
    "aws_lambda_powertools.utilities.parameters",
)
LARGEST_ORDER: Final = 1 << 18  # bytes, the environment included
EXIT_UNKNOWN: Final = 1  # a worker is not a child of whoever asks


class Nursery:
    """The process that forks the workers of one package; raises ``OSError`` once it is gone."""

    def __init__(self, package: Path) -> None:
        self._lock = threading.Lock()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LARGEST_ORDER)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno()), str(package)],
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip

    def fork(self, script: str, folder: str, environment: Mapping[str, str]) -> Forked:
        """Run a script of Python in a process of its own, with pipes, as ``subprocess.Popen`` would."""
        order = json.dumps([script, folder, dict(environment)]).encode()
        given, kept = zip(*(pipe if reads else pipe[::-1] for pipe, reads in self._pipes()), strict=True)
        try:
            with self._lock:
                socket.send_fds(self._line, [order], list(given))
                pid = self._line.recv(16)
        finally:
            for descriptor in given:
                os.close(descriptor)
        if not pid:
            raise ConnectionError("the process that forks workers has ended")
        return Forked(int(pid), *kept)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """End it; the workers that it forked go on."""
        self._line.close()
        self._process.wait()

    @staticmethod
    def _pipes() -> list[tuple[tuple[int, int], bool]]:
        """Four pipes and whether the worker reads it: its three streams, and one that ends when it does."""
        return [(os.pipe(), reads) for reads in (True, False, False, False)]


class Forked:
    """As much of ``subprocess.Popen`` as MiniStack uses of a worker."""

    def __init__(self, pid: int, stdin: int, stdout: int, stderr: int, life: int) -> None:
        self.pid = pid
        self.stdin = open(stdin, "w", buffering=1, encoding="utf-8")  # noqa: SIM115
        self.stdout = open(stdout, encoding="utf-8")  # noqa: SIM115
        self.stderr = open(stderr, encoding="utf-8")  # noqa: SIM115
        self._life = open(life, "rb")  # noqa: SIM115
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Nothing while it runs, else a number that says no more than that it ended."""
        return EXIT_UNKNOWN if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises ``subprocess.TimeoutExpired``."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return EXIT_UNKNOWN

    def _has_ended(self, within_seconds: float | None) -> bool:
        with self._lock:
            if self._life.closed:
                return True
            end = select.poll()
            end.register(self._life, select.POLLHUP)
            if end.poll(None if within_seconds is None else within_seconds * 1000):
                self._life.close()
            return self._life.closed

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:  # then the number is still its own
            os.kill(self.pid, number)


class Nurseries:
    """Stands for ``subprocess`` in MiniStack: workers in Python come from the nursery of their package."""

    PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT

    def __init__(self) -> None:
        self._by_package: dict[Path, Nursery] = {}
        self._lock = threading.Lock()

    def Popen(self, command: list[str], *, cwd: str, env: Mapping[str, str], **more: Any) -> Any:  # noqa: N802
        package = (Path(cwd) / LIBRARIES[0]).resolve().parent
        if command[:-1] != [sys.executable] or not (package / LIBRARIES[0]).is_dir():
            return subprocess.Popen(command, cwd=cwd, env=env, **more)
        with self._lock:
            nursery = self._by_package.get(package)
            if nursery is not None and nursery.has_ended:  # a crash of the Region took it along with the workers
                nursery.close()
                nursery = None
            nursery = self._by_package[package] = nursery or Nursery(package)
        return nursery.fork(command[-1], cwd, env)

    def close(self) -> None:
        """End what forks workers; the workers go on."""
        for nursery in self._by_package.values():
            nursery.close()


def load_libraries(package: Path) -> None:
    """Import what workers share, and make a client once: botocore imports half of itself only then."""
    sys.path.insert(0, str(package))
    for library in LIBRARIES:
        importlib.import_module(library)
    secrets = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
    importlib.import_module("boto3").session.Session(**secrets, region_name="us-east-1").client("dynamodb")
    sys.path.remove(str(package))
    gc.collect()
    gc.freeze()  # so that collecting does not copy the pages which the workers share


def serve(line: socket.socket) -> None:
    """Fork a worker for every order that comes, until whoever gives them is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects them
    while True:
        order, descriptors, _, _ = socket.recv_fds(line, LARGEST_ORDER, 4)
        if not order:
            return
        pid = os.fork()
        if pid == 0:
            line.close()
            script, folder, environment = json.loads(order)
            _work(script, folder, environment, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        line.send(str(pid).encode())


def _work(script: str, folder: str, environment: dict[str, str], descriptors: list[int]) -> NoReturn:
    """Be the worker. The fourth pipe stays open for as long as this process lives."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for stream, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.argv, sys.path[0] = [script], str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as the one that forks
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    load_libraries(Path(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        serve(orders)
