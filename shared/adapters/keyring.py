"""The keyring secret, cached for a minute; read again at once, but rarely, when a token names a key it does not have.

Once read, it outlives Secrets Manager: a Region that knows its keys goes on with them while the secret cannot be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Final

from aws_lambda_powertools.utilities import parameters

from shared.adapters import clients
from shared.domain.auth import Keyring, KeyringError

CACHE_SECONDS: Final = 60
# Tokens with made-up key ids must not turn into one secret read each.
REFRESH_SECONDS: Final = 10
FIRST_TRIES: Final = 3


@cache
def _provider() -> parameters.SecretsProvider:
    return parameters.SecretsProvider(boto3_client=clients.secretsmanager())


def read_secret(arn: str, fresh: bool, cache_seconds: int) -> str:
    """Read the secret's text through Powertools' cache; raises ``KeyringError``."""
    try:
        value = _provider().get(arn, max_age=cache_seconds, force_fetch=fresh)
    except parameters.GetParameterError as error:
        raise KeyringError(f"the keyring secret cannot be read: {error}") from error
    if value is None:
        raise KeyringError("the keyring secret is empty")
    return value.decode() if isinstance(value, bytes) else str(value)


class KeyringSource:
    """Where a function gets its keyring from; there is no default, so without the secret nothing starts."""

    def __init__(
        self,
        arn: str,
        *,
        time_scale: float = 1.0,
        read: Callable[[str, bool, int], str] = read_secret,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._arn = arn
        self._read = read
        self._clock = clock
        self._cache_seconds = max(1, round(CACHE_SECONDS * time_scale))
        self._refresh_seconds = REFRESH_SECONDS * time_scale
        self._refreshed_at = clock() - self._refresh_seconds
        self._retry_at = clock()
        self._text = ""
        self._keyring: Keyring | None = None

    def keyring(self, *, fresh: bool = False) -> Keyring:
        """The keyring, or the last good one while it cannot be read; raises ``KeyringError`` if there was none."""
        if self._keyring is not None and not fresh and self._clock() < self._retry_at:
            return self._keyring
        if self._keyring is None:
            return self._first()
        try:
            self._take(self._read(self._arn, fresh, self._cache_seconds))
        except KeyringError:
            # Not with each request: a secret that cannot be read may take its second to say so.
            self._retry_at = self._clock() + self._refresh_seconds
        return self._keyring

    def _first(self) -> Keyring:
        """Nothing works without a first keyring, so it is tried for more than once; a bad one is refused at once."""
        for tries_left in reversed(range(FIRST_TRIES)):
            try:
                text = self._read(self._arn, False, self._cache_seconds)
            except KeyringError:
                if not tries_left:
                    raise
            else:
                break
        return self._take(text)

    def _take(self, text: str) -> Keyring:
        if self._keyring is None or text != self._text:
            self._keyring, self._text = Keyring.from_secret(text), text
        return self._keyring

    def keyring_with(self, name: str) -> Keyring:
        """The keyring, read again when it lacks the key, at most once every ten seconds."""
        keyring = self.keyring()
        if name not in keyring.keys and self._clock() - self._refreshed_at >= self._refresh_seconds:
            self._refreshed_at = self._clock()
            keyring = self.keyring(fresh=True)
        return keyring
