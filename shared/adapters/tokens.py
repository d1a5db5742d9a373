"""Bearer tokens: HS256 JWTs that name their key, signed by the keyring's current key, verified by any of its keys."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import jwt

from shared.adapters.keyring import KeyringSource
from shared.domain.auth import AUDIENCE, ISSUER, ROLES, TOKEN_SECONDS, Account, Caller, Keyring

ALGORITHM: Final = "HS256"
MAX_TOKEN: Final = 2048
# A token goes to the other Region at once, and that one's clock may be a little behind.
CLOCK_SKEW_SECONDS: Final = 2


class InvalidTokenError(Exception):
    """The token is not one of ours, or not any more."""


def issue(keyring: Keyring, account: Account, *, now: datetime, seconds: int = TOKEN_SECONDS) -> str:
    """Sign a token for an account; it lives for ``seconds``."""
    issued = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": account.username,
        "scope": " ".join(sorted(ROLES[account.role])),
        "iat": issued,
        "exp": issued + seconds,
    }
    return jwt.encode(claims, keyring.keys[keyring.current], algorithm=ALGORITHM, headers={"kid": keyring.current})


def verify(source: KeyringSource, token: str) -> Caller:
    """Who the bearer is; raises ``InvalidTokenError``. An unknown key id makes the keyring be read again, rarely."""
    if len(token) > MAX_TOKEN or not token.isascii():
        raise InvalidTokenError("the token is too long or not ASCII")
    try:
        name = jwt.get_unverified_header(token).get("kid")
    except (jwt.InvalidTokenError, RecursionError) as error:  # a header may be nothing but opening brackets
        raise InvalidTokenError("the token is malformed") from error
    if not isinstance(name, str):
        raise InvalidTokenError("the token names no key")
    keyring = source.keyring_with(name)
    key = keyring.keys.get(name)
    if key is None:
        raise InvalidTokenError("the token's key is unknown")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=CLOCK_SKEW_SECONDS,
            # Not whether `iat` has come: it is another Region's clock, which may be ahead of this one (I8).
            options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_iat": False},
        )
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError(str(error)) from error
    if not claims["sub"]:
        raise InvalidTokenError("the token names nobody")
    scopes = frozenset(str(claims.get("scope", "")).split())
    return Caller(subject=claims["sub"], scopes=scopes, expires_at=int(claims["exp"]))


def bearer(header: str | None) -> str:
    """The token of an ``Authorization`` header; raises ``InvalidTokenError``."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidTokenError("no bearer token")
    return token.strip()
