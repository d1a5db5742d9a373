"""Everything that happens in one history: Regions, the network between them, clients and operators, step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.exceptions import ClientError, ConnectTimeoutError

from loadtests.simulation.clients import (
    AUDITOR,
    MOST_TRIES,
    SESSIONS,
    SUBJECTS,
    Answer,
    Call,
    Sent,
    Session,
    standing_of,
)
from loadtests.simulation.history import History, Salt, Step
from loadtests.simulation.replica import Arrival
from loadtests.simulation.shore import Shore
from loadtests.simulation.systems import System
from shared.adapters.reports import KEY as REPORTS
from shared.domain.takeover import NOBODY, Timing
from shared.topology import TOPOLOGY

NAMES: Final = (*TOPOLOGY.region_names, TOPOLOGY.witness_region)
TIMING: Final = Timing.scaled(1.0)
START: Final = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)  # half an hour before midnight in Bogota
HEDGED: Final = 4  # every so many commands are sent again although they were acknowledged
LOOKS_BEFORE_LOST: Final = 2  # as the design page says, whatever the product counts to


class World(ABC):
    """Two or three Regions and what happens to them."""

    def __init__(self, history: History, shore: Callable[[World, str], Shore]) -> None:
        self.now = START
        self.history = history
        self.links: dict[tuple[str, str], list[Arrival]] = {}
        self.partitioned = False
        self.calls: list[Call] = []
        self.sent: dict[str, Sent] = {}  # by event id
        self.waiting: list[tuple[Sent, int]] = []  # commands without an answer, and how often they were sent
        # Of the sessions, each as its client system, and when they were given out.
        self.tokens: dict[tuple[int, str], tuple[str, datetime]] = {}
        self.sessions = [Session() for _ in range(SESSIONS)]
        self.announced: dict[str, list[str]] = defaultdict(list)  # what each effect was announced as
        self.announced_at: dict[str, datetime] = {}  # for the first time
        self.secrets_made = 0
        self.systems = {subject: System(subject) for subject in SUBJECTS}
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

    def sees(self, shore: Shore, *, serving: Callable[[], bool] = lambda: True) -> bool:
        """Whether a Region's sentinel finds its peer's health endpoint serving."""
        answers = self.peer_of(shore).up and not self.partitioned and serving()
        shore.unseen_looks = 0 if answers else shore.unseen_looks + 1
        shore.drained_in_look = shore.drained  # what this look rests on, though the register may change meanwhile
        return answers

    def reach(self, name: str) -> Shore:
        """Another Region's data plane, which stays up when its compute is lost; raises when cut off."""
        if self.partitioned:
            raise ConnectTimeoutError(endpoint_url="https://peer")
        return self.by_name[name]

    def send_from(self, source: str) -> Callable[[Arrival], None]:
        links = [link for (of, _), link in self.links.items() if of == source]

        def send(arrival: Arrival) -> None:
            if arrival.key[0] == REPORTS:
                return  # the handlers' alone, and no decision rests on them: both speeds replicate the same writes
            for link in links:
                link.append(arrival)

        return send

    def service_error(self) -> ClientError:
        error = {"Error": {"Code": "InternalServerError", "Message": "not now"}}
        return ClientError(error, "Anything")  # type: ignore[arg-type]

    # What is noted while it happens.

    def note_announced(self, event_id: str, content_hash: str) -> None:
        self.announced[event_id].append(content_hash)
        self.announced_at.setdefault(event_id, self.now)

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
        return shore.unseen_looks >= LOOKS_BEFORE_LOST or origin in (shore.drained, shore.drained_in_look)

    def note_drained(self, shore: Shore) -> None:
        """A sentinel named its peer as lost: two looks in a row must have found it so."""
        self.disturbed = True
        if shore.unseen_looks < LOOKS_BEFORE_LOST:
            self.faults.append(f"takeover: {shore.name} drained its peer after {shore.unseen_looks} bad looks")

    # Steps.

    @abstractmethod
    def take(self, step: Step) -> None:
        """Let one step happen."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""
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
        answer = self.read(shore, number, order_id, at_least)
        if answer is not None and answer.seen is not None:
            session.learn(order_id, answer.seen.standing)

    def read(self, shore: Shore, session: int, order_id: str, at_least: str | None) -> Answer | None:
        """Read an order, naming an event that has to be there."""
        begun = len(self.calls)
        answer: Answer | None = shore.run(lambda: shore.get(order_id, at_least))
        self.calls.append(Call(len(self.calls), begun, session, shore.name, order_id, answer, at_least=at_least))
        return answer

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
        to.replicas[arrival.table].arrive(arrival)

    def deliver_everything(self) -> None:
        """All that is on its way arrives."""
        for (_, to), link in self.links.items():
            arriving, link[:] = link[:], []
            for arrival in arriving:
                self._arrive(self.by_name[to], arrival)

    def cut(self, *, partitioned: bool) -> None:
        """Cut replication and sight between the Regions, or mend them."""
        self.partitioned = partitioned

    def readmit(self) -> None:
        """An operator readmits whichever Region is drained, through another one's register, once all has come over."""
        drained = next((shore.drained for shore in self.shores if shore.drained != NOBODY), None)
        if drained is None or self.partitioned or any(self.links.values()) or not all(s.up for s in self.shores):
            return
        for shore in self.shores:
            if shore.name != drained and shore.write_register(drained=None, readmitted=drained):
                return
