"""MiniStack, changed where it hides what AWS does or is too slow for it.

Run as `python -m loadtests.lab.emulator.gateway`. Every change stands in ``CHANGES``, which `relevo up` prints.
None makes a service answer otherwise than AWS does.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path
from typing import Any, Final

import uvicorn

from loadtests.lab.emulator.call_record import record_calls
from loadtests.lab.emulator.emulated_services import (
    give_up_health,
    heed_aliases,
    keep_asynchronous_calls,
    keep_schedules,
    know_fifo_topics,
    know_keys_of_authorizers,
    remember_expressions,
    remember_principals,
    reserve_for_versions,
)
from loadtests.lab.emulator.nursery import Nurseries
from loadtests.lab.emulator.workers import hear_logs, pool_workers, prepare_workers, share_packages
from loadtests.lab.faults.slow_functions import heed_slowness

SCALE_VARIABLE: Final = "RELEVO_SCHEDULE_SCALE"
STORE_VARIABLE: Final = "RELEVO_STRONG_STORE"  # only with strong consistency
FROZEN_SECONDS: Final = 2.0  # an event loop that did nothing for so long was frozen
HANG_UP_SECONDS: Final = 0.2

CHANGES: Final = (
    "MiniStack answers its own health only under /_ministack/health: /health is the product's",
    "schedules are looked at twice a second, and a throttled scheduled invocation waits up to a minute, as on AWS",
    "a throttled asynchronous call waits its turn for six hours, as on AWS",
    "an asynchronous call that is given up goes where its alias says, as on AWS, but its tries are seconds apart",
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
    "an expression is read, and its form checked, once and not for each item that a query looks at",
    "what the policies of a role say is remembered for a second, instead of being parsed twice in each call",
    "what IAM says to the calls of a function is written down, once each, for a test to judge",
    "uvicorn serves MiniStack instead of hypercorn: half the time of each call went into parsing HTTP in Python",
    "a function gets another worker only when none was free for a while, and 12 at most; invocations wait up to 4 s",
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
    heed_aliases(lambda_svc)
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
        from loadtests.lab.emulator.strong_store import StrongStore, keep_tables_in  # noqa: PLC0415  # brings a client along

        keep_tables_in(StrongStore(store), dynamodb, dynamodb_streams)
    share_packages(lambda_runtime, Path(os.environ["TMPDIR"]) / "packages")
    lambda_runtime.subprocess = Nurseries()
    serve(app)


if __name__ == "__main__":
    main()
