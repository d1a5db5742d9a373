"""The chaos matrix as data: every fault in every phase, in either Region, and why some cells make no sense. Pure.

A fault has a sitting: one load under which its cells follow each other. In the phases `takeover` and `return` a Region
is lost besides; the fault then hits the Region that takes over, or the one that returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from shared.topology import TOPOLOGY

Phase = Literal["steady", "10x", "takeover", "return"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
LINK_KINDS: Final = ("partition", "lag")  # between the Regions: the same seen from either
STOP_SECONDS: Final = 10.0

Request = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What is done to a Region, for how long, and what must follow. Every fault stops at once if nobody is served."""

    name: str
    hypothesis: str
    requests: tuple[Request, ...]
    loses_region: bool = False
    seconds: float = 5.0  # in quick timing
    stop: str = f"nobody was served for {STOP_SECONDS:.0f} s"

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(request["kind"]) for request in self.requests))

    @property
    def of_the_link(self) -> bool:
        return all(kind in LINK_KINDS for kind in self.kinds)

    @property
    def may_silence(self) -> bool:
        """Whether health and heartbeat, which rest on DynamoDB, may both fail: a Region without them counts as lost."""
        return any(request.get("service") == "dynamodb" for request in self.requests)

    def requests_for(self, region: str) -> list[Request]:
        """What to ask of the lab, so that this Region is hit."""
        return [
            request if request["kind"] in LINK_KINDS else {**request, "region": region} for request in self.requests
        ]


def _service(service: str, **more: object) -> Request:
    return {"kind": "service", "service": service, **more}


THROTTLED: Final = "ProvisionedThroughputExceededException"
FAULTS: Final[tuple[Fault, ...]] = (
    Fault("freeze", "clients go to the peer, which does the rest of the Region's work",
          ({"kind": "region-loss", "mode": "freeze"},), loses_region=True, seconds=14.0),
    Fault("crash", "invocations that die half-way are done again, once",
          ({"kind": "region-loss", "mode": "crash"},), loses_region=True, seconds=14.0),
    Fault("api", "clients go to the peer, and the Region does its own work meanwhile",
          ({"kind": "region-loss", "mode": "api"},), loses_region=True, seconds=10.0),
    Fault("partition", "both Regions serve on, and agree when replication is back", ({"kind": "partition"},)),
    Fault("lag", "five seconds of replication lag change nothing but what is not yet there",
          ({"kind": "lag", "seconds": 5},), seconds=7.0),
    Fault("dynamodb-throttled", "calls are tried again, by the SDK, the stream or the client",
          (_service("dynamodb", error=THROTTLED, rate=0.5),)),
    Fault("dynamodb-errors", "calls are tried again, by the SDK, the stream or the client",
          (_service("dynamodb", error="InternalServerError", rate=0.5),)),
    Fault("sns-errors", "what cannot be published stays pending, and is published later",
          (_service("sns", error="InternalError"),)),
    Fault("sns-slow", "the relay falls behind and catches up", (_service("sns", latency_ms=1000),)),
    Fault("sqs-errors", "messages are received and deleted later, perhaps twice",
          (_service("sqs", error="InternalError", rate=0.7),)),
    Fault("sqs-slow", "effects come later", (_service("sqs", latency_ms=1000),)),
    Fault("announcing-fails", "effects that cannot be announced are announced later",
          (_service("events", error="InternalException"),)),
    Fault("poison", "a message that nobody can read becomes a dead letter and holds nobody up",
          ({"kind": "poison", "status": "created"},), seconds=8.0),
    Fault("slow-api", "clients wait, and no command is done twice", ({"kind": "slow", "function": "api", "ms": 1500},)),
    Fault("flapping", "clients go to and fro, and nobody is drained for it",
          ({"kind": "flapping", "seconds": 3},), seconds=12.0),
    Fault("lag+dynamodb-throttled", "two troubles at once add up to no third one",
          ({"kind": "lag", "seconds": 5}, _service("dynamodb", error=THROTTLED, rate=0.3)), seconds=7.0),
    Fault("slow-api+sns-errors", "two troubles at once add up to no third one",
          ({"kind": "slow", "function": "api", "ms": 1000}, _service("sns", error="InternalError"))),
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A fault in a phase, in one Region."""

    fault: Fault
    phase: Phase
    region: str

    @property
    def name(self) -> str:
        return " / ".join(self.key)

    @property
    def key(self) -> tuple[str, str, str]:
        """What a result is kept by."""
        return self.fault.name, self.phase, self.region

    @property
    def lost(self) -> str | None:
        """The Region that is lost besides."""
        return {"takeover": TOPOLOGY.peer_of(self.region), "return": self.region}.get(self.phase)

    @property
    def drains_nobody(self) -> bool:
        """Whether both Regions are heard of all the time, so that neither may be drained."""
        return self.lost is None and not self.fault.loses_region and not self.fault.may_silence

    @property
    def absent_because(self) -> str | None:
        """Why the cell makes no sense, if so."""
        if self.phase == "takeover" and self.fault.loses_region:
            return "it would lose the only Region that serves: nothing is promised without any"
        if self.phase == "takeover" and self.fault.of_the_link:
            return "a lost Region neither sends nor takes what is replicated: there is nothing to disturb"
        if self.phase in ("steady", "10x") and self.fault.of_the_link and self.region != TOPOLOGY.region_names[0]:
            return "the link is between both Regions: this is the other Region's cell"
        return None


def all_cells() -> Iterator[Cell]:
    """Every cell, those that make no sense included, fault by fault."""
    for fault in FAULTS:
        for phase in PHASES:
            for region in TOPOLOGY.region_names:
                yield Cell(fault, phase, region)


def chosen_cells(only: list[str], phases: list[str], regions: list[str]) -> list[Cell]:
    """The cells of some faults, phases and Regions; an empty choice is all. Raises ``ValueError`` for unknown names."""
    for chosen, known in (
        (only, [fault.name for fault in FAULTS]), (phases, list(PHASES)), (regions, list(TOPOLOGY.region_names)),
    ):  # fmt: skip
        for name in chosen:
            if name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(known)}")
    return [
        cell
        for cell in all_cells()
        if (not only or cell.fault.name in only)
        and (not phases or cell.phase in phases)
        and (not regions or cell.region in regions)
    ]
