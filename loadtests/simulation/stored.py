"""What is judged of a Region whose tables hold attribute values, as DynamoDB's do."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from datetime import date

from loadtests.simulation.memory_log import REGISTER
from loadtests.simulation.replica import Table
from loadtests.simulation.shore import Shore
from loadtests.simulation.world import World
from shared.adapters import items
from shared.adapters.order_rows import ROW, state_from_plain
from shared.adapters.order_view import FIGURES, plain_figures
from shared.domain.effects import Effect
from shared.domain.kpis import Figures
from shared.domain.orders import Event, OrderState
from shared.domain.takeover import NOBODY


class StoredShore(Shore, ABC):
    """A Region with an order view of stored items."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.view = Table()

    @property
    def drained(self) -> str:
        stored = self.control.get(REGISTER)
        return str(stored["draining"]["S"]) if stored else NOBODY

    @property
    def believes_a_drain(self) -> bool:
        guard = self.view.get(("GUARD", "GUARD"))
        return guard is not None and guard["draining"]["S"] != NOBODY

    def contents(self) -> Iterator[tuple[tuple[str, str], Event | Effect]]:
        for key, item in self.log.items().items():
            if key[1] == "HEARTBEAT":
                continue
            plain = items.from_wire(item)
            try:
                yield key, (items.event_from_plain if key[1].startswith("EVENT#") else items.effect_from_plain)(plain)
            except items.MalformedItemError:
                continue  # the relay set it aside

    def _view(self) -> Iterator[items.Plain]:
        return map(items.from_wire, self.view.everything())

    def rows(self) -> Mapping[str, OrderState]:
        return {plain["order_id"]: state_from_plain(plain) for plain in self._view() if plain["sk"] == ROW}

    def kpis(self) -> Mapping[tuple[date, int], Figures]:
        found = {}
        for plain in self._view():
            if plain["sk"] == FIGURES:
                _, day, number = plain["pk"].split("#")
                found[date.fromisoformat(day), int(number)] = plain_figures(plain)
        return found

    def pending(self) -> list[tuple[str, str]]:
        return [
            (plain["pending_region"], plain["event_id"])
            for plain in self._view()
            if not plain.get("pending_region", "#announce").endswith("#announce")
        ]

    def own_events(self) -> Iterator[Event]:
        for change in self.log.changes:
            if change.content.get("origin_region", {}).get("S") == self.name and change.key[1].startswith("EVENT#"):
                yield items.event_from_plain(items.from_wire(change.content))
