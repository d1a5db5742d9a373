"""Takes tokens in each Region and shows them in the others, all through a rotation of the signing key (I8).

A token that has not expired must be accepted by both guards: the gateway's authorizer and the old routes' handler.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Final

import jwt

from loadtests.drills.probe import Probe
from loadtests.drills.reader import Login, Reader
from loadtests.drills.target import DrillTarget
from loadtests.gate import TOKEN_REFUSED
from shared.topology import TOPOLOGY

ALGORITHM: Final = "HS256"
# An order that does not exist behind the authorizer, and a route whose handler asks for the token itself.
GUARDED_PATHS: Final = ("/v1/orders/shown-by-the-token-witness", "/metrics")
LOOKS_PER_LOGIN: Final = 4
MARGIN_SECONDS: Final = 2.0  # before a token expires: the answer must not come after it


@dataclass(frozen=True)
class Showing:
    """One token shown in one Region, and whether it was accepted there."""

    at: float
    key: str
    region: str
    accepted: bool
    good_for: float  # seconds


class TokenWitness(Probe):
    """Shows the oldest, the newest and any one of the living tokens in the Regions that did not give them."""

    def __init__(self, lab: DrillTarget, reader: Reader, every: float) -> None:
        super().__init__("token witness", every)
        self.showings: list[Showing] = []
        self._lab = lab
        self._reader = reader
        self._living: list[Login] = []
        self._looks = 0
        self._lock = threading.Lock()

    def look(self) -> None:
        self._looks += 1
        if self._looks % LOOKS_PER_LOGIN == 1:
            regions = list(self._lab.regions)
            self.take(regions[self._looks // LOOKS_PER_LOGIN % len(regions)])
        with self._lock:
            self._living = [login for login in self._living if login.until - time.time() > MARGIN_SECONDS]
            living = list(self._living)
        for login in {living[0], living[-1], random.choice(living)} if living else ():
            self.show_elsewhere(login)

    def take(self, region: str) -> Login:
        """Log in to a Region and keep the token for as long as it lives; raises ``OSError``."""
        login = self._reader.log_in(region)
        with self._lock:
            self._living.append(login)
        return login

    def show_elsewhere(self, login: Login) -> None:
        """Show a living token in every Region but its own; raises ``OSError`` when one gives no answer at all."""
        for region in self._lab.regions:
            if region != login.region:
                at = time.time()
                accepted = self.accepts(region, login.token)
                self.showings.append(Showing(at, key_of(login.token), region, accepted, login.until - at))

    def accepts(self, region: str, token: str) -> bool:
        """Whether both guards of a Region take a token; raises ``OSError`` for anything but a clear answer."""
        api = self._lab.regions[region].api(TOPOLOGY.api_name)
        try:
            answers = [api.call("GET", path, token=token)[0] for path in GUARDED_PATHS]
        finally:
            api.close()
        if any(status in TOKEN_REFUSED for status in answers):
            return False
        if any(status == 429 or status >= 500 for status in answers):
            raise ConnectionError(f"{region} answered {answers} to a token")
        return True

    def rejected(self) -> int:
        return sum(not showing.accepted for showing in self.showings)


def key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def forged(token: str, key: str, seconds: float) -> str:
    """The token as if it were given now: whoever has its key can do that. No two are alike, so no cache knows it."""
    claims = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    fresh = {**claims, "iat": now, "exp": now + int(seconds), "jti": uuid.uuid4().hex}
    return jwt.encode(fresh, key, algorithm=ALGORITHM, headers={"kid": key_of(token)})
