"""The invariants over seeded histories of two Regions. A seed that fails is a history to read: run it by its number."""

from __future__ import annotations

import importlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Executor
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from shared.domain.effects import effect_of
from shared.domain.kpis import contribution_of, movements
from shared.domain.orders import Event, fold, publishable
from shared.domain.takeover import Register
from tests.component.aws import ENVIRONMENT
from tests.simulation.replica import KPI_ITEMS
from tests.simulation.world import EAST, WEST, World

SEEDS = range(int(os.environ.get("SIMULATION_SEEDS", "240")))
CALM = ["send", "send", "send again", "relay", "relay", "relay", "process", "process", "replicate", "replicate", "look"]
STORMY = [*CALM, "partition", "lose"]


class InlinePool(Executor):
    """Runs at once what a pool would run beside others, so that a history depends on its seed alone."""

    def __init__(self, *_: object) -> None:
        pass

    def map(self, call: Any, *values: Any, **_: Any) -> Iterator[Any]:
        return iter([call(*each) for each in zip(*values, strict=True)])

    def submit(self, call: Any, /, *values: Any, **named: Any) -> Any:
        call(*values, **named)
        return InlinePool

    @staticmethod
    def result() -> None:
        pass


class Counted(Counter[str]):
    """In place of the metrics."""

    def add_metric(self, *, name: str, unit: object, value: float) -> None:
        self[name] += round(value)


class Quiet:
    """In place of the logger."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


@pytest.fixture(scope="module")
def counts() -> Counted:
    return Counted()


@pytest.fixture(scope="module")
def handlers(counts: Counted) -> Iterator[dict[str, ModuleType]]:
    """The modules of the product's functions, counting and logging nowhere, one thing at a time."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "EVENT_TOPIC_ARN": "arn", "KEYRING_SECRET_ARN": "arn"}.items():
            patch.setenv(name, value)
        names = ("registration", "relay", "processor", "sentinel", "pending_work")
        found = {name: importlib.import_module(f"regions.handlers.{name}") for name in names}
        for module in found.values():
            for name, stand_in in (("ThreadPoolExecutor", InlinePool), ("metrics", counts), ("logger", Quiet())):
                if hasattr(module, name):
                    patch.setattr(module, name, stand_in)
        yield found


def heal(world: World) -> None:
    """No more faults; a drained Region is readmitted by hand."""
    world.kill_rate = world.refusal_rate = world.repeat_rate = 0.0
    world.partitioned = False
    for shore in world.shores.values():
        shore.up = True
    world.spread_register()
    for shore in world.shores.values():
        shore.registered = Register()
    world.register_writes.clear()


def converge(world: World) -> None:
    heal(world)
    world.let_work(rounds=8)
    for shore in world.shores.values():  # what had used up its tries: on-call unparks it
        for work in shore.view.work.values():
            if work.get("pending_region") == f"{shore.name}#parked":
                work.update(pending_region=shore.name, attempt=0, due_at="2026-01-01T00:00:00.000Z")
    world.let_work(rounds=3)
    world.let_work(rounds=2, seconds=1600)
    world.let_work(rounds=2)


def of_kind(log: dict[tuple[str, str], Any], kind: str) -> dict[str, Any]:
    return {sort.removeprefix(kind): content for (_, sort), content in log.items() if sort.startswith(kind)}


def figures_of(states: dict[str, Any]) -> dict[Any, dict[str, Decimal]]:
    counted: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for state in states.values():
        for key, figures in movements(None, contribution_of(state, KPI_ITEMS)).items():
            for name, amount in figures.items():
                counted[key][name] += amount
    return without_zeros(counted)


def without_zeros(figures: dict[Any, dict[str, Decimal]]) -> dict[Any, dict[str, Decimal]]:
    kept = {key: {name: amount for name, amount in found.items() if amount} for key, found in figures.items()}
    return {key: found for key, found in kept.items() if found}


