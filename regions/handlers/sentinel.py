"""The sentinel function: every 15 s it beats, looks at its peer, and does pending work: its own, or that of a lost peer.

The schedule starts it every minute, alone (concurrency 1); it looks again until the minute is over. It decides nothing
itself: the rules are in ``shared.domain.takeover``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers import runtime
from regions.handlers.relay import publishable
from regions.handlers.runtime import logger, metrics
from shared.adapters.control import Control, RegisterTakenError
from shared.adapters.effect_bus import EffectBus
from shared.adapters.event_topic import EventTopic, Publication
from shared.adapters.order_log import OrderLog
from shared.adapters.order_queries import OrderQueries
from shared.adapters.order_view import OrderView
from shared.adapters.peer import peer_serves
from shared.adapters.settings import settings
from shared.domain.instants import to_text
from shared.domain.takeover import (
    NOBODY,
    Guard,
    PendingWork,
    Timing,
    action_for,
    announced_through,
    next_due,
    observe,
    peer_is_lost,
)
from shared.topology import TOPOLOGY

HEARTBEATS: Final = range(TOPOLOGY.heartbeat_keys)
# Work done in one look; the rest is done in the next one.
MAX_WORK: Final = 500
RUN_SECONDS: Final = 57.0


@dataclass
class Sentinel:
    """One Region's watch over its own pending work and over its peer."""

    region: str
    peer: str
    log: OrderLog
    view: OrderView
    queries: OrderQueries
    control: Control
    topic: EventTopic
    bus: EffectBus
    peer_serving: Callable[[], bool]
    timing: Timing
    clock: Callable[[], datetime]

    def look(self) -> Guard:
        """Beat, look at the peer, work through what is due, and keep what was seen."""
        now = self.clock()
        own = self.queries.pending(self.region)
        self._beat(own, now)
        theirs = self.queries.pending(self.peer)
        beat = self.log.newest_beat(region=self.peer, numbers=HEARTBEATS)
        guard = observe(
            self.queries.guard(),
            now=now,
            region=self.region,
            peer_serving=self.peer_serving(),
            peer_beat=to_text(beat.beat_at) if beat else "",
            register=self.control.register(),
            timing=self.timing,
        )
        if peer_is_lost(guard) and guard.draining == NOBODY:
            guard = self._drain_peer(guard, now)
        # Kept before the work, so that a look that dies in the middle of it is not forgotten.
        self.queries.keep_guard(guard)
        self._work([*own, *theirs], guard, now)
        if peer_is_lost(guard):
            self._announce_for_peer(beat.announced_through if beat else None, guard, now)
        self._measure(own, theirs, guard, now)
        return guard

    def _beat(self, own: list[PendingWork], now: datetime) -> None:
        """Heartbeats in several partitions of the log, with the moment up to which this Region announced its effects."""
        vouched = announced_through(
            relayed_through=self.queries.relayed_through(len(HEARTBEATS)),
            oldest_own_pending=min((work.seen_at for work in own), default=None),
            timing=self.timing,
        )
        self.log.beat(region=self.region, numbers=HEARTBEATS, now=now, announced_through=vouched)

    def _drain_peer(self, guard: Guard, now: datetime) -> Guard:
        """A lost Region is not to get traffic back with a stale view; only `relevo readmit` clears that."""
        try:
            self.control.drain(self.peer, by=f"sentinel of {self.region}", reason="lost: no health, no heartbeat", now=now)
        except RegisterTakenError:
            logger.warning("the register is taken; the peer is not drained by it")
            return guard
        logger.warning("peer lost and drained", peer=self.peer)
        metrics.add_metric(name="PeerLost", unit=MetricUnit.Count, value=1)
        return replace(guard, draining=self.peer)

    def _work(self, pending: Iterable[PendingWork], guard: Guard, now: datetime) -> None:
        """Do what is due, oldest first; behind a try that failed, the rest of its order and status waits.

        The relay publishes an order's status by itself again once nothing of it is left waiting here.
        """
        oldest_first = sorted(pending, key=lambda work: (work.seen_at, work.event_id))
        decided = [
            (work, action_for(work, guard, region=self.region, now=now, timing=self.timing)) for work in oldest_first
        ]
        waiting = Counter(work.lane for work in oldest_first if work.region == self.region)
        stopped: set[tuple[str, str]] = set()
        for work, action in [pair for pair in decided if pair[1] != "wait"][:MAX_WORK]:
            if work.lane in stopped:
                continue
            if action == "park":
                self._park(work, now)
            elif not self._do(work, now, taken_over=action == "take over"):
                stopped.add(work.lane)
                continue
            waiting[work.lane] -= 1
            if waiting[work.lane] <= 0:
                self.view.unblock(work.order_id, work.status)

    def _do(self, work: PendingWork, now: datetime, *, taken_over: bool) -> bool:
        """Publish the event or announce the effect of one piece of work once more; ``False`` if that failed."""
        attempt = 1 if taken_over else work.attempt + 1
        record = self.log.order(work.order_id)
        effect = next((found for found in record.effects if found.event_id == work.event_id), None)
        event = next((found for found in record.events if found.event_id == work.event_id), None)
        if effect is not None:
            done = not self.bus.announce([effect]).failed
            if done:
                self.view.note_announced(effect, now=now)
                return True
        elif event is not None:
            complete = publishable(event, record)
            if complete is None:
                logger.info("an effect waits for its items", order_id=work.order_id, event_id=work.event_id)
                done, attempt = True, work.attempt  # no try: nothing was sent
            else:
                done = not self.topic.publish([Publication(complete, attempt)]).failed
        else:
            # The view has seen an event that the log does not hold: a bug, or a restored table. On-call decides.
            logger.error("pending work without an event", order_id=work.order_id, event_id=work.event_id)
            self._park(work, now)
            return True
        self.view.update_work(
            work.order_id,
            work.event_id,
            set_fields={
                "attempt": attempt,
                "pending_region": self.region,
                "due_at": to_text(next_due(attempt, now=now, timing=self.timing)),
                **({"taken_over_at": to_text(now)} if taken_over else {}),
            },
        )
        metrics.add_metric(name="TakenOver" if taken_over else "Retried", unit=MetricUnit.Count, value=1)
        return done

    def _park(self, work: PendingWork, now: datetime) -> None:
        """Nothing more is tried by itself: an alarm tells on-call, and a runbook what to do."""
        logger.error("work parked", order_id=work.order_id, event_id=work.event_id, status=work.status)
        metrics.add_metric(name="Parked", unit=MetricUnit.Count, value=1)
        self.view.update_work(
            work.order_id,
            work.event_id,
            set_fields={"pending_region": f"{self.region}#parked", "parked_at": to_text(now)},
        )

    def _announce_for_peer(self, vouched: datetime | None, guard: Guard, now: datetime) -> None:
        """Announce the lost peer's effects that it may not have announced any more; twice is allowed, never is not."""
        for work in self.queries.unvouched_effects(self.peer, after=vouched)[:MAX_WORK]:
            if now - work.seen_at < self.timing.takeover_after:
                continue
            effect = self.log.effect(work.order_id, work.event_id)
            if effect is not None and not self.bus.announce([effect]).failed:
                self.view.note_announced(effect, now=now)
                metrics.add_metric(name="AnnouncedForPeer", unit=MetricUnit.Count, value=1)

    def _measure(self, own: list[PendingWork], theirs: list[PendingWork], guard: Guard, now: datetime) -> None:
        oldest = min((work.seen_at for work in (*own, *theirs)), default=now)
        beat_age = (now - guard.peer_beat_seen_at).total_seconds() if guard.peer_beat_seen_at else 0.0
        for name, unit, value in (
            ("Looks", MetricUnit.Count, 1.0),
            ("PendingWork", MetricUnit.Count, float(len(own))),
            ("PeerPendingWork", MetricUnit.Count, float(len(theirs))),
            ("OldestPendingSeconds", MetricUnit.Seconds, (now - oldest).total_seconds()),
            ("PeerHeartbeatAgeSeconds", MetricUnit.Seconds, beat_age),
            ("PeerLostNow", MetricUnit.Count, float(peer_is_lost(guard))),
        ):
            metrics.add_metric(name=name, unit=unit, value=value)


