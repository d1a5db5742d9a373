"""Losing a Region of the lab, in one of four ways, and getting it back. `injection` decides when.

A frozen Region keeps its state and answers nobody. A crashed one loses all compute: its Lambda workers die in the
middle of their work. AWS's durable services keep their data in both.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final, Literal

from loadtests.lab.deploy import client
from loadtests.lab.emulator.ministack import ROLE as MINISTACK
from loadtests.lab.layout import Layout
from loadtests.lab.processes import ProcessBook, signal_group, workers_of
from shared.topology import function_name

State = Literal["running", "frozen", "crashed", "api-down", "health-down"]
LossMode = Literal["freeze", "crash", "api", "health"]
STATE_OF_MODE: Final[dict[str, State]] = {
    "freeze": "frozen", "crash": "crashed", "api": "api-down", "health": "health-down",
}  # fmt: skip
# The functions without concurrency. Without health alone, a Region that works looks ill from outside.
PARTS_DOWN: Final[dict[State, tuple[str, ...]]] = {
    "api-down": ("api", "authorizer", "health"),
    "health-down": ("health",),
}


class LostRegions:
    """Which Regions are lost, and how."""

    def __init__(self, layout: Layout, book: ProcessBook) -> None:
        self._layout = layout
        self._book = book
        self._reserved: dict[str, dict[str, int | None]] = {}
        self.states: dict[str, State] = dict.fromkeys(layout.seats, "running")

    def lose(self, region: str, mode: str) -> str:
        """Lose a Region that runs; returns what was done."""
        match mode:
            case "freeze":
                self._freeze(region)
                done = f"{region} is frozen: it takes connections and answers nobody"
            case "crash":
                killed = self._crash(region)
                done = f"{region} crashed: {killed} Lambda workers killed, the rest frozen"
            case _:
                parts = PARTS_DOWN[STATE_OF_MODE[mode]]
                self._disable(region, parts)
                done = f"{region} has no concurrency for {', '.join(parts)}; the rest works on"
        self.states[region] = STATE_OF_MODE[mode]
        return done

    def _freeze(self, region: str) -> None:
        for started in self._book.of_region(region):
            signal_group(started, signal.SIGSTOP, self._book.lab)

    def _crash(self, region: str) -> int:
        """Stop the gateway first, so that it neither answers for a dying worker nor starts another one."""
        killed = 0
        for started in self._book.of_region(region):
            if started.role != MINISTACK:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(started.pid, signal.SIGSTOP)
            for worker in workers_of(started, self._book.lab):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed += 1
        self._freeze(region)
        return killed

    def _disable(self, region: str, parts: tuple[str, ...]) -> None:
        functions = client(self._layout.seats[region], "lambda", timeout_seconds=5.0)
        reserved: dict[str, int | None] = {}
        for part in parts:
            name = function_name(part)
            reserved[name] = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self._reserved[region] = reserved

    def _enable(self, region: str) -> None:
        functions = client(self._layout.seats[region], "lambda", timeout_seconds=5.0)
        for name, reserved in self._reserved.pop(region).items():
            if reserved is None:
                functions.delete_function_concurrency(FunctionName=name)
            else:
                functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)

    def return_(self, region: str) -> str:
        """Bring a lost Region back; returns what was done."""
        if self.states[region] in PARTS_DOWN:
            self._enable(region)
        else:
            for started in self._book.of_region(region):
                signal_group(started, signal.SIGCONT, self._book.lab)
        self.states[region] = "running"
        return f"{region} is back"