def assert_invariants(world: World, counts: Counted) -> None:
    east, west = (world.shores[name] for name in (EAST, WEST))
    logs = [
        {k: content for k, (_, content) in shore.log.stored.items() if k[1] != "HEARTBEAT"} for shore in (east, west)
    ]
    events, effects = of_kind(logs[0], "EVENT#"), of_kind(logs[0], "EFFECT#")
    # I1 what was acknowledged is in the log, as it was sent.
    for event_id, command in world.acknowledged.items():
        assert (events[event_id].body_hash, events[event_id].status) == (command.body_hash, command.status)
    # I3 the replicas are equal, and so are their folds.
    assert logs[0] == logs[1]
    by_order: dict[str, list[Event]] = defaultdict(list)
    for event in events.values():
        by_order[event.order_id].append(event)
    # I2 each event has its one effect, the pure function of the event; only a `delivered` without items may wait.
    complete = {e.event_id: e for e in (publishable(event, by_order[event.order_id]) for event in events.values()) if e}
    assert set(effects) == set(complete)
    for event_id, event in complete.items():
        assert effects[event_id].content == effect_of(event, origin_region="", recorded_at=event.recorded_at).content
    assert counts["EffectContentDiffers"] == 0
    # I10 each effect was announced, always with the same content.
    assert set(world.announced) == set(effects)
    assert all(set(hashes) == {effects[event_id].content_hash} for event_id, hashes in world.announced.items())
    # I4 the views equal the folds, the figures what counting everything again gives, and no work is left.
    states = {order_id: fold(found) for order_id, found in by_order.items()}
    for shore in (east, west):
        assert {order_id: row.state for order_id, row in shore.view.stored_rows.items()} == states
        assert without_zeros(shore.view.figures) == figures_of(states)
        left = {work.event_id for name in (EAST, WEST) for work in shore.view.pending(name)}
        assert left == set(events) - set(complete)
    # I7 a Region sent clients away only while it had seen the other one serve.
    assert world.shed["in vain"] == 0
    assert set(world.refused) <= {409}


@pytest.mark.parametrize("block", range(8))
def test_the_invariants_hold_after_any_history(handlers: dict[str, ModuleType], counts: Counted, block: int) -> None:
    for seed in SEEDS[block::8]:
        world = World(seed, handlers)
        for _ in range(world.rng.randint(40, 160)):
            world.tick(STORMY)
        converge(world)
        try:
            assert_invariants(world, counts)
        except AssertionError as failure:
            raise AssertionError(f"seed {seed}") from failure


def test_a_survivor_does_and_announces_the_work_that_reached_it(
    handlers: dict[str, ModuleType], counts: Counted
) -> None:
    """One Region is lost for good in mid-work: within minutes the other one has done all that it knows of."""
    taken_over = counts["TakenOver"]
    for seed in SEEDS[: len(SEEDS) // 4]:
        world = World(10_000 + seed, handlers)
        for _ in range(world.rng.randint(30, 80)):
            world.tick(CALM)
        lost, survivor = (world.shores[name] for name in world.rng.sample([EAST, WEST], 2))
        lost.up = False
        world.kill_rate = world.refusal_rate = 0.0
        world.replicate(lost, world.rng.random())
        world.partitioned = True
        world.let_work(rounds=12)
        assert survivor.registered.draining == lost.name
        log = {key: content for key, (_, content) in survivor.log.stored.items()}
        events, effects = of_kind(log, "EVENT#"), of_kind(log, "EFFECT#")
        wanted = {
            event_id
            for event_id, event in events.items()
            if publishable(event, [other for other in events.values() if other.order_id == event.order_id])
        }
        waiting = {work.event_id for work in survivor.view.pending(survivor.name)}  # tried, and due again later
        assert wanted - set(effects) <= waiting, f"seed {seed}"
        assert set(effects) - waiting <= set(world.announced), f"seed {seed}"
        tried_here = {
            event_id for event_id in waiting if survivor.view.work[events[event_id].order_id, event_id]["attempt"]
        }
        assert waiting <= tried_here | (set(events) - wanted), f"seed {seed}"
        world.waiting.clear()
        converge(world)
        assert_invariants(world, counts)
    assert counts["TakenOver"] > taken_over


def test_effects_of_one_order_and_status_come_in_the_order_of_arrival(handlers: dict[str, ModuleType]) -> None:
    """I5, while nothing is taken over or parked: services are ill and functions are killed, but no Region is lost."""
    compared = 0
    for seed in SEEDS[: len(SEEDS) // 4]:
        world = World(20_000 + seed, handlers)
        for _ in range(120):
            world.tick(CALM)
            world.partitioned = False
        for shore in world.shores.values():
            shore.view.seen_guard = None
        heal(world)
        world.let_work(rounds=30)
        for shore in world.shores.values():
            arrived: dict[tuple[str, str], list[str]] = defaultdict(list)
            for _, content in shore.log.stream:
                if getattr(content, "body_hash", None) and content.origin_region == shore.name:
                    lane = arrived[content.order_id, content.status]
                    lane.extend([content.event_id] if content.event_id not in lane else [])
            first = {event_id: place for place, event_id in reversed(list(enumerate(shore.processed)))}
            for lane in arrived.values():
                done = [event_id for event_id in lane if event_id in first]
                compared += len(done) > 1
                assert done == sorted(done, key=lambda event_id: first[event_id]), f"seed {20_000 + seed}"
    assert compared > 3
