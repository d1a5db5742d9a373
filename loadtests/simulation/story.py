"""One history from its first step to rest: what each kind of step does, and how all comes to rest after the last.

At rest means: no faults, everything up, nothing left to do; then the clients ask once more for all that they know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final

from loadtests.simulation.arming import FAULTS, lose, void
from loadtests.simulation.calling import HEARING, come_to_rest, untold_alone
from loadtests.simulation.clients import AUDITOR, MOST_TRIES, command_of, next_after, sent_of
from loadtests.simulation.history import Salt, Step
from loadtests.simulation.invariants import undone
from loadtests.simulation.queues import Message, Queue
from loadtests.simulation.replica import SHARDS
from loadtests.simulation.shore import RELAY_BATCH, Shore
from loadtests.simulation.world import World
from shared.domain.orders import Event
from shared.domain.takeover import NOBODY
from shared.topology import STATUSES

MOMENT: Final = timedelta(milliseconds=1)
WAITS: Final = (0.1, 1, 5, 15, 15, 31, 61)  # seconds
LONG_WAITS: Final = (130, 310, 1600)
POISON: Final = "{"  # a message that no processor can read
# After a history, everything that is up works until nothing is left; seconds between the rounds let due work come.
ROUNDS_ALONE: Final = 12
ROUNDS: Final = (15, 15, 61, 61, 61, 301, 301, 301, 1501, 1501, 61, 301, 1501, 301)


class Story(World):
    """Two or three Regions, and all that happens to them in one history."""

    def play(self) -> None:
        """Let the whole history happen, let everything come to rest, and ask."""
        for step in self.history.steps:
            self.take(step)
        self.converge()
        self.audit()
        come_to_rest(self)

    def take(self, step: Step) -> None:
        """Let one step happen; it takes a moment."""
        self.now += MOMENT
        shore = self.shores[step.region % len(self.shores)]
        if step.kind in FAULTS:
            FAULTS[step.kind](shore, Salt(step.salt))
        elif step.kind in HEARING:
            if shore.calling is not None:
                HEARING[step.kind](shore.calling, self, Salt(step.salt))
        else:
            HAPPENINGS[step.kind](self, shore, Salt(step.salt))

    def bury(self, lost: Shore, salt: Salt) -> None:
        """Lose a Region with all that has not come over: within minutes its peer does all the work that it knows of."""
        survivor = self.peer_of(lost)
        if len(self.shores) > 2 or not survivor.up:
            return
        for shore in self.shores:
            shore.calm()
        lose(lost, salt)
        self.partitioned = False
        self.replicate(lost, salt)
        was_drained, since = survivor.drained, self.now
        self.partitioned = True
        for _ in range(ROUNDS_ALONE):
            self.wait(ROUNDS[0])
            self.work(survivor)
            survivor.run(survivor.look, alone="look")
            self.work(survivor)
        self.faults.extend(undone(survivor, self.announced))
        self.faults.extend(untold_alone(survivor, since))
        if was_drained == NOBODY and survivor.drained != lost.name:
            self.faults.append(f"I7 {survivor.name} did not drain its lost peer")

    @staticmethod
    def work(shore: Shore) -> bool:
        """Relay and process all that is there."""
        moved = False
        for shard in range(SHARDS):
            moved |= shore.relay_some(shard, RELAY_BATCH)
        for status, queue in shore.queues.items():
            while queue.messages and shore.up:
                moved |= shore.process_some(status, 0, 10)
        return moved

    # The end of a history.

    def converge(self) -> None:
        """No more faults: everything is up and works until nothing is left; operators do their part."""
        self.partitioned = False
        for shore in self.shores:
            shore.calm()
            shore.up = True
        # Half of the histories get one round more than they need: it must change nothing.
        enough = len(self.history.steps) % 2
        for number, seconds in enumerate(ROUNDS):
            self.wait(seconds)
            self.settle()
            if number >= enough and not self.left():
                return
            for shore in self.shores:
                shore.run(shore.look, alone="look")
            if number > 0:
                self._operators()

    def _operators(self) -> None:
        self.settle()
        self.readmit()
        for shore in self.shores:
            for status, queue in shore.queues.items():
                if queue.dead:
                    shore.redrive(status)
            unpark(self, shore, Salt(0))

    def settle(self) -> None:
        """Replicate, relay and process until nothing moves."""
        moved = True
        while moved:
            moved = False
            self.deliver_everything()
            for shore in self.shores:
                moved |= self.work(shore)

    def left(self) -> bool:
        """Whether work is left that somebody can do something about."""
        if any(shore.drained != NOBODY or shore.believes_a_drain for shore in self.shores):
            return True
        if any(redrivable(queue) for shore in self.shores for queue in shore.queues.values()):
            return True
        pending = {event_id for shore in self.shores for _, event_id in shore.pending()}
        return bool(pending) and not pending <= self._without_items()

    def _without_items(self) -> set[str]:
        """Deliveries whose items nobody has told: their effect waits for ever."""
        events = [found for _, found in self.shores[0].contents() if isinstance(found, Event)]
        told = {event.order_id for event in events if event.items}
        return {event.event_id for event in events if event.status == "delivered" and event.order_id not in told}

    def audit(self) -> None:
        """Every order that was acknowledged is read, and a command repeated, in every Region."""
        self.wait(ROUNDS[0])  # until nobody remembers a drain
        acknowledged = {
            call.order_id: call.sent for call in self.calls if call.sent and call.answer and call.answer.status < 300
        }
        for shore in self.shores:
            for order_id, sent in acknowledged.items():
                self.read(shore, AUDITOR, order_id, sent.event_id)
            for sent in islice(acknowledged.values(), 1):
                self.submit(shore, replace(sent, session=AUDITOR), MOST_TRIES)
                if sent.key is not None:
                    other = sent_of({**sent.body, "note": "n"}, sent.key, session=sent.session)
                    self.submit(shore, replace(other, session=AUDITOR), MOST_TRIES)


def redrivable(queue: Queue) -> list[Message]:
    """Dead letters that may go back: never those behind one that cannot be processed."""
    stopped = {message.group for message in queue.dead if message.body == POISON}
    return [message for message in queue.dead if message.group not in stopped]


# What happens in a Region by itself, or because somebody asks for it.


def send(story: Story, shore: Shore, salt: Salt) -> None:
    story.submit(shore, command_of(salt, orders=story.history.orders, now=story.now), 0)


def send_next(story: Story, shore: Shore, _: Salt) -> None:
    if story.sent:
        story.submit(shore, next_after(next(reversed(story.sent.values()))), 0)


def retry(story: Story, shore: Shore, salt: Salt) -> None:
    if story.waiting:
        story.submit(shore, *story.waiting.pop(salt.pick(len(story.waiting))))


def process(_: Story, shore: Shore, salt: Salt) -> None:
    first = salt.pick(60)
    waiting = [status for status in STATUSES if shore.queues[status].messages]
    if waiting:
        shore.process_some(waiting[first % len(waiting)], salt.pick(3), 1 + salt.pick(10))


def drain(story: Story, shore: Shore, _: Salt) -> None:
    story.disturbed = True
    story.peer_of(shore).write_register(drained=shore.name, readmitted=None)


def poison(story: Story, shore: Shore, salt: Salt) -> None:
    """Something that nobody can read: an item in the log, or a message in front of an order's others."""
    if salt.one_in(3):
        shore.garble(salt.pick(1000))
        return
    story.disturbed = True
    group = f"o{salt.pick(story.history.orders)}"
    status = STATUSES[salt.pick(len(STATUSES))]
    shore.enqueue(status=status, group=group, body=POISON, deduplication_id=str(story.now))


