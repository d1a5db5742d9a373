"""Accounts, roles, passwords and the keyring: the rules, without tokens' wire form and without storage."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from shared.domain.plans import PlanInRegion

TOKEN_SECONDS: Final = 30 * 60  # before TimeScale
ISSUER: Final = "relevo"
AUDIENCE: Final = "relevo-api"
MIN_KEY_BYTES: Final = 32

Role = Literal["courier", "client", "operator", "admin"]
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "courier": frozenset({"orders:write", "orders:read-own"}),
    "client": frozenset({"orders:write", "orders:read", "legacy:read", "webhook:own"}),
    "operator": frozenset({"orders:read", "orders:list", "metrics:read", "status:read", "legacy:read"}),
    "admin": frozenset({"orders:write", "orders:read", "orders:list", "metrics:read", "status:read", "legacy:read"}),
}

# OWASP's recommendation for scrypt within the memory of a small function: N=2^14, r=8, p=5 would take 80 MB-equivalent
# work; p=1 keeps a login near 50 ms, and failures are slowed by counters.
_SCRYPT_N: Final = 2**14
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1
_SALT_BYTES: Final = 16
MAX_PASSWORD: Final = 200
MIN_PASSWORD: Final = 8


class KeyringError(ValueError):
    """The keyring secret is missing or not usable; nothing may be signed or accepted without it."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Signing keys by id; ``current`` signs, all of them verify."""

    current: str
    keys: Mapping[str, bytes]

    @classmethod
    def from_secret(cls, text: str) -> Keyring:
        """Read ``{"current":"K2","keys":{"K1":...,"K2":...}}``; raises ``KeyringError``, there is no default key."""
        try:
            document = json.loads(text)
            current, keys = document["current"], document["keys"]
        except (ValueError, KeyError, TypeError) as error:
            raise KeyringError("the keyring secret is not {'current': id, 'keys': {id: key}}") from error
        if (
            not isinstance(current, str)
            or not isinstance(keys, dict)
            or not all(isinstance(key, str) for key in keys.values())
        ):
            raise KeyringError("the keyring's keys are not strings")
        encoded = {name: key.encode() for name, key in keys.items()}
        if current not in encoded:
            raise KeyringError("the keyring's current key is not among its keys")
        if any(len(key) < MIN_KEY_BYTES for key in encoded.values()):
            raise KeyringError(f"a key of the keyring has fewer than {MIN_KEY_BYTES} bytes")
        return cls(current, encoded)

    def fingerprint(self, name: str) -> str:
        """Which key this is, without telling it."""
        return hashlib.sha256(b"relevo-key:" + self.keys[name]).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in, as what."""

    username: str
    role: str
    password_hash: str
    locked: bool = False
    plans: Mapping[str, PlanInRegion] = field(default_factory=dict)  # by Region


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, as its token says, and when the token ends (seconds since 1970).

    ``plans`` come from its account, so only a ``TokenGate`` tells them.
    """

    subject: str
    scopes: frozenset[str]
    expires_at: int | None = None
    plans: Mapping[str, PlanInRegion] = field(default_factory=dict)


def token_seconds(time_scale: float) -> int:
    """How long a token lives, under a clock of waits that runs faster."""
    return max(1, round(TOKEN_SECONDS * time_scale))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=32
    )


def hash_password(password: str) -> str:
    """Hash a password with a salt of its own: ``scrypt$<salt>$<hash>``, base64."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return "$".join(("scrypt", base64.b64encode(salt).decode(), base64.b64encode(_scrypt(password, salt)).decode()))


# Checked against when there is no such user, so that the answer takes as long. Its password is thrown away.
_NOBODY: Final = "$".join(
    ("scrypt", base64.b64encode(bytes(_SALT_BYTES)).decode(), base64.b64encode(bytes(32)).decode())
)


def password_matches(account: Account | None, password: str) -> bool:
    """Whether the password is the account's; takes the same time when there is no account or it is locked."""
    stored = account.password_hash if account is not None else _NOBODY
    try:
        _, salt, expected = stored.split("$")
        matches = hmac.compare_digest(_scrypt(password, base64.b64decode(salt)), base64.b64decode(expected))
    except (ValueError, binascii.Error) as error:
        raise ValueError("the stored password hash is malformed") from error
    return matches and account is not None and not account.locked
