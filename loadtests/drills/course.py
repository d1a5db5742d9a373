"""The course of a drill: its phases, what happened when, and what came of it. Times are epoch seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loadtests.gate import Phase


@dataclass(frozen=True)
class Mark:
    """Something that happened at a moment."""

    at: float
    what: str
    kind: str = "note"  # note, fault or heal


@dataclass
class Course:
    """What happened when."""

    phases: list[Phase] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault_at: float | None = None  # just before the fault was asked for
    struck_at: float | None = None  # when the lab said that it is done
    healed_at: float | None = None
    readmitted_at: float | None = None
    stopped_at: float | None = None  # the load
    takeover_seconds: float | None = None
    unnoticed_since: float | None = None  # from when on clients that honour the TTL must not see a failed request
    drained_regions: int | None = None  # while all checks were red
    regions_in_dns: int | None = None
    evacuation_seconds: float | None = None  # from the command to its confirmation that the Region is empty
    achieved: dict[str, float | None] = field(default_factory=dict)  # what this drill alone measures, by promise
    settled_at: float | None = None  # everything acknowledged before readmission was complete in both Regions
    complete_at: float | None = None  # everything acknowledged at all was, after the load

    def mark(self, what: str, kind: str = "note") -> float:
        now = time.time()
        self.marks.append(Mark(now, what, kind))
        return now


def utc_text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
