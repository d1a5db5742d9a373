"""Two Regions and what happens between them, from one seed: the real registration, relay, processor and sentinel over
in-memory replicas, with lag, reordering, duplicates, partition, crashes in mid-work, ill services and lost Regions.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

from shared.adapters.control import RegisterTakenError
from shared.adapters.effect_bus import Announced
from shared.adapters.event_topic import Outcome, Publication, message_of
from shared.adapters.projection import Projection
from shared.domain.commands import Command, order_command
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.problems import ProblemError
from shared.domain.takeover import Register, Timing, refuses_work
from shared.topology import STATUSES, TOPOLOGY
from tests.simulation.replica import MemoryLog, MemoryView, stream_image

EAST, WEST = TOPOLOGY.region_names
TIMING = Timing.scaled(1.0)
SHARDS = 2
START = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)  # half an hour before midnight in Bogota


class KilledError(BaseException):
    """The function was killed in mid-work; nothing of the product may catch this."""


@dataclass
class Message:
    """A message in the queue of its status; `group` is its order."""

    group: str
    body: str
    sent_at: datetime


@dataclass
class Shore:
    """One Region: its tables, its queues, and the product's code over them."""

    name: str
    world: World
    skew: timedelta
    up: bool = True
    seen_up_at: datetime = START
    registered: Register = field(default_factory=Register)
    queues: dict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[str, datetime] = field(default_factory=dict)  # deduplication ids
    read: list[int] = field(default_factory=lambda: [0] * SHARDS)  # how far the relay has come in each shard
    replicated: int = 0
    processed: list[str] = field(default_factory=list)  # event ids, in the order in which their effects were computed
    is_silent = False

    def __post_init__(self) -> None:
        handlers = self.world.handlers
        self.log = MemoryLog(self.name, self.clock, self.step)
        self.view = MemoryView(self.name, self.step)
        projection = Projection(self.log, self.view, timing=TIMING, clock=self.clock)  # type: ignore[arg-type]
        self.view.before_write = lambda order_id: self.world.maybe(0.03, lambda: projection.project(order_id))
        shared = {"region": self.name, "topic": self, "bus": self, "timing": TIMING}
        self.relay = handlers["relay"].Relay(
            **shared, projection=projection, view=self.view, work=self.view, notes=self.view, clock=self.clock
        )
        self.processor = handlers["processor"].Processor(
            self.name, self.log, lambda: self.world.seen_from(self), timedelta(minutes=1), self.clock
        )
        self.sentinel = handlers["sentinel"].Sentinel(
            region=self.name, peer=TOPOLOGY.peer_of(self.name), log=self.log, queries=self.view, control=self,
            worker=handlers["pending_work"].Worker(
                **shared, log=self.log, pending=self.view, notes=self.view, stopwatch=lambda: 0.0
            ),
            peer_serving=lambda: self.world.reaches(self) and self.world.peer(self).up, timing=TIMING, clock=self.clock,
        )  # fmt: skip

    def clock(self) -> datetime:
        return self.world.now + self.skew

    def step(self) -> None:
        if self.world.rng.random() < self.world.kill_rate:
            raise KilledError

    def run(self, work: Callable[[], Any]) -> Any:
        """Run a function of this Region; ``None`` if it was killed."""
        try:
            return work()
        except KilledError:
            return None

    # The topic, the bus and the register.

    def publish(self, publications: list[Publication]) -> Outcome:
        published, failed = [], []
        stopped = set()
        for publication in publications:
            if publication.lane in stopped or self.world.rng.random() < self.world.refusal_rate:
                stopped.add(publication.lane)
                failed.append(publication)
                continue
            key = f"{publication.event.event_id}#{publication.attempt}"
            if key not in self.sent or self.world.now - self.sent[key] > timedelta(minutes=5):
                self.sent[key] = self.world.now
                event = publication.event
                self.queues[event.status].append(Message(event.order_id, message_of(event), self.clock()))
            published.append(publication)
        self.step()
        return Outcome(tuple(published), tuple(failed))

    def announce(self, effects: list[Effect]) -> Announced:
        announced, failed = [], []
        for effect in effects:
            if self.world.rng.random() < self.world.refusal_rate:
                failed.append(effect)
            else:
                announced.append(effect)
                self.world.announced[effect.event_id].append(effect.content_hash)
        self.step()
        return Announced(tuple(announced), tuple(failed))

    def register(self) -> Register:
        return self.registered

    def drain(self, region: str, *, by: str, reason: str, now: datetime) -> None:
        if self.registered.draining not in ("none", region):
            raise RegisterTakenError
        self.registered = Register(region, by, reason, now)
        self.world.register_writes.append((now, self.name, self.registered))

    # What the event sources do.

    def relay_some(self, shard: int, most: int) -> None:
        records = [pair for pair in self.log.stream if hash_of(pair[0][0]) % SHARDS == shard][self.read[shard] :][:most]
        wire = [
            {"eventName": "INSERT", "dynamodb": {"NewImage": stream_image(content), "SequenceNumber": str(number)}}
            for number, (_, content) in enumerate(records)
        ]
        if wire and (answer := self.run(lambda: self.relay.handle(wire))):
            failures = [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]
            self.read[shard] += min(failures, default=len(wire))
            if self.world.rng.random() < self.world.repeat_rate:  # the batch comes once more
                self.run(lambda: self.relay.handle(wire))

    def process_some(self, status: str) -> None:
        queue = self.queues[status]
        if not queue:
            return
        group = self.world.rng.choice(sorted({message.group for message in queue}))
        for message in [found for found in queue if found.group == group][:3]:
            done = self.run(lambda message=message: (self.processor.process(message.body, message.sent_at), True)[1])
            if not done:
                return  # it comes again, and what is behind it waits
            self.processed.append(json.loads(message.body)["event_id"])
            if self.world.rng.random() >= self.world.repeat_rate:  # else it is delivered twice
                queue.remove(message)


