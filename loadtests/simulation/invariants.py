"""What has to hold when a history has come to rest: I1 to I5, I7 and I10, and what was noted while it happened.

Nothing of the product's fold is used to say what an order is: that is the judge's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Any

from loadtests.drills.fold import precedence, summarize
from loadtests.simulation.checker import contradictions
from loadtests.simulation.clients import Sent
from loadtests.simulation.shore import Shore
from loadtests.simulation.world import World
from shared.adapters.items import event_to_plain
from shared.domain.effects import Effect, effect_of
from shared.domain.kpis import Figures, contribution_of, movements
from shared.domain.orders import Event, OrderState, fold, publishable
from shared.topology import TOPOLOGY

Contents = dict[tuple[str, str], Event | Effect]


def broken(world: World) -> Iterator[str]:
    """Each invariant that does not hold, in words."""
    yield from world.faults
    yield from contradictions(world.calls, world.sent)
    first, *others = [dict(shore.contents()) for shore in world.shores]
    # I3: replicas are equal.
    for shore, contents in zip(world.shores[1:], others, strict=True):
        for key in sorted(first.keys() | contents.keys()):
            if first.get(key) != contents.get(key):
                yield f"I3 {key} differs between {world.shores[0].name} and {shore.name}"
    events = {key[1].removeprefix("EVENT#"): found for key, found in first.items() if isinstance(found, Event)}
    effects: dict[str, Effect] = {}
    for found in first.values():
        if isinstance(found, Effect) and effects.setdefault(found.event_id, found) is not found:
            yield f"I2 {found.status} of {found.order_id} ({found.event_id[:8]}) has two effects"
    by_order: dict[str, list[Event]] = defaultdict(list)
    for event in events.values():
        by_order[event.order_id].append(event)
    yield from _acknowledged(world, events)
    yield from _effects(world, events, effects, by_order)
    states: dict[str, OrderState] = {}
    for order_id, of_order in by_order.items():
        state = fold(of_order)
        if state is not None:
            states[order_id] = state
            yield from _folds(of_order, state)
    yield from _views(world, states, events, effects)
    if not world.disturbed:
        for shore in world.shores:
            yield from _lanes(shore, events)


def _acknowledged(world: World, events: Mapping[str, Event]) -> Iterator[str]:
    """I1: what was acknowledged is in the log as it was sent, and a Region never overwrites what it wrote."""
    for call in world.calls:
        if call.sent is None or call.answer is None or call.answer.status not in (200, 201):
            continue
        event = events.get(call.sent.event_id)
        if event is None:
            yield f"I1 {call.sent.status} of {call.order_id} was acknowledged by {call.region} and is lost"
        elif not _says(event, call.sent):
            yield f"I1 {call.sent.status} of {call.order_id} is not in the log as it was sent"
    for shore in world.shores:
        for key in shore.log.overwritten:
            if not key[0].startswith("HEARTBEAT#"):
                yield f"I1 {shore.name} overwrote {key}"


def _says(event: Event, sent: Sent) -> bool:
    lines = tuple((item.product, item.price, item.quantity) for item in event.items)
    wanted = tuple((line["product"], line["price"], line["quantity"]) for line in sent.body.get("items", ()))
    return (
        (event.subject, event.status, event.idempotency_key, event.courier, event.attempt)
        == (sent.subject, sent.status, sent.key, sent.body.get("courier"), sent.body.get("attempt"))
        and (lines == wanted or (event.copied_items and not wanted))
    )  # fmt: skip


def _effects(
    world: World, events: Mapping[str, Event], effects: Mapping[str, Effect], by_order: Mapping[str, list[Event]]
) -> Iterator[str]:  # fmt: skip
    """I2 and I10: each event has its one effect, the pure function of it, announced; some wait for their items."""
    complete = {}
    for event in events.values():
        found = publishable(event, by_order[event.order_id])
        if found is not None:
            complete[event.event_id] = found
    for event_id in sorted(effects.keys() - complete.keys()):
        yield f"I2 there is an effect of {event_id[:8]} without an event that could have one"
    for event_id, event in complete.items():
        if event_id not in effects:
            yield f"I2 {event.status} of {event.order_id} ({event_id[:8]}) has no effect"
        elif effects[event_id].content != effect_of(event, origin_region="", recorded_at=event.recorded_at).content:
            yield f"I2 the effect of {event.status} of {event.order_id} is not the function of its event"
    if world.content_differs:
        yield f"I2 {world.content_differs} effects would have changed"
    for event_id, effect in effects.items():
        hashes = set(world.announced[event_id])
        if not hashes:
            yield f"I10 the effect of {effect.status} of {effect.order_id} ({event_id[:8]}) was never announced"
        elif hashes != {effect.content_hash}:
            yield f"I10 the effect of {effect.status} of {effect.order_id} was announced otherwise than it is"
    for event_id in sorted(world.announced.keys() - effects.keys()):
        yield f"I10 an effect of {event_id[:8]} was announced that is in no log"


def _folds(found: Sequence[Event], state: OrderState) -> Iterator[str]:
    """I3: the same state for every order of arrival, and the state that the judge's own rules give."""
    if fold(reversed(found)) != state:
        yield f"I3 the fold of {state.order_id} depends on the order of its events"
    plain = [event_to_plain(event) for event in found]
    summary = summarize(plain)
    if (summary.status, summary.total, summary.day) != (state.status, state.total, state.day):
        yield f"I3 {state.order_id} folds to {state.status}, {state.total}, {state.day}, and should be {summary}"
    if state.status_from != max(plain, key=precedence)["event_id"]:
        yield f"I3 {state.order_id} has its status from another event than the rules say"


