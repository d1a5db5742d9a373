"""The judge's own account: logs in to each Region directly, keeps a token that is good, and reads the figures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from loadtests.drills.replicas import read_sales
from loadtests.drills.target import DrillTarget, TargetError
from loadtests.expectations import day_in_bogota
from loadtests.retries import TOKEN_SHARE
from shared.topology import TOPOLOGY

DAYS_BACK = 4  # clients register deliveries of up to three days ago
LOGIN_SECONDS = 20.0

Sales = dict[str, dict[date, Decimal]]


@dataclass(frozen=True)
class Login:
    """A token, the Region that gave it, and until when it is good, by this machine's clock."""

    token: str
    region: str
    at: float
    until: float


class Reader:
    """Reads as an operator of the dashboard would, in whichever Region it is told to."""

    def __init__(self, lab: DrillTarget, account: tuple[str, str]) -> None:
        self._lab = lab
        self._account = account
        self._logins: dict[str, Login] = {}

    def token(self, region: str) -> str:
        """A token of a Region, from a new login when the last one is old; raises ``TargetError``."""
        login = self._logins.get(region)
        if login is None or time.time() > login.at + (login.until - login.at) * TOKEN_SHARE:
            login = self._logins[region] = self._log_in_patiently(region)
        return login.token

    def log_in(self, region: str) -> Login:
        """Take a new token; raises ``OSError`` when the Region does not give one."""
        username, password = self._account
        api = self._lab.regions[region].api(TOPOLOGY.api_name)
        at = time.time()
        try:
            status, answer = api.call("POST", "/token", body={"username": username, "password": password})
        finally:
            api.close()
        if status != 200 or not isinstance(answer, dict):
            raise ConnectionError(f"{region} answered {status} to a login: {answer}")
        return Login(str(answer["access_token"]), region, at, at + float(answer["expires_in"]))

    def _log_in_patiently(self, region: str) -> Login:
        """Log in, waiting for the account to be replicated."""
        end = time.monotonic() + LOGIN_SECONDS
        while True:
            try:
                return self.log_in(region)
            except OSError as error:
                if time.monotonic() > end:
                    raise TargetError(f"cannot log in in {region}: {error}") from error
            time.sleep(0.5)

    def sales(self) -> Sales:
        """Each Region's sales of the days that a run can touch (one ahead, in case midnight passes)."""
        today = day_in_bogota(datetime.now(UTC))
        days = {today + timedelta(days=shift) for shift in range(-DAYS_BACK, 2)}
        return {
            name: read_sales(access.api(TOPOLOGY.api_name), self.token(name), days)
            for name, access in self._lab.regions.items()
        }
