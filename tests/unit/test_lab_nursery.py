"""Workers that are forked: what MiniStack expects of a process it started, they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.lab.emulator.nursery import LIBRARIES, Nurseries
from regions.package import PACKAGE

SCRIPT = """
import os, sys, time
print(os.getcwd(), os.environ.get("GIVEN"), os.environ.get("HOME"), sys.path[0], len(sys.argv), flush=True)
import boto3, jwt
print(boto3.__file__, flush=True)
print("a word on the side", file=sys.stderr, flush=True)
for line in sys.stdin:
    if line == "fail\\n":
        raise ValueError("as told")
    print("heard " + line, end="", flush=True)
"""


@pytest.fixture(scope="module")
def processes() -> Iterator[Nurseries]:
    started = Nurseries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # the package must stay as it was built
        yield started
    started.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A worker's folder as the lab makes it: links into the package."""
    (tmp_path / "worker.py").write_text(SCRIPT)
    for entry in PACKAGE.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


@pytest.fixture
def worker(processes: Nurseries, folder: Path) -> Iterator[Any]:
    started = start(processes, folder)
    yield started
    started.kill()
    close(started)


def close(worker: Any) -> None:
    worker.wait(timeout=10)
    for stream in (worker.stdin, worker.stdout, worker.stderr):
        stream.close()


def start(processes: Nurseries, folder: Path) -> Any:
    pipe = subprocess.PIPE
    environment = {"GIVEN": "a value", "PATH": os.environ["PATH"]}
    command = [sys.executable, str(folder / "worker.py")]
    return processes.Popen(
        command, cwd=str(folder), env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1
    )


def test_it_has_its_own_folder_environment_and_streams(worker: Any, folder: Path) -> None:
    assert worker.stdout.readline().split() == [str(folder), "a", "value", "None", str(folder), "1"]
    assert Path(worker.stdout.readline().strip()).is_relative_to(PACKAGE)
    assert worker.stderr.readline() == "a word on the side\n"
    worker.stdin.write("hello\n")
    assert worker.stdout.readline() == "heard hello\n"


def test_the_libraries_are_there_before_it_begins(processes: Nurseries, folder: Path) -> None:
    (folder / "worker.py").write_text(
        "import sys\nprint(*[name in sys.modules for name in sys.stdin.readline().split()])"
    )
    started = start(processes, folder)
    product = ["shared", "regions", "shared.topology"]
    started.stdin.write(" ".join([*LIBRARIES, "botocore.client", *product]) + "\n")
    answers = started.stdout.readline().split()
    assert answers == ["True"] * (len(LIBRARIES) + 1) + ["False"] * len(product)
    close(started)


def test_its_end_is_seen_whatever_ended_it(processes: Nurseries, folder: Path) -> None:
    finished, failed, killed = (start(processes, folder) for _ in range(3))
    assert finished.poll() is None
    finished.stdin.close()
    failed.stdin.write("fail\n")
    os.kill(killed.pid, signal.SIGKILL)
    for one in (finished, failed, killed):
        assert one.wait(timeout=10) is not None
        assert one.poll() is not None
        one.terminate()  # nothing is left to be told
    assert "ValueError: as told" in failed.stderr.read()
    for one in (finished, failed, killed):
        close(one)


def test_after_a_crash_that_took_all_the_next_one_starts(processes: Nurseries, folder: Path) -> None:
    victim = start(processes, folder)
    parent = int(Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[1])
    for pid in (parent, victim.pid):
        os.kill(pid, signal.SIGKILL)
    close(victim)
    while Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[0] != "Z":  # until the kernel has done it
        time.sleep(0.01)
    following = start(processes, folder)
    assert following.stdout.readline()
    following.kill()
    close(following)


def test_waiting_for_one_that_goes_on_ends_in_time(worker: Any) -> None:
    worker.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=0.05)
    worker.terminate()
    assert worker.wait(timeout=10) is not None


def test_a_folder_without_the_libraries_gets_a_process_as_ever(processes: Nurseries, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("print('alone')")
    started = start(processes, tmp_path)
    assert isinstance(started, subprocess.Popen)
    assert started.communicate(timeout=30)[0] == "alone\n"
