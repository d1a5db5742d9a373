"""The checker is proved: with a guard taken out of the product, the simulator finds a broken invariant soon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from loadtests.simulation import fast, memory_log, memory_view
from loadtests.simulation.history import generate
from loadtests.simulation.judging import faults_of
from shared.adapters import items, projection
from shared.domain import orders, takeover
from shared.domain.effects import Effect
from shared.domain.orders import Event, OrderState

Patch = pytest.MonkeyPatch


def inserts_overwrite(patch: Patch) -> None:
    def insert(self: Any, key: Any, content: Any) -> bool:
        self._step()
        self.replica.put(key, content)
        self._step()
        return True

    patch.setattr(memory_log.MemoryLog, "_insert", insert)


def effects_have_keys_of_their_own(patch: Patch) -> None:
    def record(self: Any, effect: Effect) -> str:
        key = items.effect_key(f"{effect.event_id}#{effect.origin_region}")
        return "written" if self._insert((effect.order_id, key), effect) else "already there"

    patch.setattr(memory_log.MemoryLog, "record_effect", record)


def every_region_publishes(patch: Patch) -> None:
    relay = fast.product()["relay"].Relay
    publish = relay._publish

    def everything(self: Any, events: Sequence[Event], *more: Any) -> Any:
        return publish(self, [replace(event, origin_region=self.region) for event in events], *more)

    patch.setattr(relay, "_publish", everything)


def rows_are_replaced_blindly(patch: Patch) -> None:
    replace_row = memory_view.MemoryView.replace_row

    def blindly(self: Any, before: Any, state: OrderState, **more: Any) -> None:
        self._step()
        current = self.stored_rows.get(state.order_id)
        if current is not None and before is not None:
            before = replace(before, version=current.version)
        elif current is not None:
            self.stored_rows.pop(state.order_id)
        replace_row(self, before, state, **more)

    patch.setattr(memory_view.MemoryView, "replace_row", blindly)


def one_look_is_enough(patch: Patch) -> None:
    patch.setattr(takeover, "LOOKS_BEFORE_LOST", 1)


def the_last_to_arrive_wins(patch: Patch) -> None:
    fold = orders.fold

    def by_time(events: Iterable[Event]) -> OrderState | None:
        known = sorted(events, key=lambda event: event.recorded_at)
        state = fold(known)
        return state and replace(state, status=known[-1].status, status_from=known[-1].event_id)

    patch.setattr(projection, "fold", by_time)


def cancelled_beats_delivered(patch: Patch) -> None:
    patch.setattr(orders, "TERMINAL_CLASS", {"cancelled": 2, "delivered": 1})


def bodies_do_not_count(patch: Patch) -> None:
    registration = fast.product()["registration"]
    event_id = registration.event_id
    patch.setattr(registration, "event_id", lambda **said: event_id(**{**said, "body_hash": ""}))


def keys_are_not_remembered(patch: Patch) -> None:
    def without_keys(self: Any, order_id: str) -> Any:
        found = order(self, order_id)
        return replace(found, events=tuple(replace(event, idempotency_key=None) for event in found.events))

    order = memory_log.MemoryLog.order
    register = fast.product()["registration"].register

    def forgetful(log: Any, *more: Any, **named: Any) -> Any:
        with pytest.MonkeyPatch.context() as within:
            within.setattr(memory_log.MemoryLog, "order", without_keys)
            return register(log, *more, **named)

    patch.setattr(fast.product()["registration"], "register", forgetful)


def peers_announcements_are_forgotten(patch: Patch) -> None:
    worker = fast.product()["pending_work"].Worker
    patch.setattr(worker, "announce_for_peer", lambda *_: None)


def lanes_do_not_wait(patch: Patch) -> None:
    patch.setattr(memory_view.MemoryView, "block", lambda *_: None)


@pytest.mark.parametrize(
    ("remove", "finding"),
    [
        (inserts_overwrite, "I1"),
        (effects_have_keys_of_their_own, "has two effects"),
        (every_region_publishes, "origin:"),
        (rows_are_replaced_blindly, "I4 the figures"),
        (one_look_is_enough, "takeover:"),
        (the_last_to_arrive_wins, "I4 the row"),
        (cancelled_beats_delivered, "I3"),
        (bodies_do_not_count, "was acknowledged as another event"),
        (keys_are_not_remembered, "with a key that was used there"),
        (lanes_do_not_wait, "I5"),
        (peers_announcements_are_forgotten, "I10"),
    ],
)
def test_a_guard_that_is_missing_is_found_within_400_histories(
    monkeypatch: Patch, remove: Callable[[Patch], None], finding: str
) -> None:
    remove(monkeypatch)
    found = next(
        (seed for seed in range(400) if any(finding in fault for fault in faults_of(generate(seed), "fast"))), None
    )
    assert found is not None
    monkeypatch.undo()
    assert faults_of(generate(found), "fast") == []  # it was the guard
    print(f"{remove.__name__}: found by history {found}")
