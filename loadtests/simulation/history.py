"""What happens in one history: explicit steps, drawn from a seed or read from a text, so that any part can be replayed.

Faults are steps of their own and a step means something whatever came before it, so every subset of a history is one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    "send": 12, "next": 2, "retry": 5, "read": 4, "replicate": 10, "relay": 14, "process": 10, "look": 6, "wait": 6,
}  # fmt: skip
# Of these every history has some kinds only: a fault met in every second step hides what one of them does alone.
FAULTS: Final[dict[str, float]] = {
    "crash": 4,  # the function that runs is killed between two AWS calls
    "within": 8,  # another function runs between two AWS calls of the one that runs
    "race": 3,  # the same, and it projects an order that the other one may be projecting
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
    "reconcile": 2,  # an order is projected beside the relay
    "rotate": 3,  # the next step of a key rotation
    "restart": 2,  # a Region's functions start cold
    "long": 2,  # minutes pass
    "bury": 0.7,  # a Region is lost for good, as far as anybody knows: the other one does what it can
}
# In some histories client systems want to be called; at the fast speed nobody hears them.
HEARING: Final = {
    "tell": 8,  # the webhook function
    "subscribe": 2,
    "secret": 3,  # the next step of the rotation of a system's secret
    "turn": 3,  # a receiver takes calls, refuses them, hangs, is gone
    "tire": 1,  # what waits for a call is given up
    "resend": 2,  # what was given up
    "amid": 3,  # something of these happens between two AWS calls of the function that runs
}
HEARD: Final = 0.3
# From an order to its call, in one Region.
ONE_CALL: Final[tuple[tuple[str, int | None], ...]] = (
    ("send", None), ("relay", 6), ("relay", 7), ("process", None), ("relay", 6), ("relay", 7), ("amid", None),
    ("tell", None),
)  # fmt: skip
SHORTEST, LONGEST = 8, 48


@dataclass(frozen=True)
class History:
    """Steps for so many Regions and orders."""

    regions: int
    orders: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " ".join([f"{self.regions}x{self.orders}", *map(str, self.steps)])

    @classmethod
    def parse(cls, text: str) -> History:
        """Read a history from its text; raises ``HistoryError``."""
        size, *words = text.split() or [""]
        try:
            steps = tuple(Step(kind, int(region), int(salt)) for kind, region, salt in (w.split(":") for w in words))
            regions, orders = map(int, size.split("x"))
        except ValueError as error:
            raise HistoryError(f"not a history: {error}") from error
        unknown = {step.kind for step in steps} - {*WORK, *FAULTS, *HEARING, "skew"}
        if unknown or not 2 <= regions <= 3 or orders < 1:
            raise HistoryError(f"not a history: {', '.join(sorted(unknown)) or f'{regions} Regions, {orders} orders'}")
        return cls(regions, orders, steps)

    def part(self, kept: Sequence[int]) -> History:
        """Only some of the steps, by their places."""
        return replace(self, steps=tuple(self.steps[place] for place in kept))


# What rarely happens by chance, but is what the product is for. A and B are Regions; a number chooses the details.
LONG_ENOUGH: Final = ("wait", "A", 6)  # a minute: what was sent is late, a heartbeat is old
EPISODES: Final[dict[str, tuple[tuple[str, str, int | None], ...]]] = {
    "loss": (
        ("look", "B", None), ("lose", "A", None), ("replicate", "A", None), ("relay", "B", 6), ("relay", "B", 7),
        LONG_ENOUGH, ("look", "B", None), ("wait", "A", 3), ("look", "B", None), ("look", "B", None),
        ("process", "B", None), ("process", "B", None), ("relay", "B", None), LONG_ENOUGH, ("look", "B", None),
        ("back", "A", None), ("look", "A", None), ("relay", "A", 6), ("relay", "A", 7), ("process", "A", None),
    ),
    "partition": (
        ("look", "A", None), ("look", "B", None), ("cut", "A", None), LONG_ENOUGH, ("look", "A", None),
        ("look", "B", None), ("send", "A", None), ("send", "B", None), LONG_ENOUGH, ("look", "A", None),
        ("look", "B", None), ("relay", "A", None), ("relay", "B", None), ("mend", "A", None),
        ("replicate", "A", None), ("replicate", "B", None), ("look", "B", None), ("look", "A", None),
    ),
    "drain": (
        ("drain", "A", None), ("replicate", "B", 2), ("look", "A", None), ("look", "B", None), LONG_ENOUGH,
        ("look", "A", None), ("send", "A", None), ("send", "A", None), ("long", "A", 1), ("look", "B", None),
        ("look", "A", None), ("replicate", "A", 2), ("replicate", "B", 2), ("readmit", "A", None),
    ),
    "refusal": (
        ("refuse", "A", None), ("send", "A", None), ("relay", "A", None), ("next", "A", None), ("next", "A", None),
        ("relay", "A", 6), ("relay", "A", 7), LONG_ENOUGH, ("look", "A", None), ("next", "A", None),
        ("relay", "A", 6), ("relay", "A", 7), ("process", "A", None), ("look", "A", None), ("process", "A", None),
    ),
    "rotation": (
        ("rotate", "A", 2), ("rotate", "A", 1), ("rotate", "A", 1), ("send", "A", None), ("read", "B", None),
        ("long", "A", 0), ("rotate", "A", 2), ("send", "A", None), ("read", "B", None), ("send", "B", None),
        ("rotate", "A", 1), ("rotate", "A", 1), ("send", "B", None), ("read", "A", None), ("long", "A", 2),
        ("long", "A", 2), ("read", "A", None), ("rotate", "A", 2), ("rotate", "A", 1), ("send", "A", None),
        ("read", "B", None),
    ),
    "race": (
        ("send", "A", None), ("race", "A", None), ("relay", "A", 6), ("relay", "A", 7), ("next", "A", None),
        ("race", "A", None), ("relay", "A", 6), ("relay", "A", 7), ("replicate", "A", 2), ("race", "B", None),
        ("relay", "B", 6), ("relay", "B", 7),
    ),
}  # fmt: skip


def generate(seed: int) -> History:
    """Draw a history: a seed is always the same one."""
    rng = random.Random(seed)
    regions = 3 if rng.random() < 0.15 else 2
    kinds: dict[str, float] = dict(WORK)
    chosen = rng.sample(sorted(FAULTS), rng.randrange(0, 9))
    # What breaks comes with what mends it, or the rest of the history is spent broken.
    for breaking, mending in (("cut", "mend"), ("lose", "back"), ("drain", "readmit"), ("poison", "redrive")):
        if breaking in chosen and mending not in chosen and rng.random() < 0.7:
            chosen.append(mending)
    kinds.update((kind, FAULTS[kind]) for kind in chosen)
    steps: list[Step] = []
    length = int(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
    for kind in rng.choices(list(kinds), list(kinds.values()), k=length):
        steps.append(Step(kind, int(rng.random() * regions), int(rng.random() * LARGEST_SALT)))  # noqa: PERF401
    if rng.random() < 0.4:
        steps = _with_episode(rng, steps, regions)
    if rng.random() < 0.6:  # clocks are minutes apart, from the start
        steps = [*(Step("skew", region, rng.randrange(600)) for region in range(regions)), *steps]
    orders = rng.choice((1, 1, 2, 4))
    if rng.random() < HEARD:
        steps = _with_systems(rng, steps, regions)
    return History(regions, orders, tuple(steps))


def _with_systems(rng: random.Random, steps: list[Step], regions: int) -> list[Step]:
    """Client systems subscribe, mostly before anything else and known everywhere, and are called among the others."""

    def drawn(kind: str) -> Step:
        return Step(kind, int(rng.random() * regions), int(rng.random() * LARGEST_SALT))

    for kind in rng.choices(list(HEARING), list(HEARING.values()), k=2 + int(rng.random() * len(steps) / 2)):
        steps.insert(rng.randrange(len(steps) + 1), drawn(kind))
    for _ in range(rng.randrange(3)):
        region, place = int(rng.random() * regions), rng.randrange(len(steps) + 1)
        steps[place:place] = [
            Step(kind, region, int(rng.random() * LARGEST_SALT) if salt is None else salt) for kind, salt in ONE_CALL
        ]
    if rng.random() < 0.8:
        settled = [*(Step("replicate", region, to) for region in range(regions) for to in (4, 5)), Step("wait", 0, 5)]
        steps[:0] = [*(drawn("subscribe") for _ in range(rng.randrange(1, 4))), *settled]
    return steps


def _with_episode(rng: random.Random, steps: list[Step], regions: int) -> list[Step]:
    """Something that takes many steps happens somewhere among the others."""
    roles = dict(zip("AB", rng.sample(range(regions), 2), strict=True))
    episode = [
        Step(kind, roles[role], int(rng.random() * LARGEST_SALT) if salt is None else salt)
        for kind, role, salt in EPISODES[rng.choice(sorted(EPISODES))]
    ]
    # At once, or spread over what else happens from some place on.
    start, width = rng.randrange(len(steps) + 1), rng.choice((1, 1, len(steps)))
    places = sorted(min(start + rng.randrange(width), len(steps)) for _ in episode)
    for moved, (place, step) in enumerate(zip(places, episode, strict=True)):
        steps.insert(place + moved, step)
    return steps
