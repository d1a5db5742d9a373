"""The keyring secret, cached for a minute; read again at once, but rarely, when a token names a key it does not have."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from aws_lambda_powertools.utilities import parameters

from shared.domain.auth import Keyring, KeyringError

CACHE_SECONDS: Final = 60
# Tokens with made-up key ids must not turn into one secret read each.
REFRESH_SECONDS: Final = 10


def read_secret(arn: str, fresh: bool, cache_seconds: int) -> str:
    """Read the secret's text through Powertools' cache."""
    try:
        value = parameters.get_secret(arn, max_age=cache_seconds, force_fetch=fresh)
    except parameters.GetParameterError as error:
        raise KeyringError(f"the keyring secret cannot be read: {error}") from error
    return value if isinstance(value, str) else value.decode()


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
        self._text = ""
        self._keyring: Keyring | None = None

    def keyring(self, *, fresh: bool = False) -> Keyring:
        """The keyring; raises ``KeyringError``."""
        text = self._read(self._arn, fresh, self._cache_seconds)
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
