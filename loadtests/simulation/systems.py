"""Client systems that want to be called: what their receivers answer, and the secrets by which they know Relevo.

A system rotates as the contract says: it asks for a second secret, takes either, and forgets the first.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from shared.adapters.webhook_calls import CallFailedError, ReceiverSilentError

Mode = Literal["takes", "refuses", "hangs", "is gone", "takes and says nothing"]
MODES: Final[tuple[Mode, ...]] = ("takes", "refuses", "hangs", "is gone", "takes and says nothing", "takes")
AGAIN: Final = timedelta(minutes=10)  # as the contract has it: asked again sooner, a secret takes the last one's place


@dataclass(frozen=True, slots=True)
class Shown:
    """A secret that an answer showed, and how many requests for one had been made by then."""

    value: str
    at: datetime
    asks: int


@dataclass
class System:
    """One client system and its receiver."""

    subject: str
    mode: Mode = "takes"
    taken: list[str] = field(default_factory=list)  # secrets that the receiver checks with, the newest last
    shown: list[Shown] = field(default_factory=list)
    asks: list[datetime] = field(default_factory=list)  # requests that may have made a secret
    is_asking: bool = False  # it waits for an answer before it asks for anything else
    received: set[str] = field(default_factory=set)  # ids of the events that it was told of

    @property
    def url(self) -> str:
        return f"https://{self.subject}.example.com/relevo"

    def learn(self, secret: str | None, now: datetime) -> None:
        """Note a secret that was shown; the first one is taken at once."""
        if secret is not None:
            self.shown.append(Shown(secret, now, len(self.asks)))
            if not self.taken:
                self.taken.append(secret)

    def turn(self, now: datetime) -> bool:
        """The next step of a rotation that takes nobody else; tells whether there was one."""
        newest = self.shown[-1] if self.shown else None
        if newest is not None and newest.value not in self.taken:
            self.taken.append(newest.value)
            return True
        if len(self.taken) > 1:
            self.taken.pop(0)
            return True
        return newest is not None and now - newest.at < AGAIN

    def has_to_sign(self) -> str | None:
        """The secret in use, if the contract says that it signs: what was asked for since is one other secret."""
        used = next((shown for shown in self.shown if self.taken and shown.value == self.taken[-1]), None)
        if used is None:
            return None
        since = self.asks[used.asks :]
        if since and since[0] - used.at < AGAIN:
            return None  # it may have been replaced itself
        return used.value if all(later - earlier < AGAIN for earlier, later in pairwise(since)) else None

    def answer(self, event_id: str, signature: str, body: bytes) -> None:
        """Answer a call as this receiver does just now; raises as the caller would."""
        if self.mode == "is gone":
            raise CallFailedError("ConnectionRefusedError")
        if self.mode == "hangs":
            raise ReceiverSilentError("TimeoutError")
        if self.mode == "refuses":
            raise CallFailedError("the receiver answered 503")
        if not signed_by(self.taken, signature, body):
            raise CallFailedError("the receiver answered 401")
        self.received.add(event_id)
        if self.mode != "takes":
            raise ReceiverSilentError("TimeoutError")


def signed_by(secrets: Iterable[str], signature: str, body: bytes) -> set[str]:
    """Which of some secrets signed a call, by the check that the contract documents."""
    parts = [part.partition("=")[::2] for part in signature.split(",")]
    signed = dict(parts)["t"].encode() + b"." + body
    made = {hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(): secret for secret in secrets}
    return {made[value] for name, value in parts if name == "v1" and value in made}
