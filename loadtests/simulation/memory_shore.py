"""What is judged of a Region whose tables hold the domain's own objects."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from datetime import date

from loadtests.simulation.memory_log import REGISTER
from loadtests.simulation.memory_view import MemoryView
from loadtests.simulation.shore import Shore
from loadtests.simulation.world import World
from shared.domain.effects import Effect
from shared.domain.kpis import Figures
from shared.domain.orders import Event, OrderState
from shared.domain.takeover import NOBODY, Register


class MemoryShore(Shore, ABC):
    """A Region with an order view in memory."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.view = MemoryView(name, self.step)

    @property
    def drained(self) -> str:
        stored: Register | None = self.control.get(REGISTER)
        return stored.draining if stored else NOBODY

    @property
    def believes_a_drain(self) -> bool:
        return self.view.seen_guard is not None and self.view.seen_guard.draining != NOBODY

    def contents(self) -> Iterator[tuple[tuple[str, str], Event | Effect]]:
        for key, content in self.log.items().items():
            if type(content) in (Event, Effect):
                yield key, content

    def rows(self) -> Mapping[str, OrderState]:
        return {order_id: row.state for order_id, row in self.view.stored_rows.items()}

    def kpis(self) -> Mapping[tuple[date, int], Figures]:
        return self.view.figures

    def pending(self) -> list[tuple[str, str]]:
        return [
            (str(work["pending_region"]), str(work["event_id"]))
            for work in self.view.work.values()
            if not str(work.get("pending_region", "#announce")).endswith("#announce")
        ]

    def own_events(self) -> Iterator[Event]:
        for change in self.log.changes:
            if type(change.content) is Event and change.content.origin_region == self.name:
                yield change.content
