"""What all simulated clients of one Locust process share: options, accounts and tokens, resolvers, the ledger.

Runs in Locust's process. Credentials come from a file or the environment and are never printed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from argparse import Namespace
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gevent.lock import RLock

from loadtests.arrivals import Spacing
from loadtests.connections import Connections, is_address
from loadtests.ledger import Entry, LedgerWriter
from loadtests.resolver import Answer, Resolver
from loadtests.retries import TOKEN_SHARE

log = logging.getLogger("relevo.fleet")


@dataclass(frozen=True)
class Account:
    username: str
    password: str
    role: str


def read_accounts(path: str | None) -> list[Account]:
    """Read ``[{"username","password","role"}, ...]``, or one account of the environment that plays every role."""
    if path:
        return [Account(**row) for row in json.loads(Path(path).read_text(encoding="utf-8"))]
    username, password = os.environ.get("RELEVO_USERNAME"), os.environ.get("RELEVO_PASSWORD")
    return [Account(username, password, "any")] if username and password else []


class Credentials:
    """Logs in once per account and shares the token: a crowd must not be a crowd of logins."""

    def __init__(self, accounts: list[Account]) -> None:
        self._accounts = accounts
        self._tokens: dict[str, tuple[str, float]] = {}
        self._failed: dict[str, float] = {}
        self._lock = RLock()

    def account_for(self, role: str) -> Account | None:
        return next((account for account in self._accounts if account.role in (role, "any")), None)

    def username_for(self, role: str) -> str:
        account = self.account_for(role)
        return account.username if account else "nobody"

    def token_for(self, role: str, connections: Connections) -> str | None:
        """Return a token that is still good, logging in if need be; ``None`` without an account or an answer.

        One client logs in while the others wait; when it fails they do not try in its place at once.
        """
        account = self.account_for(role)
        if account is None:
            return None
        asked_at = time.time()
        if (token := self._good_token(account)) is not None:
            return token
        with self._lock:
            if (token := self._good_token(account)) is not None or self._failed.get(account.username, 0.0) > asked_at:
                return token
            answer = connections.send("POST", "/token", {"username": account.username, "password": account.password})
            fresh, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
            if isinstance(fresh, str) and isinstance(seconds, int):
                self._tokens[account.username] = (fresh, answer.at + seconds * TOKEN_SHARE)
                return fresh
            log.warning("login of %s failed: %s %s", account.username, answer.http, answer.error)
            self._failed[account.username] = time.time()
            return None

    def _good_token(self, account: Account) -> str | None:
        token, until = self._tokens.get(account.username, ("", 0.0))
        return token if until > time.time() else None

    def forget(self, role: str, token: str | None) -> None:
        """Drop a token that was refused, unless another greenlet has replaced it already."""
        account = self.account_for(role)
        if account is not None and self._tokens.get(account.username, ("", 0.0))[0] == token:
            del self._tokens[account.username]


def run_id(seed: str) -> str:
    """A short name for a run that starts every order id and key of it."""
    return f"R{hashlib.sha256(seed.encode()).hexdigest()[:6]}"


@dataclass
class Fleet:
    """Options and shared state; made once per Locust process by the locustfile."""

    host: str
    run: str
    seed: str
    spacing: Spacing
    credentials: Credentials
    dns_server: tuple[str, int] | None
    subnets: dict[str, str]  # location -> EDNS client subnet that places a client there
    locations: tuple[str, ...]
    ledger: LedgerWriter | None = None
    recent: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=400))
    dropped: int = 0

    @property
    def hostname(self) -> str:
        return urlsplit(self.host).hostname or ""

    def location_for(self, number: int) -> str:
        """Places the n-th user of a class: alternating, so that each location gets its share of every class."""
        return self.locations[number % len(self.locations)]

    def resolver_for(self, location: str) -> Resolver | FixedAddress:
        """One resolver, so one cache, per client."""
        if is_address(self.hostname):
            return FixedAddress(self.hostname)
        return Resolver(self.dns_server, subnet=self.subnets.get(location))

    def write(self, entry: Entry) -> None:
        if self.ledger is not None:
            self.ledger.write(entry)

    def note_dropped(self, user: str) -> None:
        self.dropped += 1
        if self.dropped in (1, 10, 100) or self.dropped % 1000 == 0:
            log.warning(
                "%d arrivals dropped at the bound (last: %s): this load is not what was asked", self.dropped, user
            )


class FixedAddress:
    """Stands in for DNS when the host is an address."""

    def __init__(self, address: str) -> None:
        self._answer = Answer((address,), 0.0, 0.0)

    def lookup(self, name: str) -> Answer:  # noqa: ARG002  # the resolver's form
        return self._answer


def locations_from(option: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    """``half`` alternates between the Regions; a Region's name puts all clients near it."""
    if option == "half":
        return regions
    if option not in regions:
        raise ValueError(f"--relevo-locations must be 'half' or one of {', '.join(regions)}")
    return (option,)


def spacing_from(option: str) -> Spacing:
    match option:
        case "poisson" | "even":
            return option
        case _:
            raise ValueError("--relevo-arrivals must be 'poisson' or 'even'")


def server_from(option: str) -> tuple[str, int] | None:
    """Parse ``host:port`` of a DNS server; empty means the system's resolver."""
    if not option:
        return None
    host, _, port = option.rpartition(":")
    return host, int(port)


def parse_subnets(option: str) -> dict[str, str]:
    """Parse ``us-east-1=198.51.100.0/24,us-east-2=...``."""
    subnets: dict[str, str] = {}
    for pair in filter(None, option.split(",")):
        location, _, subnet = pair.partition("=")
        subnets[location] = subnet
    return subnets


def fleet_from(options: Namespace, host: str, run: str, regions: tuple[str, ...]) -> Fleet:
    """Put a fleet together from Locust's parsed options."""
    return Fleet(
        host=host,
        run=run,
        seed=options.relevo_seed,
        spacing=spacing_from(options.relevo_arrivals),
        credentials=Credentials(read_accounts(options.relevo_users)),
        dns_server=server_from(options.relevo_dns),
        subnets=parse_subnets(options.relevo_subnets),
        locations=locations_from(options.relevo_locations, regions),
        ledger=LedgerWriter(Path(options.relevo_ledger)) if options.relevo_ledger else None,
    )
