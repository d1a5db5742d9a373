"""Processes are ended by what they are, not by a number or a name, whatever state they and their supervisor are in."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadtests.lab.processes import (
    ProcessBook,
    Started,
    end_all,
    is_alive,
    members,
    signal_group,
    workers_of,
)
from tests.lab.running_lab import RunningLab, eventually, runs

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
CHILD = f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}]"
PARENT = f"import subprocess, sys, time; {CHILD}); time.sleep(600)"
FIRST_THREAD_ENDS = (
    "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(600,)).start();"
    "ctypes.CDLL(None).pthread_exit(None)"
)
PARENT_OF_A_STUBBORN_STRANGER = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], env={{}}); time.sleep(600)"
)
PARENT_OF_A_STRANGER_TOO = f"import subprocess, sys, time; {CHILD}); {CHILD}, env={{}}); time.sleep(600)"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ProcessBook]:
    opened = ProcessBook.new(tmp_path / "processes.json")
    yield opened
    end_all(opened.started, opened.lab)


def start(book: ProcessBook, program: str, name: str = "sleeper") -> Started:
    folder = book.path.parent
    return book.start(
        name, "test", None, [sys.executable, "-c", program],
        environment=dict(os.environ), folder=folder, log=folder / f"{name}.log",
    )  # fmt: skip


def is_stopped(pid: int) -> bool:
    return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def test_a_process_that_got_the_number_of_an_ended_one_is_left_alone(book: ProcessBook) -> None:
    innocent = start(book, SLEEP)
    recorded = dataclasses.replace(innocent, born="1")
    assert not is_alive(recorded)
    end_all([recorded], "the id of another lab", patience_seconds=0.2)
    signal_group(recorded, signal.SIGKILL, "the id of another lab")
    assert is_alive(innocent)


def test_what_a_dead_process_left_behind_is_ended_but_only_what_is_surely_the_labs(book: ProcessBook) -> None:
    """With the leader gone its number may be anybody's: what does not carry the lab's mark is left alone."""
    parent = start(book, PARENT_OF_A_STRANGER_TOO)
    children = eventually(lambda: len(found := workers_of(parent, book.lab)) == 2 and found, within=30, what="children")
    os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not is_alive(parent), within=5, what="the parent's end")
    (marked,) = members(parent, book.lab)
    (unmarked,) = set(children) - {marked}
    try:
        end_all([parent], book.lab)
        assert not runs(marked)
        assert runs(unmarked)
    finally:
        os.kill(unmarked, signal.SIGKILL)


def test_a_frozen_process_and_its_children_are_ended(book: ProcessBook) -> None:
    parent = start(book, PARENT)
    (child,) = eventually(lambda: workers_of(parent, book.lab), within=30, what="a child")
    signal_group(parent, signal.SIGSTOP, book.lab)
    eventually(lambda: is_stopped(parent.pid) and is_stopped(child), within=5, what="both stopped")
    end_all([parent], book.lab)
    assert not members(parent, book.lab)


def test_a_process_that_will_not_end_is_killed(book: ProcessBook) -> None:
    stubborn = start(book, STUBBORN)
    eventually((book.path.parent / "sleeper.log").read_text, within=30, what="the process up")
    said: list[str] = []
    end_all([stubborn], book.lab, patience_seconds=0.3, say=said.append)
    assert not is_alive(stubborn)
    assert said == ["sleeper did not end when asked to; killed"]


def test_what_outlives_its_parent_when_asked_to_end_is_killed_though_it_bears_no_mark(book: ProcessBook) -> None:
    """It was seen in the group of a parent that lived: its id and birth are certain."""
    parent = start(book, PARENT_OF_A_STUBBORN_STRANGER)
    eventually((book.path.parent / "sleeper.log").read_text, within=30, what="the child up")
    (child,) = workers_of(parent, book.lab)
    end_all([parent], book.lab, patience_seconds=0.3)
    assert not runs(child)


def test_a_process_runs_until_its_last_thread_has_ended(book: ProcessBook) -> None:
    """Its first thread looks like a zombie before; what it holds, a port for one, is still taken."""
    started = start(book, FIRST_THREAD_ENDS)
    eventually(lambda: psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE, within=30, what="a zombie")
    assert is_alive(started)
    assert members(started, book.lab) == [started.pid]
    end_all([started], book.lab)
    assert not is_alive(started)


def test_the_book_is_read_as_it_was_written(book: ProcessBook) -> None:
    started = start(book, SLEEP)
    again = ProcessBook.read(book.path)
    assert again is not None
    assert (again.lab, again.started, again.supervisor) == (book.lab, [started], book.supervisor)


@pytest.mark.parametrize("is_killed", [True, False])
def test_down_ends_everything_also_after_the_supervisor_was_killed_while_starting(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """Ended in the worst moment: Regions and Lambda workers are up, and perhaps nobody is left who started them."""
    running = RunningLab(tmp_path / ".lab", 1300)
    supervisor = subprocess.Popen(  # in this process's group, as a lab is in that of `make up`
        [sys.executable, "-m", "loadtests.lab.supervisor", "--quick", "--app", "cdk.out"],
        env=running.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        # Two gateways, two paths, and at least one worker that a gateway started.
        eventually(lambda: len(running.process_ids()) > 4, within=60, what="a lab that starts")
        if is_killed:
            os.kill(supervisor.pid, signal.SIGKILL)
            supervisor.wait()
        left = running.process_ids()
        assert len(left) >= 4
        done = running.relevo_apart("down")
        assert done.returncode == 0, done.stderr
        assert ("that an earlier lab had left" in done.stdout) is is_killed
        assert supervisor.poll() is not None
        assert not [pid for pid in left if runs(pid)]
        assert not running.layout.lab_file.exists()
        assert not running.layout.temporary_folder.exists()
    finally:
        if supervisor.stdout is not None:
            supervisor.stdout.close()
        if supervisor.poll() is None:
            supervisor.kill()
            supervisor.wait()
        running.relevo_apart("down")
