"""Faults that wait in a Region until something runs into them, and Regions that are lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from loadtests.simulation.history import LARGEST_SALT, Salt, Step
from loadtests.simulation.shore import Shore

CALLS_BEFORE_A_FAULT: Final = 24
CALLS_BEFORE_A_RACE: Final = 12
# What may run while another function waits for AWS.
WITHIN: Final = ("send", "retry", "read", "replicate", "relay", "process", "look", "reconcile", "replicate", "relay")


# The same, of what a webhook's call rests on.
AMID: Final = ("secret", "subscribe", "turn", "tell", "replicate", "relay", "send")


def within(kinds: Sequence[str]) -> Callable[[Shore, Salt], None]:
    def arm_it(shore: Shore, salt: Salt) -> None:
        shore.interrupt_in = 1 + salt.pick(CALLS_BEFORE_A_RACE)
        kind = kinds[salt.pick(len(kinds))]
        regions = shore.world.shores
        where = regions.index(shore) if salt.pick(2) else salt.pick(len(regions))
        shore.interruption = Step(kind, where, salt.pick(LARGEST_SALT))

    return arm_it


def race(shore: Shore, salt: Salt) -> None:
    shore.interrupt_in = 1 + salt.pick(CALLS_BEFORE_A_RACE)
    shore.interruption = Step("reconcile", shore.world.shores.index(shore), salt.pick(LARGEST_SALT))


def lose(shore: Shore, _: Salt) -> None:
    if shore.up:
        shore.up, shore.seen_up_at = False, shore.world.now


def arm(name: str, most: int) -> Callable[[Shore, Salt], None]:
    return lambda shore, salt: setattr(shore, name, 1 + salt.pick(most))


def put(name: str, value: object) -> Callable[[Shore, Salt], None]:
    return lambda shore, _: setattr(shore, name, value)


def void(_: object) -> None:
    """Nobody asks what came of it."""


FAULTS: Final[dict[str, Callable[[Shore, Salt], None]]] = {
    "skew": lambda shore, salt: setattr(shore, "skew", timedelta(seconds=salt.pick(600) - 300)),
    "crash": arm("kill_in", CALLS_BEFORE_A_FAULT),
    "fail": arm("fail_in", CALLS_BEFORE_A_FAULT),
    "within": within(WITHIN),
    "amid": within(AMID),
    "race": race,
    "refuse": arm("refusals", 4),
    "mute": put("mute", True),
    "twice": put("twice", True),
    "lose": lose,
    "back": put("up", True),
    "restart": lambda shore, _: shore.restart(),
}
