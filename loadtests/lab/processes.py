"""Starts, records and ends the lab's processes, by process id together with the process's start time and never by name.

Each process leads its own group, so what it starts (MiniStack's Lambda workers) is stopped and ended with it, also when
it is frozen or already dead. Nothing is signalled whose identity is not certain.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypedDict

import psutil  # type: ignore[import-untyped]  # ships no types

MARK: Final = "RELEVO_LAB"  # environment variable that everything a lab starts inherits; its value is the lab's id
KILLED_SECONDS: Final = 2.0
TERMINATE_SECONDS: Final = 2.0  # nothing durable is lost: a lab's state ends with it


@dataclass(frozen=True)
class Started:
    """A process of the lab; ``born`` tells it from a later process with the same id."""

    name: str
    role: str
    region: str | None
    pid: int
    born: str


class _Book(TypedDict):
    lab: str
    supervisor: dict[str, object] | None
    processes: list[dict[str, object]]


class ProcessBook:
    """What this lab has started, in one file, so that also another process can end it after a crash."""

    def __init__(
        self, path: Path, lab: str, started: Iterable[Started] = (), supervisor: Started | None = None
    ) -> None:
        self.path = path
        self.lab = lab
        self.started = list(started)
        self.supervisor = supervisor

    @classmethod
    def new(cls, path: Path) -> ProcessBook:
        """Begin a book, with the calling process as the supervisor."""
        own = Started("supervisor", "supervisor", None, os.getpid(), born_of(os.getpid()) or "")
        book = cls(path, secrets.token_hex(8), supervisor=own)
        book.write()
        return book

    @classmethod
    def read(cls, path: Path) -> ProcessBook | None:
        """The book at ``path``, or None without one."""
        try:
            content: _Book = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        supervisor = content["supervisor"]
        return cls(
            path,
            content["lab"],
            [_started(entry) for entry in content["processes"]],
            None if supervisor is None else _started(supervisor),
        )

    def write(self) -> None:
        content: _Book = {
            "lab": self.lab,
            "supervisor": None if self.supervisor is None else asdict(self.supervisor),
            "processes": [asdict(started) for started in self.started],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text(json.dumps(content, indent=2))
        fresh.replace(self.path)

    def start(
        self, name: str, role: str, region: str | None, command: list[str], *,
        environment: Mapping[str, str], folder: Path, log: Path,
    ) -> Started:  # fmt: skip
        """Start a process in a group of its own, write it down at once, and return it."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=folder, env={**environment, MARK: self.lab}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        _own_children[process.pid] = process
        started = Started(name, role, region, process.pid, born_of(process.pid) or "")
        self.started.append(started)
        self.write()
        return started

    def of_region(self, region: str) -> list[Started]:
        return [started for started in self.started if started.region == region]


# Kept so that ended children are collected; a child that nobody waits for stays in the process table.
_own_children: dict[int, subprocess.Popen[bytes]] = {}


def _started(entry: Mapping[str, object]) -> Started:
    region = entry["region"]
    return Started(
        str(entry["name"]), str(entry["role"]), None if region is None else str(region),
        int(str(entry["pid"])), str(entry["born"]),
    )  # fmt: skip


def born_of(pid: int) -> str | None:
    """When the process with this id was started, in the kernel's own count; None if there is none.

    On Linux in clock ticks since boot, which no change of the system's clock moves.
    """
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        except (OSError, IndexError):
            return None
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_alive(started: Started) -> bool:
    """Whether this very process still runs; one that ended and was not collected yet does not."""
    child = _own_children.get(started.pid)
    if child is not None and child.poll() is not None:
        return False
    return _runs(started.pid, started.born)


def _runs(pid: int, born: str) -> bool:
    """Whether this id is still that of the process born then, and it has not ended."""
    return bool(born) and born_of(pid) == born and _has_not_ended(pid)


def _has_not_ended(pid: int) -> bool:
    """A process's first thread may end, and look like a zombie, while others still hold its ports and files."""
    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.Error:
        return False


def exit_code(started: Started) -> int | None:
    """How a child of this process ended, if it did."""
    child = _own_children.get(started.pid)
    return None if child is None else child.poll()


def members(started: Started, lab: str) -> list[int]:
    """Ids of the running processes of its group: itself and what it started; itself alone if the group is another's.

    Once the leader is gone a number proves nothing, and only processes that carry the lab's mark count.
    """
    leader_lives = is_alive(started)
    found = []
    for pid in psutil.pids():
        try:
            if pid != started.pid and os.getpgid(pid) != started.pid:
                continue
            if _has_not_ended(pid) and (leader_lives or psutil.Process(pid).environ().get(MARK) == lab):
                found.append(pid)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return found


def signal_group(started: Started, number: signal.Signals, lab: str) -> None:
    """Send a signal to the process and all that it started."""
    with contextlib.suppress(ProcessLookupError):  # it leads no group: a supervisor is in that of `make`, for one
        if is_alive(started):
            os.killpg(started.pid, number)  # in one step: nothing started meanwhile can slip through
            return
    for pid in members(started, lab):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def workers_of(started: Started, lab: str) -> list[int]:
    """What a process of the lab has started: for a MiniStack, its Lambda workers."""
    return [pid for pid in members(started, lab) if pid != started.pid]


def end_all(
    processes: Iterable[Started], lab: str, *, patience_seconds: float = TERMINATE_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> None:  # fmt: skip
    """End processes and all that they started: asked first, killed after ``patience_seconds``; frozen ones too."""
    processes = list(processes)
    ending = {started: _Ending(started, lab) for started in processes}
    for started in processes:
        signal_group(started, signal.SIGTERM, lab)
        signal_group(started, signal.SIGCONT, lab)  # a frozen process acts on the first signal only then
    for started in _still_ending(ending, patience_seconds):
        say(f"{started.name} did not end when asked to; killed")
        ending[started].kill()
    _still_ending(ending, KILLED_SECONDS)
    _collect(processes)


class _Ending:
    """What a process that is told to end has started, itself included, by id and birth.

    Remembered, for a process that is dying has no environment any more: without its leader it bears no mark.
    """

    def __init__(self, started: Started, lab: str) -> None:
        self._started, self._lab = started, lab
        self._seen: set[tuple[int, str]] = set()
        self.is_over()

    def is_over(self) -> bool:
        self._seen |= {(pid, born_of(pid) or "") for pid in members(self._started, self._lab)}
        self._seen = {(pid, born) for pid, born in self._seen if _runs(pid, born)}
        return not self._seen

    def kill(self) -> None:
        signal_group(self._started, signal.SIGKILL, self._lab)
        for pid, born in self._seen:
            if _runs(pid, born):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _still_ending(ending: Mapping[Started, _Ending], patience_seconds: float) -> list[Started]:
    """The processes that something is left of when all have ended or ``patience_seconds`` are over."""
    deadline = time.monotonic() + patience_seconds
    while left := [started for started, its in ending.items() if not its.is_over()]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def _collect(processes: Iterable[Started]) -> None:
    """Take the exit codes of ended children, so that nothing of them stays in the process table."""
    for started in processes:
        child = _own_children.get(started.pid)
        if child is None:
            continue
        # A leader may be a zombie already while threads of it still end; only then can it be collected.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(KILLED_SECONDS)
            del _own_children[started.pid]
