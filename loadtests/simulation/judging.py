"""Plays one history at a speed and says what was wrong with it; plays many, and makes what fails small."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from loadtests.simulation.history import History, generate
from loadtests.simulation.invariants import broken
from loadtests.simulation.shore import Shore
from loadtests.simulation.shrinking import shrink
from loadtests.simulation.story import Story
from loadtests.simulation.world import World

Speed = Literal["fast", "handlers"]
IN_ONE_PIECE: Final = 250  # histories that a process takes at once
ENOUGH_FAILURES: Final = 5


def stage(speed: Speed) -> tuple[Callable[[World, str], Shore], Any]:
    """What builds a Region at this speed, and what counted the product's metrics."""
    if speed == "fast":
        from loadtests.simulation.fast import FastShore, product  # noqa: PLC0415  # loads the product

        return FastShore, product().counts
    from loadtests.simulation.lambdas import LambdaShore  # noqa: PLC0415  # as above
    from loadtests.simulation.loading import counts  # noqa: PLC0415

    return LambdaShore, counts()


def play(history: History, speed: Speed) -> Story:
    """Let a history happen, to its end."""
    build, counts = stage(speed)
    counts.clear()
    world = Story(history, build)
    world.play()
    world.content_differs = counts["EffectContentDiffers"]
    return world


def faults_of(history: History, speed: Speed) -> list[str]:
    """What was wrong with a history; an error that nothing of the product should raise is wrong too."""
    try:
        return list(broken(play(history, speed)))
    except Exception as error:  # noqa: BLE001  # a history may have shown any bug
        return [f"raised {type(error).__name__}: {error} at {_place_of(error)}"]


def _place_of(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"


@dataclass(frozen=True)
class Failure:
    """A history that failed: its seed, what was wrong, and the smallest part of it that fails."""

    seed: int
    speed: Speed
    faults: list[str]
    smallest: str

    @property
    def replay(self) -> str:
        """The command that plays the smallest part again."""
        return f"relevo simulate --speed {self.speed} --replay '{self.smallest}'"

    @property
    def again(self) -> str:
        """The command that plays the whole history again."""
        return f"relevo simulate --speed {self.speed} --seed {self.seed} --histories 1"


@dataclass
class Report:
    """What came of many histories."""

    speed: Speed
    first_seed: int
    histories: int = 0
    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        per_minute = 60 * self.histories / self.cpu_seconds if self.cpu_seconds else 0.0
        return {
            **asdict(self),
            "failures": [asdict(found) | {"replay": found.replay} for found in self.failures],
            "per_minute_of_one_core": round(per_minute),
        }


def failure_of(seed: int, history: History, speed: Speed, faults: list[str]) -> Failure:
    """Make a failing history small: what is left fails in the same way."""
    kind = kind_of(faults[0])
    small = shrink(history, lambda part: any(kind_of(fault) == kind for fault in faults_of(part, speed)))
    return Failure(seed, speed, faults_of(small, speed), str(small))


def kind_of(fault: str) -> str:
    """The first words of a fault: the invariant, mostly."""
    return " ".join(fault.split()[:1])


def judge_seeds(seeds: range, speed: Speed) -> tuple[int, int, float, list[Failure]]:
    """Play the histories of some seeds; returns how many, their steps, the processor time, and what failed."""
    started = time.process_time()
    steps, failures = 0, []
    for seed in seeds:
        history = generate(seed)
        steps += len(history.steps)
        if faults := faults_of(history, speed):
            failures.append(failure_of(seed, history, speed, faults))
            if len(failures) == ENOUGH_FAILURES:
                break
    return len(seeds), steps, time.process_time() - started, failures


def run(
    histories: int, seed: int, speed: Speed, *, jobs: int = 1, tell: Callable[[Report], None] = lambda _: None
) -> Report:
    """Play so many histories from a seed on, in so many processes; ends early after a few failures."""
    report = Report(speed, seed)
    started = time.monotonic()
    pieces = [
        range(first, min(first + IN_ONE_PIECE, seed + histories))
        for first in range(seed, seed + histories, IN_ONE_PIECE)
    ]
    for count, steps, cpu_seconds, failures in _judged(pieces, speed, jobs):
        report.histories += count
        report.steps += steps
        report.cpu_seconds += cpu_seconds
        report.failures += failures
        report.seconds = time.monotonic() - started
        tell(report)
        if len(report.failures) >= ENOUGH_FAILURES:
            break
    return report


def _judged(pieces: list[range], speed: Speed, jobs: int) -> Iterator[tuple[int, int, float, list[Failure]]]:
    if jobs == 1:
        yield from (judge_seeds(piece, speed) for piece in pieces)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(judge_seeds, pieces, [speed] * len(pieces))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
