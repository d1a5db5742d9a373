"""The fast speed: the domain, projection, relay, processor and sentinel over the domain's own objects in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from loadtests.simulation.clients import Answer, Seen, Sent
from loadtests.simulation.history import Salt
from loadtests.simulation.memory_log import Garbage, MemoryControl, MemoryLog, StoredBeat
from loadtests.simulation.memory_shore import MemoryShore
from loadtests.simulation.product import Product
from loadtests.simulation.queues import Message
from loadtests.simulation.replica import Change
from loadtests.simulation.shore import UNAVAILABLE
from loadtests.simulation.world import START, TIMING, World
from shared.adapters.control import RegisterTakenError
from shared.adapters.effect_bus import Announced
from shared.adapters.event_topic import Outcome, Publication, message_of
from shared.adapters.items import MalformedItemError
from shared.adapters.order_rows import waits_for
from shared.adapters.projection import Projection, ProjectionError
from shared.domain.commands import Command, order_command
from shared.domain.effects import Effect
from shared.domain.orders import fold
from shared.domain.problems import ProblemError
from shared.domain.takeover import Register, refuses_work

FUNCTIONS = ("registration", "relay", "processor", "sentinel", "pending_work")
OLD_MESSAGE = timedelta(minutes=1)


@cache
def product() -> Product:
    """The functions' modules, loaded once; the relay reads what a record holds without taking it apart."""
    found = Product("us-east-1", "us-east-2", FUNCTIONS, lambda: START)
    heartbeat = found["relay"].Heartbeat

    def content_of(record: dict[str, Any]) -> Any:
        content = record["content"]
        if type(content) is StoredBeat:
            return heartbeat(content.region, content.number, content.text)
        if type(content) is Garbage:
            raise MalformedItemError(content.name)
        return content

    found["relay"].record_of = content_of
    found["sentinel"].HEARTBEATS = range(2)  # as many as there are shards; each is relayed in every Region
    return found


def command_of(sent: Sent, now: datetime, known: dict[str, Command]) -> Command:
    """The command in a request, parsed once."""
    if sent.event_id not in known:
        known[sent.event_id] = order_command(dict(sent.body), idempotency_key=sent.key, now=now)
    return known[sent.event_id]