def unpark(story: Story, shore: Shore, _: Salt) -> None:
    if shore.unpark():
        story.disturbed = True


def reconcile(story: Story, shore: Shore, salt: Salt) -> None:
    order_ids = sorted({sent.order_id for sent in story.sent.values()})
    if order_ids:
        shore.run(lambda: shore.project(order_ids[salt.pick(len(order_ids))]))


HAPPENINGS: Final[dict[str, Callable[[Story, Shore, Salt], None]]] = {
    "send": send,
    "next": send_next,
    "retry": retry,
    "read": lambda story, shore, salt: story.ask(shore, salt),
    "replicate": lambda story, shore, salt: story.replicate(shore, salt),
    "relay": lambda _, shore, salt: void(shore.relay_some(salt.pick(SHARDS), (1, 2, 5, RELAY_BATCH)[salt.pick(4)])),
    "process": process,
    "look": lambda _, shore, __: void(shore.run(shore.look, alone="look")),
    "wait": lambda story, _, salt: story.wait(WAITS[salt.pick(len(WAITS))]),
    "long": lambda story, _, salt: story.wait(LONG_WAITS[salt.pick(len(LONG_WAITS))]),
    "cut": lambda story, _, __: story.cut(partitioned=True),
    "mend": lambda story, _, __: story.cut(partitioned=False),
    "drain": drain,
    "readmit": lambda story, _, __: story.readmit(),
    "poison": poison,
    "redrive": lambda _, shore, salt: shore.redrive(STATUSES[salt.pick(len(STATUSES))]),
    "unpark": unpark,
    "reconcile": reconcile,
    "bury": lambda story, shore, salt: story.bury(shore, salt),
    "rotate": lambda _, shore, salt: shore.rotate_key(salt),
}
