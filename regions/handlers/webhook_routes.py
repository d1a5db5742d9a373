"""Routes for a client system's own webhook: where it is called, for which statuses, and the secrets that sign."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from regions.handlers import requests
from regions.handlers.documents import Document
from regions.handlers.gate import require
from regions.handlers.responses import json_response
from regions.handlers.runtime import now, webhooks
from shared.adapters.settings import settings
from shared.adapters.webhooks import Webhook
from shared.domain import problems
from shared.domain.webhooks import Subscription, subscription_of
from shared.topology import STATUSES

router = APIGatewayRouter()  # type: ignore[no-untyped-call]  # as Powertools has it


@router.put("/v1/webhook")
def subscribe() -> Response[str]:
    """Set the subscription as a whole. The first time it makes a secret, which no answer shows again."""
    subject = subscriber()
    wanted = subscription_of(requests.json_body(router.current_event), subject=subject, in_lab=settings().in_lab)
    known = webhooks().of(subject)
    made = None if known.secrets else webhooks().add_secret(subject, now=now())
    webhooks().put(wanted, now=now())
    shown: Document = {"secret": made.value} if made else {}
    return json_response({**document(wanted, known if made is None else Webhook(wanted, (made,))), **shown})


@router.get("/v1/webhook")
def read_subscription() -> Response[str]:
    known = webhooks().of(subscriber())
    if known.subscription is None:
        raise problems.not_found("this account has no webhook")
    return json_response(document(known.subscription, known))


@router.delete("/v1/webhook")
def unsubscribe() -> Response[str]:
    webhooks().remove(subscriber())
    return json_response({"removed": True})


@router.post("/v1/webhook/secret")
def rotate_secret() -> Response[str]:
    """Make a second secret: calls carry a signature of both until there is a third."""
    made = webhooks().add_secret(subscriber(), now=now())
    return json_response({"secret": made.value, "made_at": made.made_at}, status=201)


def subscriber() -> str:
    caller = requests.authorized_caller(router.current_event)
    requests.shed()
    require(caller, "webhook:own")
    return caller.subject


def document(subscription: Subscription, known: Webhook) -> Document:
    return {
        "url": subscription.url,
        "statuses": [status for status in STATUSES if status in subscription.statuses],
        "secrets_made_at": [secret.made_at for secret in known.secrets],
    }
