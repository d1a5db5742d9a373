"""The workers of a Region's functions, as this machine can bear them: few at a time, ready before they are measured.

What is changed of MiniStack here is told in ``loadtests.lab.emulator.gateway``'s ``CHANGES``.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
import zipfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

COLD_STARTS_AT_ONCE: Final = 2
# A function with n busy workers gets another one when none was free for PATIENCE + n * MORE_PATIENCE seconds.
PATIENCE_SECONDS: Final = 0.5
MORE_PATIENCE_SECONDS: Final = 0.25
MAX_WORKERS: Final = 12
WAIT_SECONDS: Final = 4.0  # then an invocation is throttled: a client gives up after 5 s, and what it left is not done
FIRST_LINE_SECONDS: Final = 0.005  # a worker logs before it answers: its lines are in the pipe by then
NEXT_LINE_SECONDS: Final = 0.001
PREPARE: Final = {"relevo-lab": "prepare"}


def prepare_workers(worker: Any) -> None:
    """Let an invocation with ``PREPARE`` start its worker and leave the handler alone; start few workers at a time."""
    invoke, spawn = worker.invoke, worker._spawn  # noqa: SLF001
    slots = threading.Semaphore(COLD_STARTS_AT_ONCE)

    def spawn_in_turn(self: Any) -> None:
        with slots:
            spawn(self)

    def prepare_or_invoke(self: Any, event: object, *arguments: object, **more: object) -> Any:
        if event != PREPARE:
            return invoke(self, event, *arguments, **more)
        with self._lock:
            cold = self._proc is None or self._proc.poll() is not None
            if cold:
                self._spawn()
                self._cold = False
        return {"status": "ok", "result": None, "log": "", "cold_start": cold}

    worker._spawn, worker.invoke = spawn_in_turn, prepare_or_invoke  # noqa: SLF001


def pool_workers(lambda_svc: Any, lambda_runtime: Any) -> None:
    """Let invocations wait for a busy worker before another one is started, one at a time and a dozen at most.

    A start costs this machine as much as dozens of invocations. Without this, three health checkers that call at the
    same moment have twenty workers after a minute, and an overload starts workers until nothing else gets done.
    """
    acquire, release, execute = lambda_svc.acquire_worker, lambda_svc.release_worker, lambda_svc._execute_function_warm  # noqa: SLF001
    changes: defaultdict[str, threading.Condition] = defaultdict(threading.Condition)  # by function
    started_at: defaultdict[str, float] = defaultdict(float)
    invocation = _Invocation()

    def acquire_patiently(name: str, config: Any, code: bytes, qualifier: str = "$LATEST", **more: Any) -> Any:
        key = lambda_runtime._worker_key(name, config, qualifier)  # noqa: SLF001

        def workers() -> list[Any]:
            return list(lambda_runtime._workers.get(key, []))  # noqa: SLF001

        with changes[name]:
            came_at = time.monotonic()
            while not invocation.prepares and (present := workers()) and all(worker.in_use for worker in present):
                patience = PATIENCE_SECONDS + MORE_PATIENCE_SECONDS * len(present)
                due_in = max(came_at, started_at[name]) + patience - time.monotonic()
                if due_in <= 0 and len(present) < MAX_WORKERS:
                    break
                if time.monotonic() - came_at > WAIT_SECONDS:
                    return None, "func_cap"  # MiniStack answers that with a throttle
                changes[name].wait(max(due_in, MORE_PATIENCE_SECONDS))
            # One that prepares is to have a worker of its own, also when an idle one would do: they come one by one.
            idle = [worker for worker in workers() if not worker.in_use] if invocation.prepares else []
            for worker in idle:
                worker.in_use = True
            try:
                invocation.worker, how = acquire(name, config, code, qualifier=qualifier, **more)
            finally:
                for worker in idle:
                    worker.in_use = False
            if how == "spawn":
                started_at[name] = time.monotonic()
            return invocation.worker, how

    def release_and_tell(worker: Any) -> None:
        if worker is None:
            return
        with changes[worker.func_name]:
            release(worker)
            changes[worker.func_name].notify()

    def execute_knowing(function: Any, event: object, request_id: str) -> Any:
        invocation.prepares, invocation.worker = event == PREPARE, None
        try:
            return execute(function, event, request_id)
        finally:
            invocation.worker = None

    invalidate = lambda_svc.invalidate_worker

    def invalidate_own(*arguments: Any, **more: Any) -> None:
        """End the worker that failed under this invocation; its siblings are in the middle of other people's work."""
        if invocation.worker is None:
            invalidate(*arguments, **more)
            return
        with lambda_runtime._lock:  # noqa: SLF001
            for workers in lambda_runtime._workers.values():  # noqa: SLF001
                if invocation.worker in workers:
                    workers.remove(invocation.worker)
        lambda_runtime.kill_workers([invocation.worker])

    lambda_svc.acquire_worker = acquire_patiently
    lambda_svc.release_worker = release_and_tell
    lambda_svc.invalidate_worker = invalidate_own
    lambda_svc._execute_function_warm = execute_knowing  # noqa: SLF001


class _Invocation(threading.local):
    """What the calling thread's invocation is about."""

    prepares = False
    worker: Any = None


def hear_logs(worker: Any) -> None:
    """Wait for the lines of an invocation: looking for them cost CPU, and kept busy a worker that logs nothing."""

    def lines(self: Any) -> str:
        heard: list[str] = []
        with suppress(queue.Empty):
            heard.append(self._stderr_queue.get(timeout=FIRST_LINE_SECONDS))
            while True:
                heard.append(self._stderr_queue.get(timeout=NEXT_LINE_SECONDS))
        return "\n".join(heard)

    worker._drain_stderr_bounded = lines  # noqa: SLF001


def share_packages(lambda_runtime: Any, folder: Path) -> None:
    """Unpack a package once and link it into each worker's folder: unpacking took longer than importing."""
    lock = threading.Lock()

    class SharedZip(zipfile.ZipFile):
        def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
            if not isinstance(self.filename, str) or path is None:
                super().extractall(path, members, pwd)
                return
            unpacked = folder / hashlib.sha256(Path(self.filename).read_bytes()).hexdigest()
            with lock:
                if not unpacked.is_dir():
                    fresh = unpacked.with_suffix(".fresh")
                    super().extractall(fresh)
                    fresh.rename(unpacked)
            for entry in unpacked.iterdir():
                (Path(path) / entry.name).symlink_to(entry)

    # Under the names that MiniStack uses.
    lambda_runtime.zipfile = SimpleNamespace(
        ZipFile=SharedZip, BadZipFile=zipfile.BadZipFile, LargeFileError=zipfile.LargeZipFile
    )
