"""The sentinel function: every 15 s it beats, looks at its peer, and does pending work: its own, or a lost peer's.

The schedule starts it every minute, alone (concurrency 1); it looks again until the minute is over. It decides nothing
itself: the rules are in ``shared.domain.takeover``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers import runtime
from regions.handlers.pending_work import Worker
from regions.handlers.runtime import logger, metrics
from shared.adapters.control import Control, RegisterTakenError
from shared.adapters.order_log import OrderLog
from shared.adapters.order_queries import MAX_PENDING, OrderQueries
from shared.adapters.peer import peer_serves
from shared.adapters.settings import settings
from shared.adapters.view_notes import NotesNotWrittenError
from shared.domain.instants import day_in_bogota, to_text
from shared.domain.takeover import (
    NOBODY,
    Guard,
    PendingWork,
    Timing,
    announced_through,
    observe,
    oldest_seen_at,
    peer_is_lost,
)
from shared.topology import TOPOLOGY

HEARTBEATS: Final = range(TOPOLOGY.heartbeat_keys)
# Announced for a lost peer in one look; the rest in the next one.
MAX_ANNOUNCED: Final = 500
# Of each minute of the schedule, so that two runs never overlap; scaled like every other wait.
RUN_SECONDS: Final = 57.0
DRAINED_PACE: Final = 1 / 3


@dataclass
class Sentinel:
    """One Region's watch over its own pending work and over its peer."""

    region: str
    peer: str
    log: OrderLog
    queries: OrderQueries
    control: Control
    worker: Worker
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
        peer_serving = self.peer_serving()
        guard = observe(
            self.queries.guard(),
            now=now,
            region=self.region,
            peer_serving=peer_serving,
            peer_beat=to_text(beat.beat_at) if beat else "",
            register=self.control.register(),
            timing=self.timing,
        )
        if peer_is_lost(guard) and guard.draining == NOBODY:
            guard = self._drain_peer(guard, now)
        # Kept before the work, so that a look that dies in the middle of it is not forgotten.
        self.queries.keep_guard(guard)
        self.worker.work([*own, *theirs], guard, now)
        if peer_is_lost(guard):
            vouched = beat.announced_through if beat else None
            unvouched = self.queries.unvouched_effects(self.peer, after=vouched, limit=MAX_ANNOUNCED)
            self.worker.announce_for_peer(unvouched, now)
        self._measure(own, theirs, guard, now, peer_serving)
        return guard

    def _beat(self, own: list[PendingWork], now: datetime) -> None:
        """Beat in several partitions of the log, with the moment up to which this Region announced its effects."""
        if len(own) < MAX_PENDING:
            vouched = announced_through(
                relayed_through=self.queries.relayed_through(len(HEARTBEATS)),
                oldest_own_pending=min((work.recorded_at for work in own), default=None),
                timing=self.timing,
            )
        else:  # not all of it was read, so nothing new is vouched for
            before = self.log.newest_beat(region=self.region, numbers=HEARTBEATS)
            vouched = before.announced_through if before else None
        self.log.beat(region=self.region, numbers=HEARTBEATS, now=now, announced_through=vouched)

    def _drain_peer(self, guard: Guard, now: datetime) -> Guard:
        """A lost Region is not to get traffic back with a stale view; only `relevo readmit` clears that."""
        try:
            self.control.drain(
                self.peer, by=f"sentinel of {self.region}", reason="lost: no health, no heartbeat", now=now
            )
        except RegisterTakenError:
            logger.warning("the register is taken; the peer is not drained by it")
            return guard
        logger.warning("peer lost and drained", peer=self.peer)
        metrics.add_metric(name="PeerLost", unit=MetricUnit.Count, value=1)
        return replace(guard, draining=self.peer)

    def _measure(
        self, own: list[PendingWork], theirs: list[PendingWork], guard: Guard, now: datetime, peer_serving: bool
    ) -> None:
        """Write every gauge in every look: alarms take a gauge that is missing for a fault."""
        beat_age = (now - guard.peer_beat_seen_at).total_seconds() if guard.peer_beat_seen_at else 0.0
        oldest, their_oldest = ((now - (oldest_seen_at(work) or now)).total_seconds() for work in (own, theirs))
        gauges = [
            ("Looks", MetricUnit.Count, 1.0),
            ("PendingWork", MetricUnit.Count, float(len(own))),
            ("PeerPendingWork", MetricUnit.Count, float(len(theirs))),
            ("OldestPendingSeconds", MetricUnit.Seconds, oldest),
            ("PeerOldestPendingSeconds", MetricUnit.Seconds, their_oldest),
            ("PeerServing", MetricUnit.Count, float(peer_serving)),
            ("PeerHeartbeatAgeSeconds", MetricUnit.Seconds, beat_age),
            ("PeerLostNow", MetricUnit.Count, float(peer_is_lost(guard))),
            ("DrainedHere", MetricUnit.Count, float(guard.draining == self.region)),
        ]
        _, freshness = self.queries.day(day_in_bogota(now))
        for name, region in (("FreshnessSeconds", self.region), ("PeerFreshnessSeconds", self.peer)):
            if region in freshness:  # not in the first seconds of a day
                age = freshness[region].seconds(now, beats_every=self.timing.look)
                gauges.append((name, MetricUnit.Seconds, age))
        for name, unit, value in gauges:
            metrics.add_metric(name=name, unit=unit, value=value)


def sentinel() -> Sentinel:
    there = settings()
    return Sentinel(
        region=there.region,
        peer=there.peer_region,
        log=runtime.order_log(),
        queries=runtime.order_queries(),
        control=runtime.control(),
        worker=Worker(
            region=there.region,
            log=runtime.order_log(),
            pending=runtime.order_work(),
            notes=runtime.view_notes(),
            topic=runtime.event_topic(),
            bus=runtime.effect_bus(),
            timing=there.timing,
        ),
        peer_serving=lambda: peer_serves(there.peer_endpoint, TOPOLOGY.region_api_name(there.peer_region)),
        timing=there.timing,
        clock=runtime.now,
    )


_sentinel = sentinel()


def tell_dead_letters() -> None:
    """Let people in either Region see what lies in this one's dead-letter queues; nothing else depends on it."""
    try:
        depths = runtime.dead_letter_queues().depths()
        runtime.reports().note_dead_letters(settings().region, depths, now=runtime.now())
    except (ClientError, BotoCoreError):
        logger.exception("dead letters were not counted")


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look until the minute is over; a look that fails is counted and the next one is tried."""
    started = time.monotonic()
    looks = failed = 0
    while True:
        every = settings().timing.look.total_seconds()
        look_started = time.monotonic()
        try:
            guard = _sentinel.look()
            logger.info("looked", draining=guard.draining, gone_looks=guard.gone_looks)
            if guard.draining == settings().region:
                every *= DRAINED_PACE  # whoever evacuates this Region waits for its next heartbeat
        except (ClientError, BotoCoreError, NotesNotWrittenError):
            failed += 1
            logger.exception("a look failed")
            metrics.add_metric(name="LookFailed", unit=MetricUnit.Count, value=1)
        metrics.flush_metrics()  # what is seen now must not wait for the minute's end, nor die with it
        looks += 1
        if looks == 1:
            tell_dead_letters()
        next_look = look_started + every
        # The next invocation takes over before this one would be cut off.
        if (
            next_look - started >= RUN_SECONDS * settings().time_scale
            or (next_look - time.monotonic()) * 1000 > context.get_remaining_time_in_millis() - 2000
        ):
            return {"looks": looks, "failed": failed}
        time.sleep(max(next_look - time.monotonic(), 0.0))
