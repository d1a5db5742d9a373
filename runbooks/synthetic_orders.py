"""Orders that a release places itself, through a Region's own API name: taken, read back, and seen with their effect.

They cost nothing and end as cancelled, so they show in no sales. Their account has a password that nobody knows: tokens
are signed with the keyring, which whoever releases may read.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from runbooks.healthy_side import wait_for
from runbooks.target import Target
from shared.adapters.accounts import AccountExistsError
from shared.adapters.tokens import issue
from shared.domain.auth import MIN_PASSWORD, Account, Keyring, KeyringError, hash_password
from shared.slo import RELEASE_LIMITS
from shared.topology import TOPOLOGY

USERNAME: Final = "release-check"
ASK_SECONDS: Final = 5.0
ACCOUNT_SECONDS: Final = 30.0
SHOWN_SECONDS: Final = RELEASE_LIMITS.shown_seconds
PRODUCT: Final = "release check"
STATUSES_SENT: Final = ("created", "assigned", "cancelled")


class CheckAccountError(Exception):
    """The account of the synthetic orders cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


def new_account() -> Account:
    """Nobody knows its password, not even who makes it."""
    return Account(USERNAME, "client", hash_password(secrets.token_urlsafe(4 * MIN_PASSWORD)))


def make_account(target: Target) -> Account:
    """The account of synthetic orders, made if there is none, and known in every Region."""
    owner = target.accounts(TOPOLOGY.owner_region)
    account = owner.account(USERNAME)
    if account is None:
        account = new_account()
        try:
            owner.add(account, now=datetime.now(UTC))
        except AccountExistsError as error:
            raise CheckAccountError("somebody else made it just now; run this again") from error
    if account.locked:
        raise CheckAccountError(f"account {USERNAME!r} is locked; `relevo account unlock {USERNAME}` if it may be used")
    for region in TOPOLOGY.region_names:
        there = target.accounts(region)
        if not wait_for(lambda there=there: there.account(USERNAME) is not None, ACCOUNT_SECONDS):  # type: ignore[misc]
            raise CheckAccountError(
                f"account {USERNAME!r} has not come to {region}; see the runbook replication-stalled"
            )
    return account


@dataclass(frozen=True, slots=True)
class SyntheticOrders:
    """Places orders in one Region."""

    target: Target
    region: str
    account: Account

    def fault(self) -> str:
        """Place an order, follow it to its end, and say what went wrong; empty when nothing did."""
        order_id = f"release-{self.region}-{uuid4().hex[:12]}"
        try:
            token = self._token()
        except KeyringError as error:
            return f"no token can be signed: {error}"
        for number, status in enumerate(STATUSES_SENT):
            path = "/v1/orders" if number == 0 else f"/v1/orders/{order_id}/events"
            items = [{"product": PRODUCT, "price": 0}]
            body = {"order_id": order_id, "items": items} if number == 0 else {"status": status}
            taken = self._call(token, path, body)
            if taken.status != 201:
                return f"{status} of {order_id} was answered {taken.status}: {taken.body}"
        events = dict.fromkeys(STATUSES_SENT, "")

        def shown() -> bool:
            seen = self._call(token, f"/v1/orders/{order_id}")
            if seen.status != 200:
                return False
            done = {effect["event_id"] for effect in seen.body["effects"]}
            events.update({event["status"]: event["event_id"] for event in seen.body["events"]})
            return seen.body["status"] == STATUSES_SENT[-1] and set(events.values()) <= done

        began = time.monotonic()
        if not wait_for(shown, SHOWN_SECONDS):
            return f"{order_id} was taken, but not shown with its effects within {time.monotonic() - began:.0f} s"
        return ""

    def _token(self) -> str:
        """Signed with what the keyring holds now: keys may be rotated during a release."""
        secret = self.target.client("secretsmanager", self.region).get_secret_value(SecretId=TOPOLOGY.keyring_secret)
        return issue(Keyring.from_secret(secret["SecretString"]), self.account, now=datetime.now(UTC))

    def _call(self, token: str, path: str, body: object = None) -> Answer:
        """One request as a client makes it; status 0 when nobody answered."""
        request = urllib.request.Request(  # noqa: S310  # the Region's own URL
            self.target.api_url(self.region) + path,
            None if body is None else json.dumps(body).encode(),
            {
                "Host": TOPOLOGY.region_api_name(self.region),
                "Content-Type": "application/json",
                "Authorization": f"Bearer {token}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=ASK_SECONDS) as answer:  # noqa: S310  # as above
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(errors="replace")[:300])
        except (OSError, ValueError) as error:
            return Answer(0, str(error))
