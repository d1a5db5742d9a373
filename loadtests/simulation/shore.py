"""One Region of a simulation, as far as both speeds share it: clock, armed faults, queues, and what it sends.

A speed adds the product: what answers clients, relays, processes and looks, over which tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.simulation.clients import Answer, Sent
from loadtests.simulation.history import Salt, Step
from loadtests.simulation.queues import Message, Queue
from loadtests.simulation.replica import SHARDS, Change, Replica
from shared.adapters.view_notes import NotesNotWrittenError
from shared.domain.effects import Effect
from shared.domain.kpis import Figures
from shared.domain.orders import Event, OrderState
from shared.domain.takeover import NOBODY
from shared.topology import STATUSES

if TYPE_CHECKING:
    from datetime import date

    from loadtests.simulation.calling import Calling
    from loadtests.simulation.world import World

RELAY_BATCH = 100


# What the product lets rise when AWS does not do its part; anything else is a bug.
UNAVAILABLE = (ClientError, BotoCoreError, NotesNotWrittenError)


class KilledError(BaseException):
    """The function was killed in mid-work; nothing of the product may catch this."""


class Shore(ABC):
    """One Region."""

    calling: Calling | None = None  # its webhooks; the handlers' speed alone has them

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.skew = timedelta(0)
        self.up = True
        self.running = 0
        self.seen_up_at = world.now
        self.log = Replica("log", name, self.clock, world.send_from(name))
        self.control = Replica("control", name, self.clock, world.send_from(name))
        self.replicas = {replica.name: replica for replica in (self.log, self.control)}
        self.queues = {status: Queue() for status in STATUSES}
        self.read = [0] * SHARDS  # how far the relay has come in each shard of the log's stream
        self.busy: set[object] = set()  # what runs just now and must not run twice at once
        self.first_done: dict[str, int] = {}  # event ids by when their effect was first seen to here
        self.taken_over: set[str] = set()  # event ids of the peer's work that this Region took
        self.drained_in_look = NOBODY
        self.unseen_looks = 0  # looks in a row that could not see the peer serve, by the world's own knowledge
        # Faults that are armed.
        self.kill_in = 0
        self.interrupt_in = 0
        self.interruption: Step | None = None
        self.fail_in = 0
        self.refusals = 0
        self.twice = False
        self.mute = False

    def clock(self) -> datetime:
        return self.world.now + self.skew

    def step(self) -> None:
        """Stand between two AWS calls: here a function is killed, or another one runs meanwhile."""
        if not self.running:
            return  # an operator's command, or a judge
        if self.kill_in:
            self.kill_in -= 1
            if not self.kill_in:
                raise KilledError
        if self.interrupt_in:
            self.interrupt_in -= 1
            if not self.interrupt_in and self.interruption is not None:
                step, self.interruption = self.interruption, None
                self.world.take(step)
        if self.fail_in:
            self.fail_in -= 1
            if not self.fail_in:
                raise self.world.service_error()

    def run(self, work: Callable[[], Any], *, alone: object = None) -> Any:
        """Run a function of this Region; ``None`` if it is lost, runs already, or was killed."""
        if not self.up or alone in self.busy:
            return None
        if alone is not None:
            self.busy.add(alone)
        self.running += 1
        try:
            return work()
        except KilledError:
            self.replace_killed()
            return None
        finally:
            self.running -= 1
            self.busy.discard(alone)

    def calm(self) -> None:
        """No armed fault any more."""
        self.kill_in = self.interrupt_in = self.fail_in = self.refusals = 0
        self.interruption = None
        self.twice = self.mute = False

    # What the topic and the bus do.

    def takes(self) -> bool:
        """Whether the topic or the bus takes the next entry."""
        if self.refusals:
            self.refusals -= 1
            return False
        return True

    def enqueue(self, *, status: str, group: str, body: str, deduplication_id: str) -> None:
        """The topic hands a message on to the queue of its status."""
        self.queues[status].send(group, body, deduplication_id=deduplication_id, now=self.clock())

    # What the event sources do.

    def relay_some(self, shard: int, most: int) -> bool:
        """Let the relay handle the next records of a shard; tells whether there were any."""
        records = self.log.stream[shard][self.read[shard] : self.read[shard] + most]
        if not records or not self.up:
            return False
        before = self.read[shard]
        failed = self.run(lambda: self.relay(records), alone=("relay", shard))
        if failed is not None:
            self.read[shard] = max(self.read[shard], before + (len(records) if failed < 0 else failed))
            if self.twice:
                self.twice = False
                self.run(lambda: self.relay(records), alone=("relay", shard))
        return True

    def process_some(self, status: str, first: int, most: int) -> bool:
        """Let the processor of a status handle a batch; tells whether there was one."""
        queue = self.queues[status]
        batch = queue.receive(first, most) if self.up else []
        if not batch:
            return False
        failed: set[int] | None = self.run(lambda: self.process(status, batch))
        again = self.twice and failed is not None
        self.twice = self.twice and not again
        queue.settle(batch, lambda place: failed is not None and not again and place not in failed)
        if queue.dead:
            self.world.disturbed = True
        return True

    def note_done(self, event_id: str) -> None:
        """A message was worked through: the effect of its event exists."""
        self.first_done.setdefault(event_id, len(self.first_done))

    # What a speed adds.

    @abstractmethod
    def post(self, sent: Sent) -> Answer:
        """Answer a client's command."""

    @abstractmethod
    def get(self, order_id: str, at_least: str | None) -> Answer:
        """Answer a client's question for an order."""

    @abstractmethod
    def relay(self, records: Sequence[Change]) -> int:
        """Handle records of the log's stream; returns the place of the first to deliver again, or -1."""

    @abstractmethod
    def process(self, status: str, batch: Sequence[Message]) -> set[int]:
        """Handle messages; returns the places of those that failed."""

    @abstractmethod
    def look(self) -> None:
        """One look of the sentinel."""

    @abstractmethod
    def project(self, order_id: str) -> None:
        """Project one order beside the relay, as `relevo reconcile --rebuild` does."""

    @abstractmethod
    def restart(self) -> None:
        """The Region's functions start cold: what they remembered is gone."""

    def replace_killed(self) -> None:
        """What was killed starts cold."""
        self.restart()

    @abstractmethod
    def garble(self, salt: int) -> None:
        """Write an item into the log that cannot be read."""

    @abstractmethod
    def write_register(self, *, drained: str | None, readmitted: str | None) -> bool:
        """An operator's command writes the drain register here; tells whether it was accepted."""

    @abstractmethod
    def unpark(self) -> int:
        """An operator lets parked work be tried again; returns how much there was."""

    @abstractmethod
    def redrive(self, status: str) -> None:
        """An operator takes dead letters back into their queue."""

    @abstractmethod
    def rotate_key(self, salt: Salt) -> None:
        """An operator takes the next step of a key rotation."""

    # What is judged.

    @property
    @abstractmethod
    def drained(self) -> str:
        """Which Region the drain register names, as this Region has it."""

    @property
    @abstractmethod
    def believes_a_drain(self) -> bool:
        """Whether the sentinel saw the register name somebody when it looked last."""

    @abstractmethod
    def contents(self) -> Iterator[tuple[tuple[str, str], Event | Effect]]:
        """What the log holds, by key; without heartbeats and what cannot be read."""

    @abstractmethod
    def rows(self) -> Mapping[str, OrderState]:
        """The view's rows."""

    @abstractmethod
    def kpis(self) -> Mapping[tuple[date, int], Figures]:
        """The view's figures, by day and shard."""

    @abstractmethod
    def pending(self) -> list[tuple[str, str]]:
        """Pending work as pairs of whose it is and which event it is about."""

    def arrivals(self) -> dict[tuple[str, str], list[str]]:
        """This Region's own events in the order in which they arrived, by order and status."""
        lanes: dict[tuple[str, str], list[str]] = defaultdict(list)
        for event in self.own_events():
            lane = lanes[event.order_id, event.status]
            if event.event_id not in lane:
                lane.append(event.event_id)
        return lanes

    @abstractmethod
    def own_events(self) -> Iterator[Event]:
        """Events of this origin, as the stream told of them."""