def sentinel() -> Sentinel:
    there = settings()
    return Sentinel(
        region=there.region,
        peer=there.peer_region,
        log=runtime.order_log(),
        view=runtime.order_view(),
        queries=runtime.order_queries(),
        control=runtime.control(),
        topic=runtime.event_topic(),
        bus=runtime.effect_bus(),
        peer_serving=lambda: peer_serves(there.peer_endpoint, TOPOLOGY.region_api_name(there.peer_region)),
        timing=there.timing,
        clock=runtime.now,
    )


_sentinel = sentinel()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look until the minute is over; a look that fails is counted and the next one is tried."""
    started = time.monotonic()
    every = settings().timing.look.total_seconds()
    looks = failed = 0
    while True:
        look_started = time.monotonic()
        try:
            guard = _sentinel.look()
            logger.info("looked", draining=guard.draining, gone_looks=guard.gone_looks)
        except (ClientError, BotoCoreError):
            failed += 1
            logger.exception("a look failed")
            metrics.add_metric(name="LookFailed", unit=MetricUnit.Count, value=1)
        looks += 1
        next_look = look_started + every
        # The next invocation takes over before this one would be cut off.
        if next_look - started >= RUN_SECONDS or (next_look - time.monotonic()) * 1000 > context.get_remaining_time_in_millis() - 2000:
            return {"looks": looks, "failed": failed}
        time.sleep(max(next_look - time.monotonic(), 0.0))
