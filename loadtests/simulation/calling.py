"""The webhooks of one Region at the handlers speed: systems subscribe and rotate, and the function calls them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from loadtests.simulation.calls import CALLS, DEAD, CallQueue, Letter, OperatorQueues
from loadtests.simulation.hearing import Begun, Settings, faults_of_call, untold
from loadtests.simulation.history import Salt
from loadtests.simulation.services import sqs_record
from loadtests.simulation.systems import MODES, System
from runbooks.unordered_letters import HIDDEN_SECONDS, send_back, to_queue
from shared.topology import STATUSES

if TYPE_CHECKING:
    from loadtests.simulation.lambdas import LambdaShore
    from loadtests.simulation.shore import Shore
    from loadtests.simulation.world import World

SESSION: Final = 0  # of a system's own requests; any would do
PATIENCE_SECONDS: Final = 2  # that a system waits for an answer
BATCH: Final = 10  # as many as the function is given at once


class Calling:
    """One Region's webhook queue, its function, and what systems ask this Region for."""

    def __init__(self, shore: LambdaShore) -> None:
        self._shore = shore
        self.queue = CallQueue()
        self.announced_at: dict[str, datetime] = {}  # by this Region, for the last time
        self._begun: list[Begun] = []  # of the invocations that run, the innermost last

    def announce(self, event_id: str, *, body: str | None) -> None:
        """The bus has an announcement; with a body it is one for the queue, by the bus's rule."""
        now = self._shore.world.now
        self.announced_at[event_id] = now
        if body is not None:
            self.queue.send(body, now)

    # The function.

    def tell_some(self, first: int, most: int) -> None:
        """Let the function handle a batch of what can be seen."""
        shore = self._shore
        batch = self.queue.receive(first, most, shore.world.now) if shore.up else []
        if not batch:
            return
        self._begun.append(Begun.in_region(shore, (letter.body for letter in batch)))
        event = {
            "Records": [
                {**sqs_record(letter, 0), "messageId": letter.handle, "receiptHandle": letter.handle}
                for letter in batch
            ]
        }
        answer = shore.run(lambda: shore.invoke("webhook", event))
        self._begun.pop()
        if answer is None:
            return  # it was killed
        if shore.twice:
            shore.twice = False
            return  # what was done is not deleted, and comes once more
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.queue.delete({letter.handle for letter in batch} - failed)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """In place of the network: judge the call, and let the receiver answer."""
        shore = self._shore
        shore.step()
        host = urlsplit(url).hostname
        system = next((found for found in shore.world.systems.values() if urlsplit(found.url).hostname == host), None)
        shore.world.faults.extend(faults_of_call(shore, self._begun[-1], system, body, headers))
        if system is not None:
            system.answer(json.loads(body)["event_id"], headers["Relevo-Signature"], body)
        shore.step()

    # What systems ask for.

    def subscribe(self, system: System, salt: Salt) -> None:
        """Set a subscription, or end it."""
        if salt.one_in(4):
            if self._asked(system, "DELETE", "/v1/webhook", lost=salt.one_in(6)) is not None:
                system.taken.clear()
            return
        wanted: dict[str, Any] = {"url": system.url}
        if salt.one_in(2):
            chosen = 1 + salt.pick(2 ** len(STATUSES) - 1)
            wanted["statuses"] = [status for place, status in enumerate(STATUSES) if chosen >> place & 1]
        said = self._asked(system, "PUT", "/v1/webhook", json.dumps(wanted), lost=salt.one_in(6))
        if said is None or "secret" in said:
            system.asks.append(self._shore.world.now)
        system.learn((said or {}).get("secret"), self._shore.world.now)

    def secret(self, system: System, salt: Salt) -> None:
        """The next step of a rotation; who gets no answer asks again at once, in the next Region."""
        if system.turn(self._shore.world.now):
            return
        peer = self._shore.world.peer_of(self._shore).calling
        assert peer is not None  # one speed a world
        if not self.ask_secret(system, lost=salt.one_in(4)) and not salt.one_in(3):
            self._shore.world.wait(PATIENCE_SECONDS)
            peer.ask_secret(system)

    def ask_secret(self, system: System, *, lost: bool = False) -> bool:
        system.asks.append(self._shore.world.now)
        said = self._asked(system, "POST", "/v1/webhook/secret", lost=lost)
        system.learn((said or {}).get("secret"), self._shore.world.now)
        return said is not None

    def _asked(self, system: System, method: str, path: str, body: str | None = None, *, lost: bool) -> Any:
        """What was answered; ``None`` for an error, and if the answer was lost."""
        shore = self._shore
        system.is_asking = True
        answer = shore.run(lambda: shore.ask(SESSION, system.subject, method, path, body))
        system.is_asking = False
        lost, shore.mute = lost or shore.mute, False
        if answer is not None and answer[0] not in (200, 201, 503):
            shore.world.faults.append(f"webhook: {method} {path} was answered {answer[0]}")
        return None if answer is None or lost or answer[0] == 503 else answer[1]

    def untold(
        self, shores: Iterable[Shore], announced: Mapping[str, datetime], letters: frozenset[str]
    ) -> Iterator[str]:
        """What systems should have heard of that was announced, by this Region's log and what these Regions knew."""
        settings = [found for shore in shores if isinstance(found := shore.replicas["accounts"], Settings)]
        systems = self._shore.world.systems
        return untold(
            self._shore.log, settings, announced, systems,
            lambda system, event_id: event_id in system.received or event_id in letters,
        )  # fmt: skip

    # Operators.

    def send_back(self) -> None:
        """As `relevo redrive REGION webhooks`."""
        shore, dead = self._shore, self.queue.dead
        queues = OperatorQueues(self.queue, shore.step, lambda: shore.world.now)
        shore.run(lambda: send_back(queues, dead_letters=DEAD, send=to_queue(queues, CALLS), at_most=len(dead)))


