"""Does pending work: publishes events once more, announces effects once more, parks what does not get through.

What is to be done and when is decided in ``shared.domain.takeover``; this acts on it for one look of the sentinel.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers.runtime import logger, metrics
from shared.adapters import view_notes
from shared.adapters.effect_bus import EffectBus
from shared.adapters.event_topic import EventTopic, Publication
from shared.adapters.items import MalformedItemError
from shared.adapters.order_log import OrderLog
from shared.adapters.order_rows import waits_for
from shared.adapters.order_work import OrderWork
from shared.adapters.view_notes import NotesNotWrittenError, ViewNotes
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.orders import publishable
from shared.domain.takeover import Guard, PendingWork, Timing, action_for, next_due

# A look works no longer than until the next one is due, but this long in a lab whose looks follow each other quickly.
LEAST_WORK_SECONDS: Final = 1.0
SIDE_BY_SIDE: Final = 8


class Outcome(Enum):
    """What came of one piece of work: the metric that counts it, and whether its lane has to wait behind it."""

    RETRIED = ("Retried", False)
    TAKEN_OVER = ("TakenOver", False)
    ANNOUNCED = ("AnnouncedAgain", False)
    PARKED = ("Parked", False)
    WAITING = ("WaitingForItems", True)
    FAILED = ("WorkFailed", True)
    SILENT = ("WorkNotTried", True)

    def __init__(self, metric: str, stops_lane: bool) -> None:
        self.metric = metric
        self.stops_lane = stops_lane


@dataclass
class Worker:
    """One Region's hands: what a look of its sentinel found to do."""

    region: str
    log: OrderLog
    pending: OrderWork
    notes: ViewNotes
    topic: EventTopic
    bus: EffectBus
    timing: Timing
    stopwatch: Callable[[], float] = time.monotonic

    def work(self, pending: Iterable[PendingWork], guard: Guard, now: datetime) -> None:
        """Work through the lanes side by side, oldest first, until this look's time is over; the rest waits."""
        lanes: dict[tuple[str, str, str], list[PendingWork]] = {}
        for work in sorted(pending, key=lambda work: work.place):
            lanes.setdefault((*work.lane, work.region), []).append(work)
        until = self.stopwatch() + max(self.timing.look.total_seconds(), LEAST_WORK_SECONDS)
        done: Counter[str] = Counter()
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for counts in pool.map(lambda lane: self._work_lane(lane, guard, now, until), lanes.values()):
                done.update(counts)
        for name, count in done.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)

    def _work_lane(self, lane: Sequence[PendingWork], guard: Guard, now: datetime, until: float) -> Counter[str]:
        """Do what is due of one order and status, in order: behind an event that is not published, the rest waits.

        Returns what was done, by the name of its metric. The relay publishes the lane by itself again once nothing is
        left waiting.
        """
        done: Counter[str] = Counter()
        for work in lane:
            action = action_for(work, guard, region=self.region, now=now, timing=self.timing)
            stopped = action == "wait"
            if not stopped:
                if self.stopwatch() > until:
                    break
                try:
                    outcome = self._park(work, now) if action == "park" else self._do(work, now, action == "take over")
                except (ClientError, BotoCoreError, MalformedItemError, NotesNotWrittenError) as error:
                    # One order's trouble is not everybody's; it stays pending and comes again.
                    logger.error("work failed", order_id=work.order_id, event_id=work.event_id, reason=str(error))
                    outcome = Outcome.FAILED
                done[outcome.metric] += 1
                stopped = outcome.stops_lane
            if stopped and not work.is_published:
                break
        return done

    def _do(self, work: PendingWork, now: datetime, taken_over: bool) -> Outcome:
        """Publish the event or announce the effect of one piece of work once more."""
        record = self.log.order(work.order_id)
        effect = next((found for found in record.effects if found.event_id == work.event_id), None)
        event = next((found for found in record.events if found.event_id == work.event_id), None)
        if effect is not None:
            if not self.bus.announce([effect]).failed:
                self.notes.put([view_notes.announced(effect, now=now)])
                self.pending.unblock(work.order_id, work.status)
                return Outcome.ANNOUNCED
            if self.bus.is_silent:
                return Outcome.SILENT
            return self._tried(work, now, Outcome.FAILED, taken_over)
        if event is None:
            # The view has seen an event that the log does not hold: a bug, or a restored table. On-call decides.
            logger.error("pending work without an event", order_id=work.order_id, event_id=work.event_id)
            return self._park(work, now)
        complete = publishable(event, record.events)
        if complete is None:
            logger.info("an effect waits for its items", order_id=work.order_id, event_id=work.event_id)
            return self._tried(work, now, Outcome.WAITING, taken_over)
        attempt = 1 if taken_over else work.attempt + 1
        if not self.topic.publish([Publication(complete, attempt)]).failed:
            return self._tried(work, now, Outcome.TAKEN_OVER if taken_over else Outcome.RETRIED, taken_over)
        if self.topic.is_silent:
            return Outcome.SILENT
        return self._tried(work, now, Outcome.FAILED, taken_over)

    def _tried(self, work: PendingWork, now: datetime, outcome: Outcome, taken_over: bool) -> Outcome:
        """Note a try: from now on the work is this Region's, and due again later."""
        attempt = 0 if taken_over else work.attempt
        if outcome is not Outcome.WAITING:  # nothing was sent, so it does not count
            attempt += 1
        is_published = outcome in (Outcome.RETRIED, Outcome.TAKEN_OVER)
        self.pending.update(
            work.order_id,
            work.event_id,
            set_fields={
                "attempt": attempt,
                **waits_for(self.region, work.order_id, due_at=next_due(attempt, now=now, timing=self.timing)),
                **({"taken_over_at": to_text(now)} if taken_over else {}),
                **({"published_at": to_text(now)} if is_published else {}),
            },
        )
        if is_published:
            self.pending.unblock(work.order_id, work.status)
        return outcome

    def _park(self, work: PendingWork, now: datetime) -> Outcome:
        """Nothing more is tried by itself: an alarm tells on-call. What is behind it goes on."""
        logger.error("work parked", order_id=work.order_id, event_id=work.event_id, status=work.status)
        self.pending.update(
            work.order_id,
            work.event_id,
            set_fields={
                **waits_for(f"{self.region}#parked", work.order_id, due_at=work.due_at),
                "parked_at": to_text(now),
            },
        )
        self.pending.unblock(work.order_id, work.status)
        return Outcome.PARKED

    def announce_for_peer(self, unvouched: Iterable[PendingWork], now: datetime) -> None:
        """Announce effects that a lost peer may not have announced any more; twice is allowed, never is not."""
        waited = [work for work in unvouched if now - work.seen_at >= self.timing.takeover_after]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            found = list(pool.map(self._effect_of, waited))
        outcome = self.bus.announce([effect for effect in found if effect is not None])
        self.notes.put([view_notes.announced(effect, now=now) for effect in outcome.announced])
        if outcome.announced:
            metrics.add_metric(name="AnnouncedForPeer", unit=MetricUnit.Count, value=len(outcome.announced))

    def _effect_of(self, work: PendingWork) -> Effect | None:
        try:
            return self.log.effect(work.order_id, work.event_id)
        except MalformedItemError:
            logger.exception("an effect cannot be read", order_id=work.order_id, event_id=work.event_id)
            return None
