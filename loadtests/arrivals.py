"""When requests are due. Open loop: the schedule is fixed beforehand and never waits for an answer.

Pure: offsets in seconds from the start of a user, from a seeded generator.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Spacing = Literal["poisson", "even"]


def due_times(rate_per_second: float, spacing: Spacing, rng: random.Random) -> Iterator[float]:
    """Yield ever-growing offsets with the given mean rate.

    ``poisson``: independent gaps, as many unrelated clients make them. ``even``: one arrival somewhere in each slot of
    ``1/rate``, so that the number in any longer stretch is exact.
    """
    if rate_per_second <= 0:
        raise ValueError("the rate of arrivals must be positive")
    slot = 1.0 / rate_per_second
    elapsed = 0.0
    index = 0
    while True:
        if spacing == "poisson":
            elapsed += rng.expovariate(rate_per_second)
            yield elapsed
        else:
            yield (index + rng.random()) * slot
            index += 1


@dataclass
class Schedule:
    """The arrivals of one user on a clock: what is due next, and how late we are."""

    started: float
    offsets: Iterator[float]
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.due = self.started + next(self.offsets)

    def take(self) -> float:
        """Take the next arrival: its scheduled time, however late it is now."""
        taken = self.due
        self.due = self.started + next(self.offsets)
        return taken

    def wait_seconds(self, now: float) -> float:
        """How long to sleep until the next arrival; zero when it is overdue (it then counts as late, not as new)."""
        return max(0.0, self.due - now)
