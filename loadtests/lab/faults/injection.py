"""The faults that drills and people inject, and how each is healed. What follows from them is the product's affair."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.lab import loopback
from loadtests.lab.faults import aws_faults, slow_functions
from loadtests.lab.faults.flapping import Flapping
from loadtests.lab.faults.lost_regions import STATE_OF_MODE, LostRegions, State
from loadtests.lab.faults.poison import STILL_THERE, Poison
from loadtests.lab.layout import Layout
from loadtests.lab.processes import ProcessBook
from shared.topology import PARTS, STATUSES, TOPOLOGY, function_name

ANSWERING: Final[tuple[State, ...]] = ("running", "api-down", "health-down")  # to those who ask its services
KINDS: Final = ("region-loss", "partition", "lag", "service", "winner", "slow", "poison", "flapping")
# What makes the link normal again, by kind of fault, and how that is told.
LINK_CALM: Final[dict[str, tuple[dict[str, object], str]]] = {
    "partition": ({"on": False}, "replication is not cut"),
    "lag": ({"seconds": 0}, "replication is not delayed"),
    "winner": ({"region": TOPOLOGY.owner_region, "ahead_seconds": 0}, "no clock is ahead"),
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

    def __init__(self, layout: Layout, book: ProcessBook, *, strong: bool = False) -> None:
        self._layout = layout
        self.strong = strong
        self._lock = threading.Lock()
        self._with_rules: set[str] = set()
        self._ends: dict[tuple[str, str], Callable[[], str]] = {}  # by kind and Region, what ends a fault
        self._lost = LostRegions(layout, book)
        self.history: list[Happening] = []

    @property
    def states(self) -> dict[str, State]:
        return self._lost.states

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
                case {"kind": "slow", "region": str(region), "function": str(part), "ms": int() | float() as more_ms}:
                    done = self._slow_down(region, part, more_ms)
                case {"kind": "poison", "region": str(region), "status": str(status)}:
                    done = self._poison(region, status)
                case {"kind": "flapping", "region": str(region), "seconds": int() | float() as seconds}:
                    done = self._flap(region, seconds)
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
                steps += [partial(self._lost.return_, region) for region in lost]
            if what in ("all", "service"):
                steps += [partial(self._clear, region) for region in sorted(self._with_rules)]
            steps += [partial(self._end, *key) for key in sorted(self._ends) if what in ("all", key[0])]
            if not self.strong:
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
        if self.strong:
            raise FaultError("both Regions are on one synchronous store: there is no replication to cut or to delay")
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
        return self._lost.lose(region, mode)

    def _spoil(self, region: str, service: str, request: dict[str, Any]) -> str:
        self._answering(region)
        error, latency_ms, rate = request.get("error"), request.get("latency_ms"), request.get("rate", 1.0)
        if service not in aws_faults.SERVICES:
            raise FaultError(f"unknown service {service!r}; expected one of {', '.join(aws_faults.SERVICES)}")
        if (error is None) == (latency_ms is None):
            raise FaultError("give either an error or a latency")
        if not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise FaultError("the rate must be more than 0 and at most 1")
        if latency_ms is not None and (not isinstance(latency_ms, int | float) or latency_ms <= 0):
            raise FaultError("the latency must be a number of milliseconds above 0")
        rule = aws_faults.rule_of(service, error=error, latency_ms=latency_ms, rate=float(rate))
        aws_faults.add_rule(self._layout.seats[region], rule)
        self._with_rules.add(region)
        effect = f"fail with {error}" if error is not None else f"take {latency_ms:g} ms more"
        return f"{rate:.0%} of the calls of {region} to {'every service' if service == '*' else service} {effect}"

    def _clear(self, region: str) -> str:
        aws_faults.clear_rules(self._layout.seats[region])
        self._with_rules.discard(region)
        return f"services of {region} work"

    def _slow_down(self, region: str, part: str, more_ms: float) -> str:
        self._answering(region)
        if part not in PARTS or more_ms <= 0:
            raise FaultError(f"expected one of the functions {', '.join(PARTS)} and milliseconds above 0")
        slow_functions.slow_down(self._layout, region, function_name(part), more_ms / 1000)

        def end() -> str:
            slow_functions.speed_up(self._layout, region)
            return f"functions of {region} take their own time"

        self._ends["slow", region] = end
        return f"each invocation of {function_name(part)} in {region} takes {more_ms:g} ms more"

    def _poison(self, region: str, status: str) -> str:
        self._answering(region)
        if status not in STATUSES:
            raise FaultError(f"unknown status {status!r}; expected one of {', '.join(STATUSES)}")
        if ("poison", region) in self._ends:
            raise FaultError(f"{region} has a poison message already; `relevo fault heal poison` removes it")
        poison = Poison(self._layout.seats[region], status)

        def end() -> str:
            found = "was given up, and removed" if poison.remove() else STILL_THERE
            return f"the poison message of {region} {found}"

        self._ends["poison", region] = end
        return f"a message that nobody can read is in the {status} queue of {region}"

    def _flap(self, region: str, seconds: float) -> str:
        self._answering(region)
        if seconds <= 0 or ("flapping", region) in self._ends:
            raise FaultError(f"expected seconds above 0, and that {region} does not flap yet")
        flapping = Flapping(self._layout.seats[region], seconds)

        def end() -> str:
            flapping.end()
            return f"health checks of {region} see what is"

        self._ends["flapping", region] = end
        return f"the health function of {region} goes away and comes back every {seconds:g} s"

    def _answering(self, region: str) -> None:
        self._known(region)
        if self.states[region] not in ANSWERING:
            raise FaultError(f"{region} is {self.states[region]}; bring it back first")

    def _end(self, kind: str, region: str) -> str:
        done = self._ends[kind, region]()
        del self._ends[kind, region]
        return done
