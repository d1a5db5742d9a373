"""The webhook function: calls the receiver of the client system that registered an order, signed, until it takes it.

What fails comes again later and later, by the message's own visibility; after the last try the queue gives it up. Whose
order it is and what its subscription says is read anew for each call: an announcement is only a hint to look.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers import runtime
from regions.handlers.runtime import logger, metrics
from shared.adapters import clients
from shared.adapters.accounts import Accounts
from shared.adapters.order_log import OrderLog
from shared.adapters.settings import settings
from shared.adapters.silence import Silence
from shared.adapters.webhook_calls import CallFailedError, ReceiverSilentError, call
from shared.adapters.webhooks import Webhooks
from shared.domain.webhooks import first_of, payload_of, retry_after, signature_of
from shared.topology import TOPOLOGY

SIGNATURE: Final = "Relevo-Signature"
EVENT_ID: Final = "Relevo-Event-Id"

Outcome = Literal["WebhookDelivered", "WebhookNotWanted", "WebhookFailed"]


@dataclass
class Teller:
    """Tells client systems what happened to their orders, in one Region."""

    log: OrderLog
    webhooks: Webhooks
    accounts: Accounts
    post: Callable[[str, bytes, dict[str, str]], None]
    clock: Callable[[], datetime]
    silences: dict[str, Silence] = field(default_factory=lambda: defaultdict(Silence))

    def tell(self, order_id: str, event_id: str) -> Outcome:
        """Call whoever registered the order, if it listens; raises ``CallFailedError`` unless its receiver takes it."""
        record = self.log.order(order_id)
        first = first_of(record.events)
        event = next((found for found in record.events if found.event_id == event_id), None)
        effect = next((found for found in record.effects if found.event_id == event_id), None)
        if first is None or event is None or effect is None:
            raise CallFailedError("the effect is not in this Region's log yet")
        webhook = self.webhooks.of(first.subject)
        if webhook.subscription is None or not webhook.subscription.wants(event.status):
            return "WebhookNotWanted"
        account = self.accounts.account(first.subject)
        if account is None or account.locked:
            return "WebhookNotWanted"
        if not webhook.secrets:  # not replicated yet, or removed in one Region while it was set in the other
            raise CallFailedError("the subscription has no secret here: its owner has to ask for one")
        body = payload_of(event, effect).encode()
        secrets = [secret.value for secret in webhook.secrets]
        signature = signature_of(secrets, body, seconds=int(self.clock().timestamp()))
        headers = {"Content-Type": "application/json", SIGNATURE: signature, EVENT_ID: event_id}
        host = urlsplit(webhook.subscription.url).hostname or ""
        try:
            self._call(host, webhook.subscription.url, body, headers)
        except CallFailedError as error:
            raise CallFailedError(f"{host}: {error}") from error
        return "WebhookDelivered"

    def _call(self, host: str, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Call, unless the host kept somebody waiting a moment ago: other clients' calls need the place."""
        if self.silences[host].lasts:
            raise CallFailedError("no answer a moment ago")
        try:
            self.post(url, body, headers)
        except ReceiverSilentError:
            self.silences[host].begin()
            raise


_teller = Teller(
    log=runtime.order_log(),
    webhooks=runtime.webhooks(),
    accounts=runtime.accounts(),
    post=lambda url, body, headers: call(url, body, headers, in_lab=settings().in_lab),
    clock=runtime.now,
)


def try_once(record: dict[str, Any]) -> tuple[Outcome, str]:
    """What came of one message, and why; runs beside others, so it counts and logs nothing itself."""
    try:
        announced = json.loads(record["body"])
        return _teller.tell(str(announced["order_id"]), str(announced["event_id"])), ""
    except (CallFailedError, ClientError, BotoCoreError, ValueError, KeyError, TypeError) as error:
        return "WebhookFailed", f"{type(error).__name__}: {error}"


def put_off(record: dict[str, Any], reason: str) -> None:
    """Hide a message that failed until its next try."""
    tries = int(record["attributes"]["ApproximateReceiveCount"])
    wait = retry_after(tries, TOPOLOGY.webhook_retry_seconds, scale=settings().time_scale)
    logger.warning("a webhook failed", message_id=record["messageId"], tries=tries, retry_after=wait, reason=reason)
    try:
        clients.sqs().change_message_visibility(
            QueueUrl=settings().webhook_queue_url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=wait
        )
    except (ClientError, BotoCoreError):
        logger.exception("a message comes again when its visibility timeout ends")


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Handle announcements of the webhooks' queue side by side; answers with partial batch failures."""
    records: Sequence[dict[str, Any]] = event["Records"]
    with ThreadPoolExecutor(len(records)) as pool:
        outcomes = list(pool.map(try_once, records))
    failed: list[dict[str, str]] = []
    for record, (outcome, reason) in zip(records, outcomes, strict=True):
        metrics.add_metric(name=outcome, unit=MetricUnit.Count, value=1)
        if outcome == "WebhookFailed":
            put_off(record, reason)
            failed.append({"itemIdentifier": record["messageId"]})
    logger.info("told", messages=len(records), failed=len(failed))
    return {"batchItemFailures": failed}
