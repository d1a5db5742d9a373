"""Histories of two and three Regions at both speeds: seeds of today, and those that failed once.

A seed that fails is printed with the smallest part of its history that fails, and with the command that plays it.
"""

from __future__ import annotations

import os
import time
from decimal import Decimal
from pathlib import Path

import pytest

from loadtests.simulation.clients import sent_of
from loadtests.simulation.history import History, generate
from loadtests.simulation.invariants import broken, without_zeros
from loadtests.simulation.judging import ENOUGH_FAILURES, Speed, faults_of, judge_seeds, play, stage
from loadtests.simulation.story import Story

REGRESSIONS = [
    line
    for line in (Path(__file__).parent / "histories.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
# Others in each run, so that CI goes on looking; printed, so that what it finds can be played again.
FRESH = int(os.environ.get("SIMULATION_SEED", int(time.time())))
FAST = int(os.environ.get("SIMULATION_FAST", "1200"))
HANDLERS = int(os.environ.get("SIMULATION_HANDLERS", "200"))


def assert_all_hold(seeds: range, speed: Speed) -> None:
    print(f"seeds {seeds.start} to {seeds.stop - 1} at {speed} speed (SIMULATION_SEED={FRESH})")
    _, _, _, failures = judge_seeds(seeds, speed)
    told = [f"seed {found.seed}: {found.faults[:3]}\n  {found.replay}\n  {found.again}" for found in failures]
    assert not failures, f"{len(failures)} histories (at most {ENOUGH_FAILURES} are shown)\n" + "\n".join(told)


@pytest.mark.parametrize("part", range(4))
def test_the_invariants_hold_after_any_fast_history(part: int) -> None:
    some = FAST // 4
    assert_all_hold(range(FRESH + part * some, FRESH + (part + 1) * some), "fast")


@pytest.mark.parametrize("part", range(4))
def test_the_invariants_hold_after_any_history_of_the_handlers(part: int) -> None:
    some = HANDLERS // 4
    assert_all_hold(range(FRESH + part * some, FRESH + (part + 1) * some), "handlers")


@pytest.mark.parametrize("speed", ["fast", "handlers"])
@pytest.mark.parametrize("text", REGRESSIONS, ids=range(len(REGRESSIONS)))
def test_what_failed_once_holds(text: str, speed: Speed) -> None:
    assert faults_of(History.parse(text), speed) == []


@pytest.mark.parametrize("seed", range(12))
def test_both_speeds_end_in_the_same_state(seed: int) -> None:
    """The fast adapters are no kinder than AWS's: without faults that count calls, a history ends in the same way."""
    history = generate(seed)
    counting = ("crash", "fail", "within", "race", "refuse", "twice", "rotate", "poison", "mute", "amid")
    history = history.part([place for place, step in enumerate(history.steps) if step.kind not in counting])
    fast, handlers = play(history, "fast"), play(history, "handlers")
    assert [(call.answer and call.answer.status) for call in fast.calls] == [
        (call.answer and call.answer.status) for call in handlers.calls
    ]
    for here, there in zip(fast.shores, handlers.shores, strict=True):
        assert here.rows() == there.rows()
        assert without_zeros(here.kpis()) == without_zeros(there.kpis())
        assert sorted(here.pending()) == sorted(there.pending())
        assert {key[1] for key, _ in here.contents()} == {key[1] for key, _ in there.contents()}


def test_a_history_is_the_same_each_time_and_reads_back_from_its_text() -> None:
    for seed in range(40):
        history = generate(seed)
        assert generate(seed) == history
        assert History.parse(str(history)) == history
    first, second = (play(generate(7), "handlers") for _ in range(2))
    assert first.calls == second.calls
    assert list(first.shores[0].contents()) == list(second.shores[0].contents())


@pytest.mark.parametrize("speed", ["fast", "handlers"])
def test_a_delivery_accepted_twice_over_different_items_is_flagged(speed: Speed) -> None:
    """A known limit: two Regions that know different items of an order accept one `delivered` that names none.

    Each copies the items that it knows and announces their total. The log converges on one of them, so listeners may
    have been told another total under the same event id (I10); a conflict that on-call can list tells so.
    """
    build, counts = stage(speed)
    counts.clear()
    story = Story(History(regions=2, orders=1, steps=()), build)
    for shore, status, price in zip(story.shores, ("created", "in_transit"), (10, 20), strict=True):
        items = [{"product": "p", "price": Decimal(price), "quantity": 1}]
        story.submit(shore, sent_of({"order_id": "o0", "status": status, "items": items}, None, session=0), 0)
        story.wait(1)
    delivered = sent_of({"order_id": "o0", "status": "delivered"}, None, session=0)
    for tries, shore in enumerate(story.shores):
        story.submit(shore, delivered, tries)
        story.wait(1)
    story.converge()
    assert list(broken(story)) == ["I10 the effect of delivered of o0 was announced otherwise than it is"]
    for shore in story.shores:
        assert shore.rows()["o0"].conflicts == ("delivered without items, and its order names different ones",)
