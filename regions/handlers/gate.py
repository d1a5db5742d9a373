"""Who may do what: the caller of a request, the scope that an operation needs, and work that a drained Region sheds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from shared.adapters import tokens
from shared.adapters.accounts import Accounts
from shared.adapters.keyring import KeyringSource
from shared.adapters.order_log import OrderRecord
from shared.domain import problems
from shared.domain.auth import Account, Caller
from shared.domain.orders import own_part
from shared.domain.takeover import Guard, Timing, refuses_work

T = TypeVar("T")

RETRY_AFTER_DRAINED_SECONDS = 1
ACCOUNT_CHECK = timedelta(seconds=60)
MAX_CHECKED = 10_000


@dataclass
class Cached(Generic[T]):
    """A value read again when it is older than ``max_age``."""

    read: Callable[[], T]
    max_age: timedelta
    _value: T | None = field(default=None, init=False)
    _read_at: datetime | None = field(default=None, init=False)

    def get(self, now: datetime) -> T:
        if self._read_at is None or now - self._read_at >= self.max_age:
            self._value = self.read()
            self._read_at = now
        return self._value  # type: ignore[return-value]  # read above at the latest


def require(caller: Caller, *scopes: str) -> None:
    """Raise a 403 problem unless the caller's token carries one of the scopes."""
    if caller.scopes.isdisjoint(scopes):
        raise problems.forbidden(f"this account may not do that (it needs the scope {' or '.join(scopes)})")


def seen_by(caller: Caller, record: OrderRecord) -> OrderRecord:
    """The part of an order that the caller may know; whoever may not read all orders sees its own (``own_part``)."""
    if "orders:read" in caller.scopes:
        return record
    part = own_part(record.events, caller.subject)
    # An effect may tell what others reported: a receipt has the total of their items.
    return record if part == record.events else OrderRecord(part, ())


def shed_when_drained(guard: Cached[Guard | None], *, region: str, now: datetime, timing: Timing) -> None:
    """Raise a 503 problem in a drained Region whose peer serves, so that pinned clients go there."""
    if refuses_work(guard.get(now), region=region, now=now, timing=timing):
        raise problems.unavailable(
            f"{region} is drained; connect again through the service's hostname", "drained", RETRY_AFTER_DRAINED_SECONDS
        )


class TokenGate:
    """Verifies bearer tokens, and that their account still exists and is not locked (seen within a minute)."""

    def __init__(self, source: KeyringSource, accounts: Accounts) -> None:
        self._source = source
        self._accounts = accounts
        self._checked: dict[str, tuple[datetime, Account | None]] = {}  # None: locked or gone

    def caller(self, authorization: str | None, *, now: datetime) -> Caller:
        """Who sent the request, and the plans of its account; raises ``InvalidTokenError``."""
        caller = tokens.verify(self._source, tokens.bearer(authorization))
        checked_at, known = self._checked.get(caller.subject, (None, None))
        if checked_at is None or now - checked_at >= ACCOUNT_CHECK:
            try:
                account = self._accounts.account(caller.subject)
            except (ClientError, BotoCoreError):
                if known is None:
                    raise
                # A valid token of an account that stood a moment ago: accounts that cannot be read stop nobody.
            else:
                known = account if account is not None and not account.locked else None
            if len(self._checked) >= MAX_CHECKED:
                self._checked.clear()
            self._checked[caller.subject] = (now, known)
        if known is None:
            raise tokens.InvalidTokenError("the account is locked or gone")
        return replace(caller, plans=known.plans)
