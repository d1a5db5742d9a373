"""The relay function: the one reader of the log's stream. Projects the whole batch, then publishes what is its own.

A failure to publish never fails the batch, for that would stop everybody's orders: the work stays pending and the
sentinel does it. Only a failed projection is reported, at the first record of the first order that failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers import runtime
from regions.handlers.runtime import logger, metrics
from shared.adapters import items, view_notes
from shared.adapters.effect_bus import EffectBus
from shared.adapters.event_topic import EventTopic, Publication
from shared.adapters.order_rows import OrderRow
from shared.adapters.order_view import OrderView
from shared.adapters.order_work import OrderWork
from shared.adapters.projection import Projected, Projection, ProjectionError
from shared.adapters.settings import settings
from shared.adapters.view_notes import ViewNotes
from shared.domain.effects import Effect
from shared.domain.instants import day_in_bogota, from_text
from shared.domain.orders import Event, publishable
from shared.domain.takeover import Timing, next_due
from shared.domain.webhooks import first_of

# Calls to DynamoDB wait more than they compute.
SIDE_BY_SIDE: Final = 8
FRESHNESS_EVERY: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    region: str
    number: int
    beat_at: str


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One readable record of the stream."""

    sequence: str
    content: Event | Effect | Heartbeat


def record_of(record: dict[str, Any]) -> Event | Effect | Heartbeat:
    """What a stream record says was written; raises ``MalformedItemError``, for a removal too: nothing is removed."""
    image = record["dynamodb"].get("NewImage")
    if not image:
        raise items.MalformedItemError(f"a {record.get('eventName')} in a log that only grows")
    plain = items.from_wire(image)
    entity = plain.get("entity")
    if entity == "event":
        return items.event_from_plain(plain)
    if entity == "effect":
        return items.effect_from_plain(plain)
    if entity == "heartbeat":
        try:
            return Heartbeat(str(plain["region"]), int(plain["key"]), str(plain["beat_at"]))
        except (KeyError, ValueError, TypeError) as error:
            raise items.MalformedItemError(f"not a heartbeat: {error}") from error
    raise items.MalformedItemError(f"unknown entity {entity!r}")


