"""What happens in one history: explicit steps, drawn from a seed or read from a text, so that any part can be replayed.

Faults are steps of their own and a step means something whatever came before it, so every subset of a history is one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


class HistoryError(ValueError):
    """The text is not a history."""


class Step(NamedTuple):
    """One thing that happens, in a Region (by number); ``salt`` decides its details."""

    kind: str
    region: int
    salt: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.region}:{self.salt}"


class Salt:
    """Draws small numbers from one large one: the details of a step."""

    def __init__(self, salt: int) -> None:
        self._left = salt

    def pick(self, choices: int) -> int:
        """A number below ``choices``."""
        self._left, found = divmod(self._left, choices)
        return found

    def one_in(self, choices: int) -> bool:
        return self.pick(choices) == choices - 1


LARGEST_SALT: Final = 10**9
# How often each kind is drawn. Work happens in every history.
WORK: Final = {
    "send": 12, "retry": 5, "read": 4, "replicate": 10, "relay": 14, "process": 10, "look": 6, "wait": 6,
}  # fmt: skip
# Of these every history has some kinds only: a fault met in every second step hides what one of them does alone.
FAULTS: Final = {
    "crash": 4,  # the function that runs is killed between two AWS calls
    "within": 8,  # another function runs between two AWS calls of the one that runs
    "refuse": 3,  # the topic or the bus refuses
    "fail": 3,  # DynamoDB answers with an error
    "mute": 3,  # an answer is lost on its way to the client
    "twice": 3,  # a batch, message or replicated write comes once more
    "cut": 2,  # replication and sight between the Regions
    "mend": 2,
    "lose": 2,  # a Region's compute
    "back": 3,
    "drain": 1,  # by an operator
    "readmit": 2,
    "poison": 1,  # a message, or an item in the log, that cannot be read
    "redrive": 2,
    "unpark": 1,
    "rotate": 3,  # the next step of a key rotation
    "restart": 2,  # a Region's functions start cold
    "long": 2,  # minutes pass
}
SHORTEST, LONGEST = 8, 64


@dataclass(frozen=True)
class History:
    """Steps for so many Regions."""

    regions: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " ".join([str(self.regions), *map(str, self.steps)])

    @classmethod
    def parse(cls, text: str) -> History:
        """Read a history from its text; raises ``HistoryError``."""
        regions, *words = text.split() or [""]
        try:
            steps = tuple(Step(kind, int(region), int(salt)) for kind, region, salt in (w.split(":") for w in words))
            found = cls(int(regions), steps)
        except ValueError as error:
            raise HistoryError(f"not a history: {error}") from error
        unknown = {step.kind for step in steps} - {*WORK, *FAULTS, "skew"}
        if unknown or not 2 <= found.regions <= 3:
            raise HistoryError(f"not a history: {', '.join(sorted(unknown)) or f'{regions} Regions'}")
        return found

    def part(self, kept: Sequence[int]) -> History:
        """Only some of the steps, by their places."""
        return History(self.regions, tuple(self.steps[place] for place in kept))


def generate(seed: int) -> History:
    """Draw a history: a seed is always the same one."""
    rng = random.Random(seed)
    regions = 3 if rng.random() < 0.15 else 2
    kinds = dict(WORK)
    chosen = rng.sample(sorted(FAULTS), rng.randrange(0, 9))
    # What breaks comes with what mends it, or the rest of the history is spent broken.
    for breaking, mending in (("cut", "mend"), ("lose", "back"), ("drain", "readmit"), ("poison", "redrive")):
        if breaking in chosen and mending not in chosen and rng.random() < 0.7:
            chosen.append(mending)
    kinds.update((kind, FAULTS[kind]) for kind in chosen)
    steps: list[Step] = []
    if rng.random() < 0.6:  # clocks are minutes apart, from the start
        steps.extend(Step("skew", region, rng.randrange(600)) for region in range(regions))
    names, weights = list(kinds), list(kinds.values())
    length = int(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
    for kind in rng.choices(names, weights, k=length):
        region = int(rng.random() * regions)
        steps.append(Step(kind, region, int(rng.random() * LARGEST_SALT)))
    return History(regions, tuple(steps))
