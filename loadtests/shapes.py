"""How the load grows, as tables: which multiple of the baseline at which second, and how many users make it.

Pure: Locust's shape class in the locustfile asks here. A drill steers a running Locust through a small file, because a
phase such as "until takeover is proved" has no length beforehand.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.topology import Growth

# Per second: enough users that a lost Region shows per client, few enough for one process.
ARRIVALS_PER_USER: Final = 0.5


@dataclass(frozen=True)
class Step:
    """A stretch of constant load: a name, its multiple of the baseline and its length."""

    phase: str
    multiple: float
    seconds: float


def growth_steps(growth: Growth, seconds_per_step: float = 120.0) -> tuple[Step, ...]:
    """Return 1x -> 5x -> 10x as steps of equal length."""
    return tuple(Step(f"{multiple}x", float(multiple), seconds_per_step) for multiple in growth.steps)


def step_at(steps: tuple[Step, ...], elapsed_seconds: float) -> Step | None:
    """Return the step that is on at a time, or ``None`` after the last one."""
    end = 0.0
    for step in steps:
        end += step.seconds
        if elapsed_seconds < end:
            return step
    return None


@dataclass(frozen=True)
class Crowd:
    """How many users of each side make a load: writers send commands, readers read."""

    writers: int
    readers: int

    @property
    def users(self) -> int:
        return self.writers + self.readers


def crowd_for(multiple: float, growth: Growth) -> Crowd:
    """Return the crowd whose arrivals add up to the multiple of the baseline, each user with its fixed rate."""
    return Crowd(
        writers=round(growth.orders_per_second * multiple / ARRIVALS_PER_USER),
        readers=round(growth.reads_per_second * multiple / ARRIVALS_PER_USER),
    )


@dataclass(frozen=True)
class Steering:
    """What a drill wants of a running Locust; ``None`` as multiple stops the load."""

    phase: str
    multiple: float | None

    def write(self, path: Path) -> None:
        """Replace the file in one step: the reader never sees half of it."""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"phase": self.phase, "multiple": self.multiple}), encoding="utf-8")
        os.replace(temporary, path)

    @classmethod
    def read(cls, path: Path) -> Steering:
        content = json.loads(path.read_text(encoding="utf-8"))
        multiple = content["multiple"]
        return cls(str(content["phase"]), None if multiple is None else float(multiple))
