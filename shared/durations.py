"""How long things take, with the day and origin of each number. The lab is not AWS: measure again once deployed.

What says `measured in the lab` includes the emulator's gateway and two busy cores, so it is an upper bound there; what
says `assumed` was never measured and counts AWS calls at 10 ms each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Basis = Literal["measured in the lab", "set by the code", "assumed"]


@dataclass(frozen=True)
class Duration:
    """How long one invocation, or one part of it, takes on average."""

    milliseconds: float
    basis: Basis
    day: str
    source: str

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000


DURATIONS: Final = {
    "api write": Duration(
        53, "measured in the lab", "2026-11-21", "growth drill at 10x, mean of 485 writes as clients saw them"
    ),
    "api read": Duration(
        55, "measured in the lab", "2026-11-21", "growth drill at 10x, mean of 480 reads as clients saw them"
    ),
    "login": Duration(150, "assumed", "2026-11-21", "scrypt on half a processor, and three calls"),
    "authorizer": Duration(30, "assumed", "2026-11-21", "a signature and one query"),
    "health": Duration(20, "assumed", "2026-11-21", "one small read, often remembered"),
    "relay batch": Duration(50, "assumed", "2026-11-21", "rows, publish, announce and notes: a call each, and 10 ms"),
    "relay record": Duration(5, "assumed", "2026-11-21", "two calls an order, eight orders side by side, doubled"),
    "processor": Duration(40, "assumed", "2026-11-21", "one write and Lambda's own part; one message an invocation"),
    "webhook": Duration(250, "assumed", "2026-11-21", "three queries, and a receiver that answers within 200 ms"),
    "view transaction": Duration(10, "assumed", "2026-11-21", "how long a transaction holds the items that it writes"),
    "import take": Duration(870_000, "set by the code", "2026-11-21", "a file is read until the time limit is near"),
    "sentinel": Duration(57_000, "set by the code", "2026-11-21", "looks until its minute is nearly over"),
}
