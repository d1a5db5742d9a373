"""Brings every function of a Region up before anybody measures: workers prepared, and the API really called.

An account of the lab's own is there for that, and for people who try the API.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from loadtests.lab import loopback
from loadtests.lab.deploy import client
from loadtests.lab.emulator.workers import PREPARE
from loadtests.lab.layout import Seat
from shared.adapters.accounts import Accounts
from shared.domain.auth import Account, hash_password
from shared.topology import PARTS, TOPOLOGY, live_function

USERNAME: Final = "lab"
CALL_SECONDS: Final = 60.0
# Nobody waits for their first call, and most labs have neither subscriptions nor files: no process for that.
LEFT_COLD: Final = ("webhook", "importer")
# Workers that stand ready beside the first one, where many requests or shards are side by side.
SPARE_WORKERS: Final[Mapping[str, int]] = {"relay": 3, "api": 5, "health": 1, "authorizer": 1}


class WarmingError(Exception):
    """A function does not answer as it should; the text says which and what it said."""


@dataclass(frozen=True)
class LabAccount:
    """An account with which a person can try the API."""

    username: str
    password: str

    @classmethod
    def new(cls) -> LabAccount:
        return cls(USERNAME, secrets.token_urlsafe(9))


def add_account(seat: Seat, account: LabAccount) -> None:
    """Put the account into one Region; replication is to bring it to the other."""
    accounts = Accounts(client(seat, "dynamodb"), TOPOLOGY.accounts_table)
    accounts.add(Account(account.username, "admin", hash_password(account.password)), now=datetime.now(UTC))


def wait_for_account(seat: Seat, account: LabAccount, *, patience_seconds: float = 30.0) -> None:
    """Wait until replication has brought the account here; raises ``WarmingError`` if it does not."""
    accounts = Accounts(client(seat, "dynamodb"), TOPOLOGY.accounts_table)
    deadline = time.monotonic() + patience_seconds
    while accounts.account(account.username) is None:
        if time.monotonic() > deadline:
            raise WarmingError(f"the replication link brought nothing to {seat.region} in {patience_seconds:.0f} s")
        time.sleep(0.05)


def prepare_workers(seat: Seat) -> None:
    """Start one worker of every function, of the version that its alias names: nobody calls another one."""
    _prepare(seat, tuple(part for part in PARTS if part not in LEFT_COLD))


def prepare_spares(seat: Seat) -> None:
    """Start further workers of the functions that need several side by side."""
    for part, count in SPARE_WORKERS.items():
        _prepare(seat, (part,) * count)


def try_api(seat: Seat, account: LabAccount) -> None:
    """Log in and read something, so that API, authorizer and health have worked once; raises ``WarmingError``."""
    verdict = _api(seat, "/health")
    if not verdict.get("serving"):
        raise WarmingError(f"{seat.region} does not serve: {verdict}")
    login = {"username": account.username, "password": account.password}
    _api(seat, "/v1/metrics", token=str(_api(seat, "/token", login)["access_token"]))


def start_sentinel(seat: Seat) -> None:
    """Start the sentinel now, without waiting for its schedule and for its minute."""
    client(seat, "lambda").invoke(FunctionName=live_function("sentinel"), InvocationType="Event", Payload=b"{}")


def _prepare(seat: Seat, parts: tuple[str, ...]) -> None:
    """Prepare workers side by side: each of these invocations holds a worker of its own until it is up."""
    functions = client(seat, "lambda", timeout_seconds=CALL_SECONDS, attempts=1)

    def prepare(part: str) -> None:
        answer = functions.invoke(FunctionName=live_function(part), Payload=json.dumps(PREPARE).encode())
        if "FunctionError" in answer:
            said = answer["Payload"].read()[:500].decode(errors="replace")
            raise WarmingError(f"{live_function(part)} in {seat.region} does not start: {said}")

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(prepare, parts))


def _api(seat: Seat, path: str, body: object = None, *, token: str | None = None) -> Any:
    headers = {"Host": TOPOLOGY.region_api_name(seat.region)}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        return loopback.call(seat.endpoint + path, body, headers=headers, timeout_seconds=CALL_SECONDS)
    except (loopback.RefusedError, loopback.NoAnswerError) as error:
        raise WarmingError(f"{path} in {seat.region}: {error}") from error
