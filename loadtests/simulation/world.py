"""Everything that happens in one history: Regions, the network between them, clients and operators, step by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from botocore.exceptions import ClientError, ConnectTimeoutError

from loadtests.simulation.clients import (
    AUDITOR,
    MOST_TRIES,
    SESSIONS,
    Answer,
    Call,
    Sent,
    Session,
    command_of,
    next_after,
    sent_of,
    standing_of,
)
from loadtests.simulation.history import History, Salt, Step
from loadtests.simulation.replica import SHARDS, Arrival
from loadtests.simulation.shore import RELAY_BATCH, Shore
from shared.domain.orders import Event
from shared.domain.takeover import NOBODY, Timing
from shared.topology import STATUSES, TOPOLOGY

NAMES: Final = (*TOPOLOGY.region_names, TOPOLOGY.witness_region)
TIMING: Final = Timing.scaled(1.0)
START: Final = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)  # half an hour before midnight in Bogota
MOMENT: Final = timedelta(milliseconds=1)
WAITS: Final = (0.1, 1, 5, 15, 15, 31, 61)  # seconds
LONG_WAITS: Final = (130, 310, 1600)
HEDGED: Final = 4  # every so many commands are sent again although they were acknowledged
LOOKS_BEFORE_LOST: Final = 2  # as the design page says, whatever the product counts to
POISON: Final = "{"  # a message that no processor can read
CALLS_BEFORE_A_CRASH: Final = 24
# What may run while another function waits for AWS.
WITHIN: Final = ("send", "retry", "read", "replicate", "relay", "process", "look", "reconcile", "replicate", "relay")
# After a history, everything that is up works until nothing is left; minutes between the rounds let due work come.
ROUNDS: Final = (15, 15, 61, 61, 61, 301, 301, 301, 1501, 1501, 61, 301, 1501, 301)


class World:
    """Two or three Regions and what happens to them."""

    def __init__(self, history: History, shore: Callable[[World, str], Shore]) -> None:
        self.now = START
        self.history = history
        self.links: dict[tuple[str, str], list[Arrival]] = {}
        self.partitioned = False
        self.calls: list[Call] = []
        self.sent: dict[str, Sent] = {}  # by event id
        self.waiting: list[tuple[Sent, int]] = []  # commands without an answer, and how often they were sent
        self.tokens: dict[int, tuple[str, datetime]] = {}  # of the sessions, and when they were given out
        self.sessions = [Session() for _ in range(SESSIONS)]
        self.announced: dict[str, list[str]] = defaultdict(list)  # what each effect was announced as
        self.faults: list[str] = []  # what was seen to be wrong while it happened
        self.content_differs = 0  # effects that would have changed, as the product counted them
        self.disturbed = False  # work was taken over, parked or dead-lettered: lanes may lose their order
        names = NAMES[: history.regions]
        self.links = {(source, to): [] for source in names for to in names if source != to}
        self.shores = [shore(self, name) for name in names]
        self.by_name = {found.name: found for found in self.shores}

    # Who sees whom.

    def peer_of(self, shore: Shore) -> Shore:
        """The Region that this one watches: the next one, around."""
        return self.shores[(self.shores.index(shore) + 1) % len(self.shores)]

    def serves(self, shore: Shore, *, seen_by: Shore) -> bool:
        """Whether a Region's health endpoint answers another Region's sentinel."""
        answers = shore.up and not self.partitioned
        seen_by.unseen_looks = 0 if answers else seen_by.unseen_looks + 1
        return answers

    def reach(self, name: str) -> Shore:
        """Another Region's data plane, which stays up when its compute is lost; raises when cut off."""
        if self.partitioned:
            raise ConnectTimeoutError(endpoint_url="https://peer")
        return self.by_name[name]

    def send_from(self, source: str) -> Callable[[Arrival], None]:
        links = [link for (of, _), link in self.links.items() if of == source]

        def send(arrival: Arrival) -> None:
            for link in links:
                link.append(arrival)

        return send

    def service_error(self) -> ClientError:
        error = {"Error": {"Code": "InternalServerError", "Message": "not now"}}
        return ClientError(error, "Anything")  # type: ignore[arg-type]

    # What is noted while it happens.

    def note_announced(self, event_id: str, content_hash: str) -> None:
        self.announced[event_id].append(content_hash)

    def note_published(self, shore: Shore, event_id: str, *, origin: str, attempt: int) -> None:
        """What a Region did not write itself, it publishes only after a takeover, which has to be allowed once."""
        if f"EVENT#{event_id}" in shore.log.own or event_id in shore.taken_over:
            return
        self.disturbed = True
        shore.taken_over.add(event_id)
        if attempt == 0:
            self.faults.append(f"origin: {shore.name} published {event_id[:8]} of {origin} without taking it over")
        # A delivery may have been taken over long ago, and have waited for its items since.
        elif not self._may_take_over(shore, origin) and self.sent[event_id].status != "delivered":
            self.faults.append(f"takeover: {shore.name} took {event_id[:8]} of {origin}, neither lost nor drained")

    @staticmethod
    def _may_take_over(shore: Shore, origin: str) -> bool:
        return shore.unseen_looks >= LOOKS_BEFORE_LOST or shore.drained == origin

    def note_drained(self, shore: Shore) -> None:
        """A sentinel named its peer as lost: two looks in a row must have found it so."""
        self.disturbed = True
        if shore.unseen_looks < LOOKS_BEFORE_LOST:
            self.faults.append(f"takeover: {shore.name} drained its peer after {shore.unseen_looks} bad looks")

    # Steps.

    def take(self, step: Step) -> None:
        """Let one step happen; it takes a moment."""
        self.now += MOMENT
        salt, shore = Salt(step.salt), self.shores[step.region % len(self.shores)]
        match step.kind:
            case "send":
                self.submit(shore, command_of(salt, orders=self.history.orders, now=self.now), 0)
            case "next":
                if self.sent:
                    self.submit(shore, next_after(next(reversed(self.sent.values()))), 0)
            case "retry":
                if self.waiting:
                    sent, tries = self.waiting.pop(salt.pick(len(self.waiting)))
                    self.submit(shore, sent, tries)
            case "read":
                self.ask(shore, salt)
            case "replicate":
                self.replicate(shore, salt)
            case "relay":
                shore.relay_some(salt.pick(SHARDS), (1, 2, 5, RELAY_BATCH)[salt.pick(4)])
            case "process":
                shore.process_some(self._status(shore, salt), salt.pick(3), 1 + salt.pick(10))
            case "look":
                shore.run(shore.look, alone="look")
            case "wait":
                self.wait(WAITS[salt.pick(len(WAITS))])
            case "long":
                self.wait(LONG_WAITS[salt.pick(len(LONG_WAITS))])
            case _:
                self._disturb(step, shore, salt)

    def _disturb(self, step: Step, shore: Shore, salt: Salt) -> None:
        match step.kind:
            case "skew":
                shore.skew = timedelta(seconds=salt.pick(600) - 300)
            case "crash":
                shore.kill_in = 1 + salt.pick(CALLS_BEFORE_A_CRASH)
            case "fail":
                shore.fail_in = 1 + salt.pick(CALLS_BEFORE_A_CRASH)
            case "within":
                shore.interrupt_in = 1 + salt.pick(CALLS_BEFORE_A_CRASH // 2)
                kind = WITHIN[salt.pick(len(WITHIN))]
                where = shore if salt.pick(2) else self.shores[salt.pick(len(self.shores))]
                shore.interruption = Step(kind, self.shores.index(where), salt.pick(10**9))
            case "race":
                shore.interrupt_in = 1 + salt.pick(8)
                shore.interruption = Step("reconcile", step.region, salt.pick(10**9))
            case "refuse":
                shore.refusals = 1 + salt.pick(4)
            case "mute":
                shore.mute = True
            case "twice":
                shore.twice = True
            case "cut":
                self.partitioned = True
            case "mend":
                self.partitioned = False
            case "lose":
                shore.up = False
            case "back":
                shore.up = True
            case "restart":
                shore.restart()
            case _:
                self._operate(step.kind, shore, salt)

    def _operate(self, kind: str, shore: Shore, salt: Salt) -> None:
        """What operators do, and what somebody puts where it does not belong."""
        match kind:
            case "drain":
                self.disturbed = True
                self.peer_of(shore).write_register(drained=shore.name, readmitted=None)
            case "readmit":
                self.readmit()
            case "poison" if salt.one_in(3):
                shore.garble(salt.pick(1000))
            case "poison":
                self.disturbed = True
                group = f"o{salt.pick(self.history.orders)}"
                shore.enqueue(
                    status=STATUSES[salt.pick(len(STATUSES))], group=group, body=POISON, deduplication_id=str(self.now)
                )
            case "redrive":
                shore.redrive(STATUSES[salt.pick(len(STATUSES))])
            case "reconcile":
                order_ids = sorted({sent.order_id for sent in self.sent.values()})
                if order_ids:
                    shore.run(lambda: shore.project(order_ids[salt.pick(len(order_ids))]))
            case "unpark":
                shore.unpark()
            case "rotate":
                shore.rotate_key(salt)

    def _status(self, shore: Shore, salt: Salt) -> str:
        """A status whose queue has messages, if there is one."""
        waiting = [status for status in STATUSES if shore.queues[status].messages]
        first = salt.pick(60)
        return waiting[first % len(waiting)] if waiting else STATUSES[0]

    def wait(self, seconds: float) -> None:
        for shore in self.shores:
            if shore.up:
                shore.seen_up_at = self.now
        self.now += timedelta(seconds=seconds)

    # Clients.

    def submit(self, shore: Shore, sent: Sent, tries: int) -> None:
        """A client sends a command; it will try again, maybe elsewhere, if it gets no answer."""
        self.sent[sent.event_id] = sent
        begun = len(self.calls)
        answer = shore.run(lambda: shore.post(sent))
        if shore.mute:
            answer, shore.mute = None, False
        self.calls.append(Call(len(self.calls), begun, sent.session, shore.name, sent.order_id, answer, sent=sent))
        if sent.session == AUDITOR:
            return
        if answer is not None and answer.status in (200, 201):
            self.sessions[sent.session].learn(sent.order_id, standing_of(sent))
            if not tries and not len(self.calls) % HEDGED:
                self.waiting.append((sent, tries + 1))
        elif (answer is None or answer.status == 503) and tries < MOST_TRIES:
            self.waiting.append((sent, tries + 1))
        if answer is not None and answer.kind == "drained":
            self._note_shed(shore)

    def _note_shed(self, shore: Shore) -> None:
        """A drained Region sends clients away only if it saw its peer serve within 30 s; else nobody would serve."""
        unseen = self.now - self.peer_of(shore).seen_up_at
        if not self.peer_of(shore).up and unseen > TIMING.peer_serving:
            self.faults.append(f"I7 {shore.name} refused work although its peer was last up {unseen.seconds} s ago")

    def ask(self, shore: Shore, salt: Salt) -> None:
        """A client reads an order, naming the furthest event that it knows of it."""
        number = salt.pick(SESSIONS)
        session = self.sessions[number]
        known = sorted(session.knows) or [f"o{salt.pick(self.history.orders)}"]
        order_id = known[salt.pick(len(known))]
        at_least = session.knows[order_id][1] if order_id in session.knows else None
        answer = self._read(shore, number, order_id, at_least)
        if answer is not None and answer.seen is not None:
            session.learn(order_id, answer.seen.standing)

    def _read(self, shore: Shore, session: int, order_id: str, at_least: str | None) -> Answer | None:
        begun = len(self.calls)
        answer: Answer | None = shore.run(lambda: shore.get(order_id, at_least))
        self.calls.append(Call(len(self.calls), begun, session, shore.name, order_id, answer, at_least=at_least))
        return answer

    def audit(self) -> None:
        """When all has come to rest: every order that was acknowledged is read, and a command repeated, everywhere."""
        acknowledged = {
            call.order_id: call.sent for call in self.calls if call.sent and call.answer and call.answer.status < 300
        }
        for shore in self.shores:
            for order_id, sent in acknowledged.items():
                self._read(shore, AUDITOR, order_id, sent.event_id)
            for sent in islice(acknowledged.values(), 1):
                self.submit(shore, replace(sent, session=AUDITOR), MOST_TRIES)
                if sent.key is not None:
                    self.submit(shore, sent_of({**sent.body, "note": "n"}, sent.key, session=AUDITOR), MOST_TRIES)

    # The network.

    def replicate(self, shore: Shore, salt: Salt) -> None:
        """Some of a Region's writes arrive at another one: late, in any order, some twice."""
        others = [other for other in self.shores if other is not shore]
        to = others[salt.pick(len(others))]
        link = self.links[shore.name, to.name]
        if self.partitioned or not link:
            return
        if salt.one_in(3):
            arriving = link[:]
            link.clear()
        else:
            arriving = [link.pop(salt.pick(13) % len(link)) for _ in range(min(1 + salt.pick(6), len(link)))]
        if shore.twice:
            shore.twice = False
            arriving += arriving
        for arrival in arriving:
            self._arrive(to, arrival)

    @staticmethod
    def _arrive(to: Shore, arrival: Arrival) -> None:
        (to.log if arrival.table == "log" else to.control).arrive(arrival)

    # The end of a history.

    def play(self) -> None:
        """Let the whole history happen, then let everything come to rest."""
        for step in self.history.steps:
            self.take(step)
        self.converge()
        self.audit()

    def converge(self) -> None:
        """No more faults: everything is up and works until nothing is left; operators do their part."""
        self.partitioned = False
        for shore in self.shores:
            shore.calm()
            shore.up = True
        for number, seconds in enumerate(ROUNDS):
            self.wait(seconds)
            self.settle()
            for shore in self.shores:
                shore.run(shore.look, alone="look")
            self.settle()
            left = self.left()
            if number and not left:
                return
            if number > 1:
                self.readmit()
                for shore in self.shores:
                    for status, queue in shore.queues.items():
                        if queue.dead:
                            shore.redrive(status)
                    shore.unpark()

    def left(self) -> bool:
        """Whether work is left that somebody can do something about."""
        if any(shore.drained != NOBODY for shore in self.shores):
            return True
        if any(
            message.body != POISON for shore in self.shores for queue in shore.queues.values() for message in queue.dead
        ):
            return True
        pending = {event_id for shore in self.shores for _, event_id in shore.pending()}
        return bool(pending) and not pending <= self._without_items()

    def _without_items(self) -> set[str]:
        """Deliveries whose items nobody has told: their effect waits for ever."""
        events = [found for _, found in self.shores[0].contents() if isinstance(found, Event)]
        told = {event.order_id for event in events if event.items}
        return {event.event_id for event in events if event.status == "delivered" and event.order_id not in told}

    def readmit(self) -> None:
        """An operator readmits whichever Region is drained, through another one's register."""
        drained = next((s.drained for s in self.shores if s.drained != NOBODY), None)
        if drained is None or self.partitioned or not all(shore.up for shore in self.shores):
            return
        for link in self.links.values():  # the command waits until the Region has caught up
            if link:
                return
        for shore in self.shores:
            if shore.name != drained and shore.write_register(drained=None, readmitted=drained):
                return

    def settle(self) -> None:
        """Replicate, relay and process until nothing moves."""
        moved = True
        while moved:
            moved = False
            for (_, to), link in self.links.items():
                arriving, link[:] = link[:], []
                for arrival in arriving:
                    self._arrive(self.by_name[to], arrival)
            for shore in self.shores:
                for shard in range(SHARDS):
                    moved |= shore.relay_some(shard, RELAY_BATCH)
                for status, queue in shore.queues.items():
                    while queue.messages:
                        moved |= shore.process_some(status, 0, 10)