@dataclass
class Relay:
    """Projection and publishing of one Region, over its adapters."""

    region: str
    projection: Projection
    view: OrderView
    work: OrderWork
    notes: ViewNotes
    topic: EventTopic
    bus: EffectBus
    timing: Timing
    clock: Callable[[], datetime]
    _fresh: dict[str, datetime] = field(default_factory=dict, init=False)

    def handle(self, records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
        """Work through one batch; names the record to deliver again from, if any."""
        readable = list(self._readable(records))
        order_ids = list(
            dict.fromkeys(found.content.order_id for found in readable if isinstance(found.content, Event))
        )
        logger.append_keys(order_ids=order_ids)
        rows = self.view.rows(order_ids) if order_ids else {}
        projected: dict[str, Projected] = {}
        failed: set[str] = set()
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for order_id, outcome in zip(
                order_ids, pool.map(lambda order_id: self._project(order_id, rows), order_ids), strict=True
            ):
                if isinstance(outcome, Projected):
                    projected[order_id] = outcome
                    if outcome.state and outcome.state.conflicts:
                        metrics.add_metric(name="Conflicts", unit=MetricUnit.Count, value=1)
                else:
                    failed.add(order_id)
                    logger.error("projection failed", order_id=order_id, reason=f"{type(outcome).__name__}: {outcome}")
                    metrics.add_metric(name="ProjectionFailed", unit=MetricUnit.Count, value=1)
            events = [found.content for found in readable if isinstance(found.content, Event)]
            effects = [found.content for found in readable if isinstance(found.content, Effect)]
            notes = [
                *self._publish(events, projected, pool),
                *self._settle([*effects, *self._told_late(events, projected)], pool),
                *self._progress(readable),
            ]
        self.notes.put(notes)
        first = next(
            (
                found.sequence
                for found in readable
                if isinstance(found.content, Event) and found.content.order_id in failed
            ),
            None,
        )
        return {"batchItemFailures": [{"itemIdentifier": first}] if first else []}

    def _readable(self, records: Iterable[dict[str, Any]]) -> Iterable[StreamRecord]:
        for record in records:
            sequence = record["dynamodb"]["SequenceNumber"]
            try:
                content = record_of(record)
            except items.MalformedItemError as error:
                logger.error("record quarantined", reason=str(error), sequence=sequence)
                metrics.add_metric(name="Quarantined", unit=MetricUnit.Count, value=1)
                self.view.quarantine(
                    sequence=sequence,
                    reason=str(error),
                    record=json.dumps(record["dynamodb"], default=str),
                    now=self.clock(),
                )
                continue
            yield StreamRecord(sequence, content)

    def _project(self, order_id: str, rows: Mapping[str, OrderRow | None]) -> Projected | Exception:
        """Project one order. Runs beside others: it tells what went wrong, and the batch's own thread counts it."""
        try:
            return self.projection.project(order_id, rows)
        except (ProjectionError, ClientError, BotoCoreError) as error:
            return error

    def _publish(
        self, events: Sequence[Event], projected: dict[str, Projected], pool: ThreadPoolExecutor
    ) -> list[items.Plain]:
        """Publish this Region's own events. Behind one that was not published, others of its order and status wait."""
        publications: list[Publication] = []
        held: set[tuple[str, str]] = set()
        for event in events:
            found = projected.get(event.order_id)
            lane = (event.order_id, event.status)
            if event.origin_region != self.region or found is None or event.status in found.blocked or lane in held:
                continue
            if event.event_id in found.record.effect_ids:
                continue  # an old record once more: its work is done
            complete = publishable(event, found.record.events)
            if complete is None:
                held.add(lane)
            else:
                publications.append(Publication(complete))
        outcome = self.topic.publish(publications)
        if outcome.failed:
            logger.error("events not published", count=len(outcome.failed), reason=outcome.reason)
            metrics.add_metric(name="PublishFailed", unit=MetricUnit.Count, value=len(outcome.failed))
        now = self.clock()
        new: list[Event] = []
        known: list[Event] = []
        for done in outcome.published:
            is_new = projected[done.event.order_id].first_saw(done.event.event_id)
            (new if is_new else known).append(done.event)
        _all_done(
            [
                *(pool.submit(self.work.note_published, event, now=now) for event in known),
                *(pool.submit(self.work.block, *lane) for lane in held | {found.lane for found in outcome.failed}),
            ]
        )
        due_at = next_due(0, now=now, timing=self.timing)
        return [view_notes.published(event, now=now, due_at=due_at) for event in new]

    def _settle(self, effects: Sequence[Effect], pool: ThreadPoolExecutor) -> list[items.Plain]:
        """Announce this Region's own effects and note everybody's."""
        now = self.clock()
        own = [effect for effect in effects if effect.origin_region == self.region]
        outcome = self.bus.announce(own)
        if outcome.failed:
            logger.error("effects not announced", count=len(outcome.failed), reason=outcome.reason)
            metrics.add_metric(name="AnnounceFailed", unit=MetricUnit.Count, value=len(outcome.failed))
        due_at = next_due(0, now=now, timing=self.timing)
        _all_done(
            [pool.submit(self.work.note_unannounced, effect, now=now, due_at=due_at) for effect in outcome.failed]
        )
        return [
            *(view_notes.announced(effect, now=now) for effect in outcome.announced),
            *(view_notes.peer_effect(effect, now=now) for effect in effects if effect.origin_region != self.region),
        ]

    def _told_late(self, events: Sequence[Event], projected: Mapping[str, Projected]) -> list[Effect]:
        """Own effects for a webhook to tell again: the peer's event that says whose order it is came after them."""
        late: list[Effect] = []
        for event in events:
            found = projected.get(event.order_id)
            if found is None or event.origin_region == self.region:
                continue
            first = first_of(found.record.events)
            if first is None or first.event_id != event.event_id:
                continue
            late += [effect for effect in found.record.effects if effect.origin_region == self.region]
        wanted = self.bus.wanted(late) if late else ()
        return [effect for effect in late if effect.event_id in wanted]

    def _progress(self, readable: Sequence[StreamRecord]) -> list[items.Plain]:
        """How far each Region's writes are projected (once a second), and own heartbeats that came back."""
        now = self.clock()
        notes: list[items.Plain] = []
        newest: dict[str, datetime] = {}
        for found in readable:
            match found.content:
                case Heartbeat(region, number, beat_at):
                    written_at = from_text(beat_at)
                    if region == self.region:
                        notes.append(view_notes.relayed_beat(number, beat_at=beat_at))
                case Event(origin_region=region, recorded_at=written_at):
                    pass
                case Effect(origin_region=region, recorded_at=written_at):
                    pass
            newest[region] = max(newest.get(region, written_at), written_at)
        for region, written_at in newest.items():
            if now - self._fresh.get(region, now - FRESHNESS_EVERY) >= FRESHNESS_EVERY:
                day = day_in_bogota(now)
                notes.append(view_notes.freshness(region, recorded_at=written_at, day=day, now=now))
                self._fresh[region] = now
        return notes


def _all_done(futures: Sequence[Any]) -> None:
    """Wait for all; the first error rises. The batch is then delivered again, which is harmless and safe."""
    for future in futures:
        future.result()


def relay() -> Relay:
    return Relay(
        region=settings().region,
        projection=runtime.projection(),
        view=runtime.order_view(),
        work=runtime.order_work(),
        notes=runtime.view_notes(),
        topic=runtime.event_topic(),
        bus=runtime.effect_bus(),
        timing=settings().timing,
        clock=runtime.now,
    )


_relay = relay()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Handle one batch of the log's stream; answers with partial batch failures."""
    metrics.add_metric(name="Records", unit=MetricUnit.Count, value=len(event["Records"]))
    answer = _relay.handle(event["Records"])
    logger.info("relayed", records=len(event["Records"]), failed=bool(answer["batchItemFailures"]))
    return answer
