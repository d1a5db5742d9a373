"""The Lambda functions of one Region as this process has them: loaded once, started cold for each history."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from loadtests.simulation.product import Counted, Product
from loadtests.simulation.world import START
from shared.adapters import items
from shared.adapters.keyring import KeyringSource
from shared.adapters.silence import Silence
from shared.domain import auth
from shared.domain.auth import Account, hash_password
from shared.domain.instants import to_text

if TYPE_CHECKING:
    from loadtests.simulation.lambdas import LambdaShore

FUNCTIONS: Final = (
    "api", "authorizer", "health", "relay", "processor", "sentinel", "webhook", "requests", "legacy_routes",
)  # fmt: skip
PASSWORD: Final = "correct horse"  # noqa: S105  # of nobody


class Context:
    """Lambda's context of an invocation that has no time for a second look."""

    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 0


@cache
def counts() -> Counted:
    """The metrics of all Regions together."""
    return Counted()


class LoadedRegion(Product):
    """The functions of one Region, loaded once a process; each history puts its own Region behind them."""

    shore: LambdaShore

    def __init__(self, region: str, peer: str) -> None:
        self.beginning = True
        super().__init__(region, peer, ("pending_work", *FUNCTIONS), self.now)

    def now(self) -> datetime:
        return START if self.beginning else self.shore.clock()

    def seconds(self) -> float:
        """A clock that only goes on, in place of the process's."""
        return 0.0 if self.beginning else (self.shore.world.now - START).total_seconds()

    def secret(self, _arn: str, fresh: bool, cache_seconds: int) -> str:
        return FIRST_SECRET if self.beginning else self.shore.read_secret(fresh, cache_seconds)

    def prepare(self, runtime: Any) -> None:
        self.counts = runtime.metrics = counts()
        self.webhooks.secrets = NumberedSecrets(self)
        runtime.KeyringSource = partial(KeyringSource, read=self.secret, clock=self.seconds)

    def restart(self) -> None:
        """Make again what the functions keep between invocations."""
        runtime = self["runtime"]
        for made in vars(runtime).values():
            if hasattr(made, "cache_clear") and getattr(made, "__module__", "") == runtime.__name__:
                made.cache_clear()
        for sender in (runtime.event_topic(), runtime.effect_bus()):
            vars(sender)["_silence"] = Silence(self.seconds)
        runtime.view_notes.cache_clear()
        notes = runtime.view_notes()
        vars(notes)["_sleep"] = lambda _seconds: None
        self["relay"]._relay = self["relay"].relay()  # noqa: SLF001  # as a cold start makes it
        self["sentinel"]._sentinel = self["sentinel"].sentinel()  # noqa: SLF001
        self["webhook"]._teller = replace(  # noqa: SLF001
            self["webhook"]._teller,  # noqa: SLF001
            post=self.shore.calling.post,
            silences=defaultdict(lambda: Silence(self.seconds)),
        )
        self["legacy_routes"].token_gate.cache_clear()
        self["authorizer"].gate = type(self["authorizer"].gate)(runtime.keyring_source(), runtime.accounts())
        for cached in (self["requests"].guard, self["health"].verdict, self["health"].register):
            vars(cached)["_read_at"] = None


class NumberedSecrets:
    """In place of the module that makes them by chance: a history makes the same ones each time."""

    def __init__(self, functions: LoadedRegion) -> None:
        self._functions = functions

    def token_urlsafe(self, _bytes: int) -> str:
        world = self._functions.shore.world
        world.secrets_made += 1
        return f"secret-{world.secrets_made:06}"

    token_hex = token_urlsafe


@cache
def loaded(region: str, peer: str, number: int) -> LoadedRegion:
    """One of the processes that a Region's functions run in: nothing runs twice at once in one."""
    del number
    found = LoadedRegion(region, peer)
    found["sentinel"].peer_serves = lambda *_: found.shore.sees_peer()
    found.beginning = False
    return found


FIRST_SECRET: Final = json.dumps({"current": "K1", "keys": {"K1": "the-first-key-of-every-simulated-keyring"}})


@cache
def account_item(subject: str) -> items.Wire:
    with cheap_passwords():
        stored = Account(subject, "client", hash_password(PASSWORD))
    plain = {"pk": f"ACCOUNT#{subject}", "sk": "ACCOUNT", "role": "client", "password_hash": stored.password_hash}
    return items.to_wire({**plain, "created_at": to_text(START)})


class cheap_passwords:  # noqa: N801  # used as a statement
    """Hashing a password takes 50 ms, so that guessing is slow; nobody guesses here."""

    def __enter__(self) -> None:
        self._n, auth._SCRYPT_N = auth._SCRYPT_N, 2  # type: ignore[misc]  # noqa: SLF001

    def __exit__(self, *_: object) -> None:
        auth._SCRYPT_N = self._n  # type: ignore[misc]  # noqa: SLF001
