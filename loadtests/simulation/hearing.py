"""Judges webhooks: each call while it is made, by what its Region knows, and at the end what nobody was told of.

Knows the contract and the shape of what is stored, and nothing of how the product decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from loadtests.drills.fold import precedence
from loadtests.simulation.replica import Change, Key, Replica, Stamp
from loadtests.simulation.systems import System, signed_by
from shared.adapters import items
from shared.topology import STATUSES

if TYPE_CHECKING:
    from loadtests.simulation.lambdas import LambdaShore
    from loadtests.simulation.world import World

KNOWN_WITHIN: Final = timedelta(seconds=30)  # a change of a subscription, as the contract says
SETTINGS: Final = "WEBHOOKS"
MOST_SECRETS: Final = 2


class Settings(Replica):
    """One Region's replica of accounts and webhooks; tells since when which statuses are wanted without a break."""

    def __init__(self, world: World, name: str, clock: Callable[[], datetime]) -> None:
        super().__init__("accounts", name, clock, world.send_from(name))
        self._world = world
        self.wanted_since: dict[tuple[str, str], datetime] = {}

    def _take(self, key: Key, stamp: Stamp, content: Any) -> None:
        super()._take(key, stamp, content)
        subject, _, rest = key[1].partition("#")
        if rest != "SUBSCRIPTION":
            return
        wanted = items.from_wire(content)["statuses"] if content else ()
        for status in STATUSES:
            if status in wanted:
                self.wanted_since.setdefault((subject, status), self._world.now)
            else:
                self.wanted_since.pop((subject, status), None)

    def secrets(self, subject: str) -> set[str]:
        return {
            item["secret"]["S"]
            for sort, item in self.partitions.get(SETTINGS, {}).items()
            if sort.startswith(f"{subject}#SECRET#")
        }


def owner(events: Iterable[Mapping[str, Any]]) -> str | None:
    """Who registered an order: the sender of the event that all others come after."""
    first = min(
        events, key=lambda found: (precedence(found)[:3], found["recorded_at"], found["event_id"]), default=None
    )
    return str(first["subject"]) if first else None


def events_of(order_id: str, changes: Iterable[Change]) -> list[items.Plain]:
    """The events of an order after some changes of a log."""
    newest = {found.key: found.content for found in changes if found.key[0] == f"ORDER#{order_id}"}
    return [items.from_wire(item) for key, item in newest.items() if key[1].startswith("EVENT#") and "subject" in item]


@dataclass(frozen=True)
class Begun:
    """What a Region knew when the function began; what it reads is this, or what has come meanwhile."""

    announced: frozenset[str]  # event ids of the batch
    changes: int
    secrets: Mapping[str, set[str]]
    wanted: frozenset[tuple[str, str]]

    @classmethod
    def in_region(cls, shore: LambdaShore, bodies: Iterable[str]) -> Begun:
        return cls(
            frozenset(json.loads(body)["event_id"] for body in bodies),
            len(shore.log.changes),
            {subject: shore.settings.secrets(subject) for subject in shore.world.systems},
            frozenset(shore.settings.wanted_since),
        )


def faults_of_call(
    shore: LambdaShore, begun: Begun, system: System | None, body: bytes, headers: Mapping[str, str]
) -> Iterator[str]:
    """What is wrong with one call, whatever its receiver will answer."""
    said = json.loads(body)
    event_id, order_id = said["event_id"], said["order_id"]
    what = f"webhook: the call of {said['status']} of {order_id} ({event_id[:8]}) in {shore.name}"
    if system is None:
        yield f"{what} goes to nobody's address"
        return
    if headers["Relevo-Event-Id"] != event_id or event_id not in begun.announced:
        yield f"{what} bears another id than the event that was announced"
    order = shore.log.partitions.get(f"ORDER#{order_id}", {})
    event, effect = order.get(f"EVENT#{event_id}"), order.get(f"EFFECT#{event_id}")
    if event is None or effect is None or event["status"]["S"] != said["status"]:
        yield f"{what} tells of an event that never happened"
    elif said["effect"]["content"] != items.effect_from_plain(items.from_wire(effect)).content:
        yield f"{what} tells of another effect than the event has"
    now = shore.log.changes
    if system.subject not in {owner(events_of(order_id, changes)) for changes in (now[: begun.changes], now)}:
        yield f"{what} goes to {system.subject}, who did not register the order"
    if (system.subject, said["status"]) not in begun.wanted | shore.settings.wanted_since.keys():
        yield f"{what} goes to {system.subject}, who does not listen to it"
    yield from _faults_of_signature(what, shore, begun, system, body, headers["Relevo-Signature"])


def _faults_of_signature(
    what: str, shore: LambdaShore, begun: Begun, system: System, body: bytes, signature: str
) -> Iterator[str]:
    """At most two signatures, each by a secret that was valid just then, and one by the secret in use."""
    before, now = begun.secrets[system.subject], shore.settings.secrets(system.subject)
    made = [part for part in signature.split(",") if part.startswith("v1=")]
    if len(signed_by(before | now, signature, body)) != len(made) or not 0 < len(made) <= MOST_SECRETS:
        yield f"{what} bears a signature by no secret that was valid"
    if not signature.startswith(f"t={int(shore.clock().timestamp())},"):
        yield f"{what} bears another time than its own"
    # Which of two secrets is the newer one is told by clocks, so they have to agree.
    used = system.has_to_sign() if not any(other.skew for other in shore.world.shores) else None
    if used in before & now and not signed_by([used], signature, body):
        yield f"{what} does not bear a signature by the secret that {system.subject} has in use"


def untold(
    log: Replica, settings: Sequence[Settings], announced: Mapping[str, datetime], systems: Mapping[str, System],
    heard: Callable[[System, str], bool],
) -> Iterator[str]:  # fmt: skip
    """Announced events that a system was promised to hear of, and did not: its subscription had been known for long."""
    for event_id, announced_at in announced.items():
        found = next((change.content for change in log.changes if change.key[1] == f"EVENT#{event_id}"), None)
        if found is None:
            continue  # an effect without its event: judged elsewhere
        status, order_id = found["status"]["S"], found["order_id"]["S"]
        subject = owner(events_of(order_id, log.changes)) or ""
        known = [replica.wanted_since.get((subject, status)) for replica in settings]
        if any(since is None or announced_at - since < KNOWN_WITHIN for since in known):
            continue
        if not heard(systems[subject], event_id):
            yield f"webhook: {subject} was not told of {status} of {order_id} ({event_id[:8]}), and no letter is left"