class FastShore(MemoryShore):
    """One Region of the fast speed. It is its own topic, bus and peer-watching."""

    is_silent = False

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.orders = MemoryLog(self.log, self.step)
        self.drains = MemoryControl(self.control, self.step)
        self._commands: dict[str, Command] = {}
        self.restart()

    def restart(self) -> None:
        found = product()
        self._projection = Projection(self.orders, self.view, timing=TIMING, clock=self.clock)  # type: ignore[arg-type]
        shared: dict[str, Any] = {"region": self.name, "topic": self, "bus": self, "timing": TIMING}
        self._relay = found["relay"].Relay(
            **shared, projection=self._projection, view=self.view, work=self.view, notes=self.view, clock=self.clock
        )
        self._processor = found["processor"].Processor(
            self.name, self.orders, lambda: self._peer().orders, OLD_MESSAGE, self.clock
        )
        self._sentinel_parts = shared

    def _peer(self) -> FastShore:
        found = self.world.reach(self.world.peer_of(self).name)
        assert isinstance(found, FastShore)  # one speed a world
        return found

    # The topic and the bus.

    def publish(self, publications: Sequence[Publication]) -> Outcome:
        published: list[Publication] = []
        failed: list[Publication] = []
        stopped = set()
        for publication in publications:
            event = publication.event
            if publication.lane in stopped:
                failed.append(publication)
                continue
            self.world.note_published(self, event.event_id, origin=event.origin_region, attempt=publication.attempt)
            if not self.takes():
                stopped.add(publication.lane)
                failed.append(publication)
                continue
            self.enqueue(
                status=event.status,
                group=event.order_id,
                body=message_of(event),
                deduplication_id=f"{event.event_id}#{publication.attempt}",
            )
            published.append(publication)
        if publications:
            self.step()
        return Outcome(tuple(published), tuple(failed))

    def wanted(self, _: Sequence[Effect]) -> Sequence[str]:
        """Nobody has a webhook here."""
        return ()

    def announce(self, effects: Sequence[Effect]) -> Announced:
        announced: list[Effect] = []
        failed: list[Effect] = []
        for effect in effects:
            if self.takes():
                announced.append(effect)
                self.world.note_announced(effect.event_id, effect.content_hash)
            else:
                failed.append(effect)
        if effects:
            self.step()
        return Announced(tuple(announced), tuple(failed))

    # The functions.

    def post(self, sent: Sent) -> Answer:
        now = self.clock()
        try:
            if refuses_work(self.view.seen_guard, region=self.name, now=now, timing=TIMING):
                return Answer(503, kind="drained")
            command = command_of(sent, now, self._commands)
            register = product()["registration"].register
            done = register(self.orders, command, subject=sent.subject, region=self.name, now=now)
        except ProblemError as problem:
            return Answer(problem.status, kind=problem.kind)
        except UNAVAILABLE:
            return Answer(503, kind="dependency")
        return Answer(201 if done.is_new else 200, done.event_id)

    def get(self, order_id: str, at_least: str | None) -> Answer:
        if refuses_work(self.view.seen_guard, region=self.name, now=self.clock(), timing=TIMING):
            return Answer(503, kind="drained")
        try:
            found = self.orders.order(order_id)
        except UNAVAILABLE:
            return Answer(503, kind="dependency")
        state = fold(found.events)
        if at_least is not None and all(event.event_id != at_least for event in found.events):
            return Answer(503, kind="not-replicated-yet")
        if state is None:
            return Answer(404, kind="not-found")
        says = {event.event_id: (event.status, event.attempt or 1, event.courier, event.note) for event in found.events}
        standing = (*state.precedence, state.status_from)
        return Answer(200, seen=Seen(standing, says, found.effect_ids))

    def relay(self, records: Sequence[Change]) -> int:
        wire = [{"dynamodb": {"SequenceNumber": str(found.number)}, "content": found.content} for found in records]
        try:
            failures = self._relay.handle(wire)["batchItemFailures"]
        except UNAVAILABLE:
            return 0
        if not failures:
            return -1
        failed = int(failures[0]["itemIdentifier"])
        return next(place for place, found in enumerate(records) if found.number == failed)

    def process(self, status: str, batch: Sequence[Message]) -> set[int]:
        del status  # the code of all processors is one
        failed: set[int] = set()
        stopped: set[str] = set()
        for place, message in enumerate(batch):
            if message.group in stopped:
                failed.add(place)
                continue
            try:
                self._processor.process(message.body, message.sent_at)
                self.note_done(json.loads(message.body)["event_id"])
            except (*UNAVAILABLE, ValueError):
                failed.add(place)
                stopped.add(message.group)
        return failed

    def look(self) -> None:
        found = product()
        peer = self.world.peer_of(self)
        sentinel = found["sentinel"].Sentinel(
            region=self.name, peer=peer.name, log=self.orders, queries=self.view, control=self,
            worker=found["pending_work"].Worker(
                **self._sentinel_parts, log=self.orders, pending=self.view, notes=self.view, stopwatch=lambda: 0.0
            ),
            peer_serving=lambda: self.world.sees(self), timing=TIMING, clock=self.clock,
        )  # fmt: skip
        with suppress(*UNAVAILABLE):
            sentinel.look()

    def register(self) -> Register:
        return self.drains.register()

    def drain(self, region: str, *, by: str, reason: str, now: datetime) -> None:
        """The sentinel drains its peer."""
        self.drains.drain(region, by=by, reason=reason, now=now)
        self.world.note_drained(self)

    def project(self, order_id: str) -> None:
        with suppress(*UNAVAILABLE, ProjectionError):
            self._projection.project(order_id, even_if_equal=True)

    def rotate_key(self, salt: Salt) -> None:
        """There are no tokens at this speed."""

    # Operators, and what somebody puts into the log.

    def garble(self, salt: int) -> None:
        name = f"EVENT#x{salt}"
        if self.log.get((f"o{salt % 4}", name)) is None:
            self.log.put((f"o{salt % 4}", name), Garbage(name))

    def write_register(self, *, drained: str | None, readmitted: str | None) -> bool:
        try:
            if drained is not None:
                self.drains.drain(drained, by="operator", reason="", now=self.clock())
            elif readmitted is not None:
                self.drains.readmit(readmitted, by="operator", reason="", now=self.clock())
        except RegisterTakenError:
            return False
        return True

    def unpark(self) -> int:
        parked = self.view.pending(f"{self.name}#parked")
        for work in parked:
            fields = {**waits_for(self.name, work.order_id, due_at=self.clock()), "attempt": 0}
            self.view.update(work.order_id, work.event_id, set_fields=fields, remove=("parked_at",))
        return len(parked)

    def redrive(self, status: str) -> None:
        """As `relevo redrive`: in order within a group, the next only after the effect of the one before."""
        queue = self.queues[status]
        stopped: set[str] = set()
        for message in list(queue.dead):
            if message.group in stopped:
                continue
            try:
                event_id = json.loads(message.body)["event_id"]
            except ValueError:
                stopped.add(message.group)
                continue
            if self.orders.effect(message.group, event_id) is None:
                again = f"{event_id}#redrive-{self.world.now}"
                queue.send(message.group, message.body, deduplication_id=again, now=self.clock())
                while any(waiting.group == message.group for waiting in queue.messages):
                    if not self.process_some(status, 0, 10):
                        break
            if self.orders.effect(message.group, event_id) is None:
                stopped.add(message.group)
            else:
                queue.dead.remove(message)
