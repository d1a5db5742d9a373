"""Turns SIGTERM and SIGINT into an event, and runs a lab process until then or until its work fails."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine


async def run_until_stopped(*work: Coroutine[object, object, None]) -> None:
    """Run work side by side until a stop signal comes; an error in any of it ends all of it and is raised."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(part) for part in work]
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, waiting):
        task.cancel()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    for task in done - {waiting}:
        with contextlib.suppress(asyncio.CancelledError):
            task.result()