def hash_of(text: str) -> int:
    return sum(text.encode())


class World:
    """Everything that happens in one history."""

    def __init__(self, seed: int, handlers: dict[str, ModuleType]) -> None:
        self.rng = random.Random(seed)
        self.handlers = handlers
        self.now = START
        self.kill_rate, self.refusal_rate, self.repeat_rate = (
            self.rng.choice([0.0, rate]) for rate in (0.02, 0.2, 0.1)
        )
        self.partitioned = False
        self.announced: dict[str, list[str]] = defaultdict(list)
        self.register_writes: list[tuple[datetime, str, Register]] = []
        self.acknowledged: dict[str, Command] = {}
        self.shed = Counter[str]()
        self.refused = Counter[int]()
        self.races = 0
        self.shores = {name: Shore(name, self, timedelta(seconds=self.rng.uniform(-300, 300))) for name in (EAST, WEST)}
        self.waiting: list[tuple[Command, int]] = []  # commands that got no answer yet, and how often they were sent

    def maybe(self, chance: float, act: Callable[[], Any]) -> None:
        if self.races < 1 and self.rng.random() < chance:
            self.races += 1
            try:
                act()
            finally:
                self.races -= 1

    def peer(self, shore: Shore) -> Shore:
        return self.shores[TOPOLOGY.peer_of(shore.name)]

    def reaches(self, shore: Shore) -> bool:
        return not self.partitioned and shore.up

    def seen_from(self, shore: Shore) -> MemoryLog:
        from botocore.exceptions import ConnectTimeoutError

        if self.partitioned:
            raise ConnectTimeoutError(endpoint_url="https://peer")
        return self.peer(shore).log  # data planes stay up when a Region's compute is lost

    def new_command(self) -> Command:
        """A status of one of a few orders; an order's items are always the same, and not every event names them."""
        number, status = self.rng.randrange(5), self.rng.choice(STATUSES)
        body: dict[str, object] = {"order_id": f"o{number}", "status": status}
        if status in ("created", "delivered") and self.rng.random() < 0.6:
            body["items"] = [{"product": f"p{number}", "price": Decimal(number + 1) / 4, "quantity": number + 1}]
        if self.rng.random() < 0.5:
            body["courier"] = self.rng.choice(["Luis", "Eva"])
        if self.rng.random() < 0.3:
            body["occurred_at"] = to_text(self.now - timedelta(minutes=self.rng.randrange(60)))
        key = self.rng.choice([None, f"k{self.rng.randrange(10**6)}"])
        if status in ("failed", "assigned"):
            body["attempt"] = self.rng.randint(1, 3)
        return order_command(body, idempotency_key=key, now=self.now)

    def send(self, command: Command, tries: int) -> None:
        """A client sends a command to a Region that is up, and again, maybe elsewhere, when it gets no answer."""
        shore = self.rng.choice([found for found in self.shores.values() if found.up] or list(self.shores.values()))
        if shore.up:
            if refuses_work(shore.view.guard(), region=shore.name, now=shore.clock(), timing=TIMING):
                # It may have seen its peer serve up to 30 s ago; longer ago, and nobody would serve.
                self.shed[
                    "in time" if self.now - self.peer(shore).seen_up_at <= TIMING.peer_serving else "in vain"
                ] += 1
            else:
                register = self.handlers["registration"].register
                try:
                    done = shore.run(
                        lambda: register(shore.log, command, subject="c", region=shore.name, now=shore.clock())
                    )
                except ProblemError as problem:
                    self.refused[problem.status] += 1
                    return
                if done and self.rng.random() >= self.repeat_rate:  # else the answer is lost on its way
                    self.acknowledged[done.event_id] = command
                    return
        if tries < 6:
            self.waiting.append((command, tries + 1))

    def replicate(self, shore: Shore, share: float) -> None:
        """Some of a Region's writes arrive at its peer, in any order, some of them twice."""
        if self.partitioned:
            return
        writes = shore.log.written[shore.replicated :]
        taken = writes[: max(1, round(len(writes) * share))]
        shore.replicated += len(taken)
        arriving = [*taken, *(write for write in taken if self.rng.random() < self.repeat_rate)]
        self.rng.shuffle(arriving)
        for write in arriving:
            self.peer(shore).log.replicate(*write)

    def spread_register(self) -> None:
        if self.register_writes and not self.partitioned:
            newest = max(self.register_writes, key=lambda write: write[:2])[2]
            for shore in self.shores.values():
                shore.registered = newest

    def tick(self, actions: Iterable[str]) -> None:
        for shore in self.shores.values():
            shore.seen_up_at = self.now if shore.up else shore.seen_up_at
        self.now += timedelta(seconds=self.rng.choice([0.1, 1, 5, 15]))
        shore = self.rng.choice(list(self.shores.values()))
        match self.rng.choice(list(actions)):
            case "send":
                self.send(self.new_command(), 0)
            case "send again" if self.waiting:
                self.send(*self.waiting.pop(self.rng.randrange(len(self.waiting))))
            case "replicate":
                self.replicate(shore, self.rng.random())
                self.spread_register()
            case "relay" if shore.up:
                shore.relay_some(self.rng.randrange(SHARDS), self.rng.randint(1, 12))
            case "process" if shore.up:
                shore.process_some(self.rng.choice(STATUSES))
            case "look" if shore.up:
                shore.run(shore.sentinel.look)
            case "partition":
                self.partitioned = self.rng.random() < 0.5
            case "lose" if self.peer(shore).up:
                shore.up = self.rng.random() < 0.5

    def let_work(self, *, rounds: int, seconds: float = 15) -> None:
        """Everything that is up does all it can, look after look."""
        for _ in range(rounds):
            self.now += timedelta(seconds=seconds)
            for _ in range(3):
                for shore in self.shores.values():
                    self.replicate(shore, 1.0)
                    self.spread_register()
                    if shore.up:
                        for shard in range(SHARDS):
                            shore.relay_some(shard, 1000)
                        for status in STATUSES:
                            while shore.queues[status]:
                                shore.process_some(status)
            up = [shore for shore in self.shores.values() if shore.up]
            for shore in up:
                shore.run(shore.sentinel.look)
