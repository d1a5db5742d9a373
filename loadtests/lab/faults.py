"""The faults that drills and people inject, and how each is healed. What follows from them is the product's affair.

A frozen Region keeps its state and answers nobody. A crashed one loses all compute: its Lambda workers die in the
middle of their work. AWS's durable services keep their data in both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.lab import aws_faults, loopback
from loadtests.lab.deploy import client
from loadtests.lab.layout import Layout
from loadtests.lab.ministack import ROLE as MINISTACK
from loadtests.lab.processes import ProcessBook, signal_group, workers_of
from shared.topology import TOPOLOGY, function_name

State = Literal["running", "frozen", "crashed", "api-down", "health-down"]
STATE_OF_MODE: Final[dict[str, State]] = {
    "freeze": "frozen", "crash": "crashed", "api": "api-down", "health": "health-down",
}  # fmt: skip
ANSWERING: Final[tuple[State, ...]] = ("running", "api-down", "health-down")  # to those who ask its services
KINDS: Final = ("region-loss", "partition", "lag", "service", "winner")
# What makes the link normal again, by kind of fault, and how that is told.
LINK_CALM: Final[dict[str, tuple[dict[str, object], str]]] = {
    "partition": ({"on": False}, "replication is not cut"),
    "lag": ({"seconds": 0}, "replication is not delayed"),
    "winner": ({"region": TOPOLOGY.owner_region, "ahead_seconds": 0}, "no clock is ahead"),
}
# The functions without concurrency. Without health alone, a Region that works looks ill from outside.
PARTS_DOWN: Final[dict[State, tuple[str, ...]]] = {
    "api-down": ("api", "authorizer", "health"),
    "health-down": ("health",),
}


class FaultError(Exception):
    """What was asked cannot be injected or healed; the text says why."""


@dataclass(frozen=True)
class Happening:
    """One fault or healing that was done."""

    at: float
    what: str
    request: dict[str, Any]


class Faults:
    """The faults of one lab. Every method may be called from any thread."""

    def __init__(self, layout: Layout, book: ProcessBook) -> None:
        self._layout = layout
        self._book = book
        self._lock = threading.Lock()
        self._reserved: dict[str, dict[str, int | None]] = {}
        self._with_rules: set[str] = set()
        self.states: dict[str, State] = dict.fromkeys(layout.seats, "running")
        self.history: list[Happening] = []

    def inject(self, request: dict[str, Any]) -> str:
        """Inject one fault and return what was done; raises ``FaultError``."""
        with self._lock:
            match request:
                case {"kind": "region-loss", "region": str(region), "mode": str(mode)}:
                    done = self._lose(region, mode)
                case {"kind": "partition"}:
                    self._link("partition", {"on": True})
                    done = "replication is cut in both directions"
                case {"kind": "lag", "seconds": int() | float() as seconds}:
                    self._link("lag", {"seconds": seconds})
                    done = f"replication takes at least {seconds:g} s"
                case {"kind": "winner", "region": str(region), "ahead_seconds": int() | float() as ahead}:
                    self._known(region)
                    self._link("winner", {"region": region, "ahead_seconds": ahead})
                    done = f"the clock of {region} is {ahead:g} s ahead for last-writer-wins"
                case {"kind": "service", "region": str(region), "service": str(service)}:
                    done = self._spoil(region, service, request)
                case _:
                    raise FaultError(
                        f"expected a fault of a kind among {', '.join(KINDS)} with its fields, not {request}"
                    )
            return self._note(done, request)

    def heal(self, what: str) -> str:
        """Heal all faults, or those of one kind; raises ``FaultError``. Healing what is well changes nothing."""
        if what not in ("all", *KINDS):
            raise FaultError(f"expected 'all' or one of {', '.join(KINDS)}, not {what!r}")
        with self._lock:
            steps: list[Callable[[], str]] = []
            if what in ("all", "region-loss"):  # first: a frozen Region takes no other orders
                lost = [region for region, state in self.states.items() if state != "running"]
                steps += [partial(self._return, region) for region in lost]
            if what in ("all", "service"):
                steps += [partial(self._clear, region) for region in sorted(self._with_rules)]
            steps += [partial(self._calm_link, kind) for kind in LINK_CALM if what in ("all", kind)]
            done, troubles = [], []
            for step in steps:  # one that fails must not keep the others from being healed
                try:
                    done.append(step())
                except (FaultError, BotoCoreError, ClientError, loopback.NoAnswerError) as error:
                    troubles.append(str(error))
            told = self._note("; ".join(done) or "there was nothing to heal", {"heal": what})
            if troubles:
                raise FaultError(f"{told}; not healed: {'; '.join(troubles)}")
            return told

    def _note(self, done: str, request: dict[str, Any]) -> str:
        self.history.append(Happening(time.time(), done, request))
        return done

    def _known(self, region: str) -> None:
        if region not in self._layout.seats:
            raise FaultError(f"unknown Region {region!r}; expected one of {', '.join(self._layout.seats)}")

    def _link(self, what: str, body: dict[str, object]) -> None:
        try:
            loopback.call(f"{self._layout.link_control}/{what}", body, timeout_seconds=5.0)
        except loopback.RefusedError as error:
            raise FaultError(str(error)) from error
        except loopback.NoAnswerError as error:
            raise FaultError(f"the replication link does not answer: {error}") from error

    def _calm_link(self, kind: str) -> str:
        body, done = LINK_CALM[kind]
        self._link(kind, body)
        return done

    def _lose(self, region: str, mode: str) -> str:
        self._known(region)
        if mode not in STATE_OF_MODE:
            raise FaultError(f"unknown mode {mode!r}; expected one of {', '.join(STATE_OF_MODE)}")
        if self.states[region] != "running":
            raise FaultError(f"{region} is {self.states[region]} already; `relevo fault heal` brings it back")
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

    def _return(self, region: str) -> str:
        if self.states[region] in PARTS_DOWN:
            self._enable(region)
        else:
            for started in self._book.of_region(region):
                signal_group(started, signal.SIGCONT, self._book.lab)
        self.states[region] = "running"
        return f"{region} is back"

    def _spoil(self, region: str, service: str, request: dict[str, Any]) -> str:
        self._known(region)
        error, latency_ms, rate = request.get("error"), request.get("latency_ms"), request.get("rate", 1.0)
        if service not in aws_faults.SERVICES:
            raise FaultError(f"unknown service {service!r}; expected one of {', '.join(aws_faults.SERVICES)}")
        if (error is None) == (latency_ms is None):
            raise FaultError("give either an error or a latency")
        if not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise FaultError("the rate must be more than 0 and at most 1")
        if latency_ms is not None and (not isinstance(latency_ms, int | float) or latency_ms <= 0):
            raise FaultError("the latency must be a number of milliseconds above 0")
        if self.states[region] in ("frozen", "crashed"):
            raise FaultError(f"{region} is {self.states[region]}; bring it back first")
        rule = aws_faults.rule_of(service, error=error, latency_ms=latency_ms, rate=float(rate))
        aws_faults.add_rule(self._layout.seats[region], rule)
        self._with_rules.add(region)
        effect = f"fail with {error}" if error is not None else f"take {latency_ms:g} ms more"
        return f"{rate:.0%} of the calls of {region} to {'every service' if service == '*' else service} {effect}"

    def _clear(self, region: str) -> str:
        aws_faults.clear_rules(self._layout.seats[region])
        self._with_rules.discard(region)
        return f"services of {region} work"
