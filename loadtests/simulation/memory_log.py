"""The order log and the drain register over replicas of the domain's own objects: the fast simulator's adapters.

They have the public methods of the adapters and their guards, and nothing of DynamoDB. ``step`` is called where the
adapter calls AWS, so that a simulator can kill the caller there or let another function run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from loadtests.simulation.replica import Key, Replica
from shared.adapters import items
from shared.adapters.control import RegisterTakenError
from shared.adapters.order_log import Beat, EffectWrite, OrderRecord, heartbeat_key
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.orders import Event
from shared.domain.takeover import NOBODY, Register

REGISTER: Key = ("DRAINING", "DRAINING")


def nothing() -> None:
    """Where nobody is killed."""


@dataclass(frozen=True, slots=True)
class StoredBeat:
    """A heartbeat as it stands in the log."""

    region: str
    number: int
    beat: Beat
    text: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """An item that cannot be read."""

    name: str


def lone_replica() -> Replica:
    """A replica without peers."""
    return Replica("log", "us-east-1", lambda: datetime(2026, 1, 1, tzinfo=UTC), lambda _: None)


class MemoryLog:
    """A replica of the order log."""

    def __init__(self, replica: Replica | None = None, step: Callable[[], None] = nothing) -> None:
        self.replica = replica or lone_replica()
        self._step = step

    def order(self, order_id: str) -> OrderRecord:
        self._step()
        found = self.replica.partition(order_id)
        events = tuple([content for content in found if type(content) is Event])
        effects = tuple([content for content in found if type(content) is Effect])
        return OrderRecord(events, effects, tuple([content.name for content in found if type(content) is Garbage]))

    def _insert(self, key: Key, content: Any) -> bool:
        self._step()
        is_new = self.replica.get(key) is None
        if is_new:
            self.replica.put(key, content)
        self._step()
        return is_new

    def record_event(self, event: Event) -> bool:
        return self._insert((event.order_id, items.event_key(event.event_id)), event)

    def record_effect(self, effect: Effect) -> EffectWrite:
        if self._insert((effect.order_id, items.effect_key(effect.event_id)), effect):
            return "written"
        stored = self.effect(effect.order_id, effect.event_id)
        return "already there" if stored is None or stored.content_hash == effect.content_hash else "content differs"

    def effect(self, order_id: str, event_id: str) -> Effect | None:
        self._step()
        found: Effect | None = self.replica.get((order_id, items.effect_key(event_id)))
        return found

    def beat(self, *, region: str, numbers: Iterable[int], now: datetime, announced_through: datetime | None) -> None:
        content, text = Beat(now, announced_through), to_text(now)
        for number in numbers:
            self._step()
            beat = StoredBeat(region, number, content, text)
            self.replica.put((heartbeat_key(region, number), "HEARTBEAT"), beat)

    def newest_beat(self, *, region: str, numbers: Iterable[int]) -> Beat | None:
        self._step()
        found = [self.replica.get((heartbeat_key(region, number), "HEARTBEAT")) for number in numbers]
        beats: list[Beat] = [stored.beat for stored in found if stored]
        return max(beats, key=lambda beat: beat.beat_at, default=None)


class MemoryControl:
    """A replica of the drain register."""

    def __init__(self, replica: Replica, step: Callable[[], None] = nothing) -> None:
        self.replica = replica
        self._step = step

    def register(self) -> Register:
        self._step()
        return self.replica.get(REGISTER) or Register()

    def drain(self, region: str, *, by: str, reason: str, now: datetime) -> None:
        self._write(Register(region, by, reason, now), region)

    def readmit(self, region: str, *, by: str, reason: str, now: datetime) -> None:
        self._write(Register(NOBODY, by, reason, now), region)

    def _write(self, register: Register, unless_other_than: str) -> None:
        self._step()
        if (self.replica.get(REGISTER) or Register()).draining not in (NOBODY, unless_other_than):
            raise RegisterTakenError(f"the register names another Region than {unless_other_than}")
        self.replica.put(REGISTER, register)
        self._step()
