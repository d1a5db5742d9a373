"""Follows every acknowledged command into one Region's log: when its event and its effect were first there.

Asks for keys in batches, never scans; what is complete is not asked for again, so it costs little beside the load.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from loadtests.drills.probe import Probe
from loadtests.drills.target import DrillRegion
from loadtests.ledger import Ack, Entry
from shared.topology import TOPOLOGY

KEYS_PER_CALL = 100
PER_LOOK = 400
YOUNG_SECONDS = 0.5


@dataclass
class Arrivals:
    """When a command's event and effect were first seen in one Region's log."""

    ack: Ack
    event_id: str | None
    event_at: float | None = None
    effect_at: float | None = None

    @property
    def complete(self) -> bool:
        return self.event_at is not None and self.effect_at is not None


class ReplicaTracker(Probe):
    """Keeps the state of all acknowledged commands in one Region's log."""

    def __init__(self, region: DrillRegion, every: float) -> None:
        super().__init__(f"log of {region.name}", every)
        self.region = region.name
        self.commands: dict[str, Arrivals] = {}
        self._pending: dict[str, Arrivals] = {}
        self._dynamodb = region.client("dynamodb")
        self._lock = threading.Lock()

    def hear(self, entry: Entry) -> None:
        if isinstance(entry, Ack) and entry.command_id not in self.commands:
            arrivals = Arrivals(entry, entry.event_id)
            with self._lock:
                self.commands[entry.command_id] = arrivals
                self._pending[entry.command_id] = arrivals

    def look(self) -> None:
        now = time.time()
        with self._lock:
            old_enough = [a for a in self._pending.values() if now - a.ack.at > YOUNG_SECONDS][:PER_LOOK]
            # Those looked at go to the end: what never comes must not keep the others from being asked for.
            for arrivals in old_enough:
                self._pending[arrivals.ack.command_id] = self._pending.pop(arrivals.ack.command_id)
        self._look_for(old_enough)

    def unreadable(self, acked_until: float) -> list[Arrivals]:
        """Commands acknowledged up to a moment whose event cannot be read here, asked for now, however young.

        What was read once is not asked for again: the log only grows.
        """
        with self._lock:
            unseen = [a for a in self._pending.values() if a.ack.at <= acked_until and a.event_at is None]
        self._look_for(unseen)
        return [a for a in unseen if a.event_at is None]

    def _look_for(self, commands: list[Arrivals]) -> None:
        self._name_events([a for a in commands if a.event_id is None])
        known = [a for a in commands if a.event_id is not None]
        for start in range(0, len(known), KEYS_PER_CALL // 2):
            self._ask(known[start : start + KEYS_PER_CALL // 2])

    def incomplete(self, acked_until: float) -> list[Arrivals]:
        """Commands acknowledged up to a moment that are not complete here."""
        with self._lock:
            return [a for a in self._pending.values() if a.ack.at <= acked_until]

    def _name_events(self, nameless: list[Arrivals]) -> None:
        """The old route's answer has no event id: such an order has one event, its partition says which."""
        for arrivals in nameless:
            answer = self._dynamodb.query(
                TableName=TOPOLOGY.order_log_table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :event)",
                ExpressionAttributeValues={
                    ":pk": {"S": f"ORDER#{arrivals.ack.order_id}"},
                    ":event": {"S": "EVENT#"},
                },
                ProjectionExpression="sk",
                ConsistentRead=True,
            )
            for item in answer["Items"]:
                arrivals.event_id = item["sk"]["S"].removeprefix("EVENT#")

    def _ask(self, group: list[Arrivals]) -> None:
        keys = [key for arrivals in group for key in self._keys(arrivals)]
        found: set[tuple[str, str]] = set()
        request: dict[str, Any] = {
            TOPOLOGY.order_log_table: {"Keys": keys, "ProjectionExpression": "pk, sk", "ConsistentRead": True}
        }
        while request:
            answer = self._dynamodb.batch_get_item(RequestItems=request)
            for item in answer["Responses"].get(TOPOLOGY.order_log_table, ()):
                found.add((item["pk"]["S"], item["sk"]["S"]))
            request = answer.get("UnprocessedKeys") or {}
        now = time.time()
        for arrivals in group:
            event_key, effect_key = ((key["pk"]["S"], key["sk"]["S"]) for key in self._keys(arrivals))
            if event_key in found and arrivals.event_at is None:
                arrivals.event_at = now
            if effect_key in found and arrivals.effect_at is None:
                arrivals.effect_at = now
            if arrivals.complete:
                with self._lock:
                    self._pending.pop(arrivals.ack.command_id, None)

    @staticmethod
    def _keys(arrivals: Arrivals) -> tuple[dict[str, Any], dict[str, Any]]:
        pk = {"S": f"ORDER#{arrivals.ack.order_id}"}
        return (
            {"pk": pk, "sk": {"S": f"EVENT#{arrivals.event_id}"}},
            {"pk": pk, "sk": {"S": f"EFFECT#{arrivals.event_id}"}},
        )


@dataclass(frozen=True)
class RecoveryPoint:
    """What of all that was acknowledged before a loss the survivor could not read right after it."""

    commands: int
    seconds: float  # from the oldest of them to the loss


def recovery_point(tracker: ReplicaTracker, fault_at: float) -> RecoveryPoint:
    """Ask the survivor's log at once; what arrives later does not count."""
    missing = tracker.unreadable(fault_at)
    oldest = min((a.ack.at for a in missing), default=fault_at)
    return RecoveryPoint(len(missing), round(fault_at - oldest, 3))


@dataclass(frozen=True)
class Takeover:
    """What became of the lost Region's work in the survivor's log."""

    waiting: int  # events that are there without an effect
    unreplicated: int  # acknowledged by the lost Region, not there yet
    seconds: float | None  # fault to the last effect; None while some are waiting

    @property
    def proved(self) -> bool:
        return self.seconds is not None


def takeover_of(tracker: ReplicaTracker, lost_region: str, fault_at: float) -> Takeover:
    """Look at all events that the lost Region acknowledged before the fault, as the survivor's log has them."""
    theirs = [a for a in list(tracker.commands.values()) if a.ack.region == lost_region and a.ack.at <= fault_at]
    unreplicated = sum(a.event_at is None for a in theirs)
    waiting = sum(a.event_at is not None and a.effect_at is None for a in theirs)
    if waiting or not theirs:
        return Takeover(waiting, unreplicated, None)
    last = max((a.effect_at or fault_at for a in theirs), default=fault_at)
    return Takeover(0, unreplicated, round(max(0.0, last - fault_at), 2))
