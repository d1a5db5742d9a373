"""Invokes every function of a Region, so that its workers are up before anybody measures.

Only invocations that succeed keep a worker: MiniStack ends one whose handler raises. So the authorizer is asked about a
good token, and an account of the lab's own is there to get it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from loadtests.lab import loopback
from loadtests.lab.deploy import client
from loadtests.lab.layout import Seat
from shared.adapters.accounts import Accounts
from shared.domain.auth import Account, hash_password
from shared.topology import STATUSES, TOPOLOGY, function_name

USERNAME: Final = "lab"
CALL_SECONDS: Final = 30.0
# Workers that stand ready, by function; the others get one. MiniStack starts more as invocations overlap.
SPARE_WORKERS: Final[Mapping[str, int]] = {"relay": 4, "api": 4, "health": 2, "authorizer": 2}

NO_RECORDS: Final[dict[str, Any]] = {"Records": []}
NO_ROUTE: Final[dict[str, Any]] = {
    "httpMethod": "GET", "path": "/openapi.json", "resource": "/openapi.json", "headers": {}, "multiValueHeaders": {},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None, "body": None,
    "isBase64Encoded": False, "requestContext": {"resourcePath": "/openapi.json", "httpMethod": "GET", "path": "/openapi.json"},
}  # fmt: skip


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


def warm_region(seat: Seat, account: LabAccount) -> None:
    """Bring one worker of every function up, all at once; raises ``WarmingError`` for a function that fails."""
    parts = ["relay", *(f"processor-{status}" for status in STATUSES)]
    tasks: list[Callable[[], object]] = [lambda part=part: _invoke(seat, part, NO_RECORDS) for part in parts]  # type: ignore[misc]
    tasks += [lambda: _health(seat), lambda: _authorized_call(seat, account)]
    with ThreadPoolExecutor(len(tasks)) as pool:
        for result in [pool.submit(task) for task in tasks]:
            result.result()


def warm_spares(seat: Seat, account: LabAccount) -> None:
    """Bring further workers up for the functions that many requests or shards use side by side."""
    token = _token(seat, account)
    payloads = {
        "relay": NO_RECORDS,
        "api": NO_ROUTE,
        "health": {"httpMethod": "GET", "path": "/health"},
        "authorizer": {
            "type": "TOKEN",
            "authorizationToken": f"Bearer {token}",
            "methodArn": "arn:aws:execute-api:a/b/GET/c",
        },
    }
    for part, count in SPARE_WORKERS.items():
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda _, part=part: _invoke(seat, part, payloads[part]), range(count)))


def start_sentinel(seat: Seat) -> None:
    """Start the sentinel now, without waiting for its schedule and for its minute."""
    client(seat, "lambda").invoke(FunctionName=function_name("sentinel"), InvocationType="Event", Payload=b"{}")


def wait_for_account(seat: Seat, account: LabAccount, *, patience_seconds: float = 10.0) -> None:
    """Wait until replication has brought the account here; raises ``WarmingError`` if it does not."""
    accounts = Accounts(client(seat, "dynamodb"), TOPOLOGY.accounts_table)
    deadline = time.monotonic() + patience_seconds
    while accounts.account(account.username) is None:
        if time.monotonic() > deadline:
            raise WarmingError(f"the replication link brought nothing to {seat.region} in {patience_seconds:.0f} s")
        time.sleep(0.05)


def _invoke(seat: Seat, part: str, payload: dict[str, Any]) -> None:
    name = function_name(part)
    answer = client(seat, "lambda", timeout_seconds=CALL_SECONDS, attempts=1).invoke(
        FunctionName=name, Payload=json.dumps(payload).encode()
    )
    if "FunctionError" in answer:
        raise WarmingError(f"{name} in {seat.region} failed: {answer['Payload'].read()[:500].decode(errors='replace')}")


def _health(seat: Seat) -> None:
    verdict = _api(seat, "/health")
    if not verdict.get("serving"):
        raise WarmingError(f"{seat.region} does not serve: {verdict}")


def _authorized_call(seat: Seat, account: LabAccount) -> None:
    _api(seat, "/v1/metrics", token=_token(seat, account))


def _token(seat: Seat, account: LabAccount) -> str:
    return str(_api(seat, "/token", {"username": account.username, "password": account.password})["access_token"])


def _api(seat: Seat, path: str, body: object = None, *, token: str | None = None) -> Any:
    headers = {"Host": TOPOLOGY.region_api_name(seat.region)}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        return loopback.call(seat.endpoint + path, body, headers=headers, timeout_seconds=CALL_SECONDS)
    except (loopback.RefusedError, loopback.NoAnswerError) as error:
        raise WarmingError(f"{path} in {seat.region}: {error}") from error