def _views(
    world: World, states: Mapping[str, OrderState], events: Mapping[str, Event], effects: Mapping[str, Effect]
) -> Iterator[str]:
    """I4: rows equal the folds, figures what counting everything again gives, and no work is left."""
    figures = without_zeros(figures_of(states.values()))
    waiting = {event_id for event_id, event in events.items() if event.status == "delivered" and not event.items}
    for shore in world.shores:
        rows = shore.rows()
        for order_id in sorted(states.keys() | rows.keys()):
            if rows.get(order_id) != states.get(order_id):
                yield f"I4 the row of {order_id} in {shore.name} is not the fold of the log"
        counted = without_zeros(shore.kpis())
        for key in counted.keys() | figures.keys():
            if counted.get(key) != figures.get(key):
                yield f"I4 the figures of {key[0]} in {shore.name} are {counted.get(key)}, not {figures.get(key)}"
        for whose, event_id in shore.pending():
            if event_id in effects or event_id not in waiting:
                yield f"I2 work on {event_id[:8]} is left pending for {whose} in {shore.name}"


def figures_of(states: Iterable[OrderState]) -> dict[tuple[date, int], Figures]:
    counted: dict[tuple[date, int], Figures] = defaultdict(lambda: defaultdict(Decimal))
    for state in states:
        for key, figures in movements(None, contribution_of(state, TOPOLOGY.kpi_items)).items():
            for name, amount in figures.items():
                counted[key][name] += amount
    return counted


def without_zeros(figures: Mapping[Any, Figures]) -> dict[Any, Figures]:
    kept = {key: {name: amount for name, amount in found.items() if amount} for key, found in figures.items()}
    return {key: found for key, found in kept.items() if found}


def _lanes(shore: Shore, events: Mapping[str, Event]) -> Iterator[str]:
    """I5: while nothing was taken over, parked or dead-lettered, effects of a lane come in the order of arrival.

    Of two commands that were under way at once, either may be said to have arrived first.
    """
    for (order_id, status), lane in shore.arrivals().items():
        done = [
            (events[event_id].recorded_at, shore.first_done[event_id])
            for event_id in lane
            if event_id in shore.first_done and events[event_id].origin_region == shore.name
        ]
        if any(earlier[0] < later[0] and earlier[1] > later[1] for earlier, later in combinations(done, 2)):
            yield f"I5 effects of {status} of {order_id} in {shore.name} did not come in the order of arrival"


def undone(survivor: Shore, announced: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """I2 and I10 of what a survivor knows: effects are there and announced, or it has tried and will try again."""
    known = [found for _, found in survivor.contents()]
    events = [found for found in known if isinstance(found, Event)]
    effects = {found.event_id for found in known if isinstance(found, Effect)}
    trying = {event_id for whose, event_id in survivor.pending() if whose.startswith(survivor.name)}
    for event in events:
        complete = publishable(event, [other for other in events if other.order_id == event.order_id])
        if complete is not None and event.event_id not in effects | trying:
            yield f"I2 {survivor.name}, alone, left {event.status} of {event.order_id} without its effect"
    for event_id in sorted(effects - trying - {found for found, said in announced.items() if said}):
        yield f"I10 {survivor.name}, alone, left the effect of {event_id[:8]} unannounced"