# What happens because a step says so.


def _of_a_system(do: Callable[[Calling, System, Salt], None]) -> Callable[[Calling, World, Salt], None]:
    def step(calling: Calling, world: World, salt: Salt) -> None:
        systems = list(world.systems.values())
        system = systems[salt.pick(len(systems))]
        if not system.is_asking:
            do(calling, system, salt)

    return step


def _turn(_: Calling, system: System, salt: Salt) -> None:
    system.mode = MODES[salt.pick(len(MODES))]


HEARING: Final[dict[str, Callable[[Calling, World, Salt], None]]] = {
    "subscribe": _of_a_system(Calling.subscribe),
    "secret": _of_a_system(Calling.secret),
    "turn": _of_a_system(_turn),
    "tell": lambda calling, _, salt: calling.tell_some(salt.pick(7), 1 + salt.pick(BATCH)),
    "tire": lambda calling, world, _: calling.queue.tire(world.now),
    "resend": lambda calling, _, __: calling.send_back(),
}


# The end of a history.


def untold_alone(survivor: Shore, since: datetime) -> Iterator[str]:
    """What a Region announced since it is alone, for its lost peer too, and neither told nor has a letter for."""
    calling = survivor.calling
    if calling is None:
        return
    letters = _events_of([*calling.queue.waiting, *calling.queue.dead])
    announced = {event_id: at for event_id, at in calling.announced_at.items() if at >= since}
    yield from calling.untold([survivor], announced, letters)


def come_to_rest(world: World) -> None:
    """All calls are made or given up; then receivers are mended, and what was given up is sent again."""
    callings = [shore.calling for shore in world.shores if shore.calling is not None]
    if not callings:
        return  # the fast speed
    _tell_everything(world, callings)
    dead = _events_of([letter for calling in callings for letter in calling.queue.dead])
    world.faults.extend(callings[0].untold(world.shores, world.announced_at, dead))
    if not dead:
        return
    for system in world.systems.values():
        system.mode = "takes"
        callings[0].ask_secret(system)
        system.taken = [shown.value for shown in system.shown]
    world.deliver_everything()
    world.wait(HIDDEN_SECONDS)  # until what a command that died was about to send back can be seen
    for calling in callings:
        calling.send_back()
    _tell_everything(world, callings)
    world.faults.extend(callings[0].untold(world.shores, world.announced_at, frozenset()))


def _events_of(letters: Iterable[Letter]) -> frozenset[str]:
    return frozenset(json.loads(letter.body)["event_id"] for letter in letters)


def _tell_everything(world: World, callings: list[Calling]) -> None:
    while due := [at for calling in callings if (at := calling.queue.due_at()) is not None]:
        world.now = max(world.now, min(due))
        for calling in callings:
            calling.tell_some(0, BATCH)
