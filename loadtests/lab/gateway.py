"""MiniStack, changed where it hides what AWS does or is too slow for it. Run as `python -m loadtests.lab.gateway`.

Every change stands in ``CHANGES``, which `relevo up` prints. None makes a service answer otherwise than AWS does.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import queue
import resource
import threading
import time
import zipfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import uvicorn

from loadtests.lab.call_record import record_calls
from loadtests.lab.emulated_services import (
    give_up_health,
    keep_asynchronous_calls,
    keep_schedules,
    know_fifo_topics,
    know_keys_of_authorizers,
    remember_expressions,
    remember_principals,
    reserve_for_versions,
)
from loadtests.lab.nursery import Nurseries
from loadtests.lab.slow_functions import heed_slowness

SCALE_VARIABLE: Final = "RELEVO_SCHEDULE_SCALE"
STORE_VARIABLE: Final = "RELEVO_STRONG_STORE"  # only with strong consistency
COLD_STARTS_AT_ONCE: Final = 2
# A function with n busy workers gets another one when none was free for PATIENCE + n * MORE_PATIENCE seconds.
PATIENCE_SECONDS: Final = 0.5
MORE_PATIENCE_SECONDS: Final = 0.25
MAX_WORKERS: Final = 12
WAIT_SECONDS: Final = 4.0  # then an invocation is throttled: a client gives up after 5 s, and what it left is not done
FIRST_LINE_SECONDS: Final = 0.005  # a worker logs before it answers: its lines are in the pipe by then
NEXT_LINE_SECONDS: Final = 0.001
FROZEN_SECONDS: Final = 2.0  # an event loop that did nothing for so long was frozen
HANG_UP_SECONDS: Final = 0.2
PREPARE: Final = {"relevo-lab": "prepare"}

CHANGES: Final = (
    "MiniStack answers its own health only under /_ministack/health: /health is the product's",
    "schedules are looked at twice a second, and a throttled scheduled invocation waits up to a minute, as on AWS",
    "a throttled asynchronous call waits its turn for six hours, as on AWS",
    "the rates of schedules follow the lab's time scale, as every wait of the product does",
    "what a function reserves holds for calls by its alias, as on AWS",
    "a worker that fails takes no other worker of its function with it",
    "a worker can be prepared without an invocation, as provisioned concurrency does on AWS",
    "workers share one unpacked copy of their package, and two of a Region start at a time: the machine has few cores",
    "what an invocation logged is waited for, up to 5 ms, instead of being looked for each millisecond, up to 50",
    "workers are forked from a process that has imported the package's libraries: a start costs a quarter",
    "requests whose client hung up while the Region was frozen are dropped when it returns",
    "a FIFO topic made by CloudFormation keeps its message groups and deduplicates, also in batches",
    "keys of usage plans come from the authorizer, as the template says; a plan's day begins with its first request",
    "the grammar of an expression is checked once, not for each item that a query looks at",
    "what the policies of a role say is remembered for a second, instead of being parsed twice in each call",
    "what IAM says to the calls of a function is written down, once each, for a test to judge",
    "uvicorn serves MiniStack instead of hypercorn: half the time of each call went into parsing HTTP in Python",
    "a function gets another worker only when none was free for a while, and 12 at most; invocations wait up to 4 s",
)


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


class HangUps:
    """An ASGI application that drops requests whose client hung up while this process was frozen.

    Nobody read them, so to a client they were lost on the way, and all of them at once would keep the machine busy for
    minutes when the Region returns. What was under way when it froze is finished as ever.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._ticked_at = time.monotonic()
        self._resumed_at: float | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self._ticking = asyncio.create_task(self._tick())
        if scope["type"] != "http" or not self._resumed():
            await self._application(scope, receive, send)
            return
        await asyncio.sleep(HANG_UP_SECONDS)  # until what the kernel kept of the connection is read to its end
        first = await receive()
        if first["type"] == "http.disconnect":
            return
        kept = [first]

        async def receive_again() -> Any:
            return kept.pop() if kept else await receive()

        await self._application(scope, receive_again, send)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(HANG_UP_SECONDS)
            now = time.monotonic()
            if now - self._ticked_at > FROZEN_SECONDS:
                self._resumed_at = now
            self._ticked_at = now

    def _resumed(self) -> bool:
        """Whether this process was frozen until a moment ago."""
        now = time.monotonic()
        if now - self._ticked_at > FROZEN_SECONDS:
            return True
        return self._resumed_at is not None and now - self._resumed_at < FROZEN_SECONDS


def serve(app: Any) -> None:
    """Serve MiniStack's ASGI application with a server in C: its own took two fifths of the time of a call."""
    _raise_file_limit()
    uvicorn.run(
        HangUps(app.app),
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,  # MiniStack sets it
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=2048,
    )


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    # MiniStack reads its environment when it is imported.
    from ministack import app  # type: ignore[import-untyped]  # noqa: PLC0415
    from ministack.core import iam_evaluator, lambda_runtime  # type: ignore[import-untyped]  # noqa: PLC0415
    from ministack.services import (  # type: ignore[import-untyped]  # noqa: PLC0415
        apigateway_v1,
        dynamodb,
        dynamodb_streams,
        eventbridge,
        lambda_svc,
        sns,
    )

    give_up_health(app)
    keep_asynchronous_calls(lambda_svc)
    keep_schedules(eventbridge, lambda_svc, float(os.environ[SCALE_VARIABLE]))
    reserve_for_versions(lambda_svc)
    prepare_workers(lambda_runtime.Worker)
    pool_workers(lambda_svc, lambda_runtime)
    hear_logs(lambda_runtime.Worker)
    heed_slowness(lambda_svc, Path(os.environ["TMPDIR"]))
    know_fifo_topics(sns)
    know_keys_of_authorizers(apigateway_v1)
    remember_principals(iam_evaluator)
    record_calls(iam_evaluator, Path(os.environ["TMPDIR"]))
    remember_expressions(dynamodb)
    if store := os.environ.get(STORE_VARIABLE):
        from loadtests.lab.strong_store import StrongStore, keep_tables_in  # noqa: PLC0415  # brings a client along

        keep_tables_in(StrongStore(store), dynamodb, dynamodb_streams)
    share_packages(lambda_runtime, Path(os.environ["TMPDIR"]) / "packages")
    lambda_runtime.subprocess = Nurseries()
    serve(app)


if __name__ == "__main__":
    main()
