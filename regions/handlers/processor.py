"""A processor function, one per status: computes the effect of an event and inserts it into the log. Nothing else.

It announces nothing: the relay does, from the stream, since a second write here could be lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers import runtime
from regions.handlers.runtime import logger, metrics
from shared.adapters import items
from shared.adapters.order_log import OrderLog
from shared.adapters.settings import settings
from shared.domain.effects import effect_of

# One order's messages wait for each other, other orders' do not.
batch = SqsFifoPartialProcessor(skip_group_on_error=True)
OLD_MESSAGE = timedelta(minutes=1)


@dataclass
class Processor:
    """Turns events into effects in one Region."""

    region: str
    log: OrderLog
    peer_log: Callable[[], OrderLog]
    old: timedelta
    clock: Callable[[], datetime]

    def process(self, body: str, sent_at: datetime) -> None:
        """Write the effect of the event in a message, unless it is there; raises what makes the message come again."""
        event = items.event_from_plain(json.loads(body))
        now = self.clock()
        if now - sent_at > self.old and self._done_by_peer(event.order_id, event.event_id):
            metrics.add_metric(name="DoneByPeer", unit=MetricUnit.Count, value=1)
            return
        outcome = self.log.record_effect(effect_of(event, origin_region=self.region, recorded_at=now))
        if outcome == "content differs":
            # An effect is a pure function of its event, so this is a bug, and the first effect stands.
            logger.error("an effect would have changed", order_id=event.order_id, event_id=event.event_id)
            metrics.add_metric(name="EffectContentDiffers", unit=MetricUnit.Count, value=1)

    def _done_by_peer(self, order_id: str, event_id: str) -> bool:
        """Whether the peer did the work of an old message meanwhile; an unreachable peer means go on."""
        try:
            return self.peer_log().effect(order_id, event_id) is not None
        except (ClientError, BotoCoreError) as error:
            logger.info("the peer could not be asked", reason=f"{type(error).__name__}: {error}")
            metrics.add_metric(name="PeerNotAsked", unit=MetricUnit.Count, value=1)
            return False


_processor = Processor(
    region=settings().region,
    log=runtime.order_log(),
    peer_log=runtime.peer_order_log,
    old=OLD_MESSAGE * settings().time_scale,
    clock=runtime.now,
)


def process_record(record: SQSRecord) -> None:
    sent_at = datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC)
    _processor.process(record.body, sent_at)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Handle messages of one status's FIFO queue; answers with partial batch failures."""
    metrics.add_metric(name="Messages", unit=MetricUnit.Count, value=len(event["Records"]))
    # The group of a message is its order.
    logger.append_keys(order_ids=sorted({record["attributes"]["MessageGroupId"] for record in event["Records"]}))
    answer = process_partial_response(event=event, record_handler=process_record, processor=batch, context=context)
    logger.info(
        "processed", status=settings().status, messages=len(event["Records"]), failed=len(answer["batchItemFailures"])
    )
    return answer
