"""Webhook subscriptions of client systems and their secrets, in the global accounts table.

A subscription is an item of its own and the last writer wins, which is right for a setting. Secrets are only inserted
and deleted, so two Regions that are asked for one at once keep both, and each stays good for whom it was shown to.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.adapters import items
from shared.adapters.order_log import OrderLog
from shared.domain.effects import Effect
from shared.domain.instants import from_text, to_text
from shared.domain.webhooks import SECRET_BYTES, SECRETS_THAT_SIGN, Subscription, first_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# All subscriptions lie together, as there are as many as client systems: whoever announces reads them in one query. The
# API may write under this key alone, so never an account.
WEBHOOKS: Final = "WEBHOOKS"
SIDE_BY_SIDE: Final = 8
AGAIN: Final = timedelta(minutes=10)
MOMENT: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs calls; ``made_at`` tells clients which one, and orders them."""

    made_at: str
    value: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A client system's subscription, if it has one, and the secrets that sign, newest first."""

    subscription: Subscription | None
    secrets: tuple[Secret, ...]


class Webhooks:
    """The local replica of subscriptions and secrets."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def of(self, subject: str) -> Webhook:
        """What is known of one client system, in one consistent query."""
        own = self._own(subject)
        signing = tuple(map(_secret, reversed(_signing(own))))
        return Webhook(next((_subscription(plain) for plain in own if "url" in plain), None), signing)

    def every(self) -> dict[str, Subscription]:
        """All subscriptions by subject; as of a moment ago will do."""
        found = self._query("pk = :pk", {":pk": WEBHOOKS})
        return {plain["subject"]: _subscription(plain) for plain in found if "url" in plain}

    def put(self, subscription: Subscription, *, now: datetime) -> None:
        self._put(
            subscription.subject,
            "SUBSCRIPTION",
            {"url": subscription.url, "statuses": sorted(subscription.statuses), "changed_at": to_text(now)},
        )

    def add_secret(self, subject: str, *, now: datetime) -> Secret:
        """Make a secret that signs beside the one before; older ones are forgotten.

        Asked again soon, it takes the place of the newest: that answer was lost, and the one before is still in use.
        """
        known = [plain for plain in self._own(subject) if "secret" in plain]
        # After those that are known here, whatever a peer's clock said when it made them.
        moment = max([now, *(from_text(plain["made_at"]) + MOMENT for plain in known)])
        made = Secret(to_text(moment), f"whsec_{secrets.token_urlsafe(SECRET_BYTES)}")
        fields = {"secret": made.value, "made_at": made.made_at}
        kept = _signing([*known, fields])
        for plain in known:
            if plain not in kept:
                self._delete(plain)
        # The end of the key keeps two of one millisecond apart.
        self._put(subject, f"SECRET#{made.made_at}#{secrets.token_hex(4)}", fields)
        return made

    def remove(self, subject: str) -> None:
        """Forget the subscription and its secrets."""
        for plain in self._own(subject):
            self._delete(plain)

    def _own(self, subject: str) -> list[items.Plain]:
        """All that is stored of one client system."""
        found = self._query(
            "pk = :pk AND begins_with(sk, :sk)", {":pk": WEBHOOKS, ":sk": f"{subject}#"}, consistent=True
        )
        return [plain for plain in found if plain["subject"] == subject]  # a name may begin like another one

    def _query(self, condition: str, values: Mapping[str, object], *, consistent: bool = False) -> list[items.Plain]:
        asked: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": items.to_wire(values),
            "ConsistentRead": consistent,
        }
        found: list[items.Plain] = []
        while True:
            page = self._client.query(**asked)
            found.extend(map(items.from_wire, page["Items"]))
            if not page.get("LastEvaluatedKey"):
                return found
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _put(self, subject: str, sort_key: str, fields: Mapping[str, object]) -> None:
        plain = {"pk": WEBHOOKS, "sk": f"{subject}#{sort_key}", "subject": subject, **fields}
        self._client.put_item(TableName=self._table, Item=items.to_wire(plain))

    def _delete(self, plain: Mapping[str, Any]) -> None:
        self._client.delete_item(TableName=self._table, Key=items.to_wire({"pk": WEBHOOKS, "sk": plain["sk"]}))


def _signing(own: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The secrets that sign, oldest first: a third one pushes the first out, or takes the place of a young second.

    Decided from all that is stored, as each Region may have made one for the same request, tried again elsewhere.
    """
    kept: list[Mapping[str, Any]] = []
    for plain in sorted((plain for plain in own if "secret" in plain), key=lambda plain: str(plain["made_at"])):
        is_full = len(kept) == SECRETS_THAT_SIGN
        is_again = is_full and from_text(plain["made_at"]) - from_text(kept[-1]["made_at"]) < AGAIN
        kept = [*kept[:-1], plain] if is_again else [*kept[is_full:], plain]
    return kept


def _subscription(plain: Mapping[str, Any]) -> Subscription:
    return Subscription(plain["subject"], plain["url"], frozenset(plain["statuses"]))


def _secret(plain: Mapping[str, Any]) -> Secret:
    return Secret(plain["made_at"], plain["secret"])


class Listeners:
    """Which announcements a client system may want. Without subscriptions that costs one small query now and then.

    Doubt counts as yes: the webhook function looks again, so an announcement too many costs little and none is missed.
    """

    def __init__(self, webhooks: Webhooks, log: OrderLog, *, max_age: timedelta, clock: Callable[[], datetime]) -> None:
        self._webhooks = webhooks
        self._log = log
        self._max_age = max_age
        self._clock = clock
        self._known: dict[str, Subscription] | None = None
        self._looked_at: datetime | None = None

    def wanted(self, effects: Sequence[Effect]) -> frozenset[str]:
        """Event ids of the effects that somebody subscribed to, or that nobody can tell of just now."""
        subscriptions = self._subscriptions()
        if subscriptions is None:
            return frozenset(effect.event_id for effect in effects)
        asked = [effect for effect in effects if any(known.wants(effect.status) for known in subscriptions.values())]
        if not asked:
            return frozenset()

        def is_wanted(effect: Effect) -> bool:
            try:
                first = first_of(self._log.order(effect.order_id).events)
            except (ClientError, BotoCoreError):
                return True
            known = subscriptions.get(first.subject) if first else None
            return known is not None and known.wants(effect.status)

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return frozenset(
                effect.event_id for effect, wanted in zip(asked, pool.map(is_wanted, asked), strict=True) if wanted
            )

    def _subscriptions(self) -> dict[str, Subscription] | None:
        """All subscriptions as of a moment ago; the last known ones if the table does not answer, None without any."""
        now = self._clock()
        if self._looked_at is None or now - self._looked_at >= self._max_age:
            self._looked_at = now
            try:
                self._known = self._webhooks.every()
            except (ClientError, BotoCoreError):
                return self._known
        return self._known
