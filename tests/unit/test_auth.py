"""Keyrings, passwords, roles and tokens: what is accepted, and everything else that is not."""

from __future__ import annotations

import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import get_args

import jwt
import pytest

from shared.adapters.keyring import FIRST_TRIES, KeyringSource
from shared.adapters.tokens import InvalidTokenError, bearer, issue, verify
from shared.domain.auth import (
    AUDIENCE,
    ISSUER,
    ROLES,
    Account,
    Keyring,
    KeyringError,
    Role,
    hash_password,
    password_matches,
)  # fmt: skip

K1, K2 = "first-key-of-the-keyring-of-the-tests", "second-key-of-the-keyring-of-the-tests"
BOTH = {"current": "K2", "keys": {"K1": K1, "K2": K2}}


class Secret:
    """The keyring secret, and how often it was read."""

    def __init__(self, document: object = BOTH) -> None:
        self.document = document
        self.reads: list[bool] = []  # whether each was forced
        self.now = 0.0
        self._cached: tuple[float, str] | None = None

    def read(self, _: str, fresh: bool, cache_seconds: int) -> str:
        if self._cached and not fresh and self.now - self._cached[0] < cache_seconds:
            return self._cached[1]
        self.reads.append(fresh)
        if isinstance(self.document, Exception):
            raise self.document
        self._cached = (self.now, json.dumps(self.document))
        return self._cached[1]

    def source(self) -> KeyringSource:
        return KeyringSource("arn", read=self.read, clock=lambda: self.now)


def test_the_current_key_signs_and_every_key_verifies() -> None:
    account = Account("ana", "courier", "")
    both = Secret().source()
    for current in ("K1", "K2"):
        token = issue(Keyring.from_secret(json.dumps({**BOTH, "current": current})), account, now=datetime.now(UTC))
        caller = verify(both, token)
        assert (caller.subject, caller.scopes) == ("ana", ROLES["courier"])


def test_a_token_of_a_dropped_key_is_refused() -> None:
    token = issue(
        Keyring.from_secret(json.dumps({**BOTH, "current": "K1"})), Account("a", "client", ""), now=datetime.now(UTC)
    )
    with pytest.raises(InvalidTokenError, match="key is unknown"):
        verify(Secret({"current": "K2", "keys": {"K2": K2}}).source(), token)


def test_a_token_is_accepted_by_a_region_whose_clock_is_behind() -> None:
    issued = datetime.now(UTC) + timedelta(minutes=5)
    token = issue(Keyring.from_secret(json.dumps(BOTH)), Account("ana", "courier", ""), now=issued)
    assert verify(Secret().source(), token).subject == "ana"


def test_a_token_ends_after_half_an_hour() -> None:
    keyring = Keyring.from_secret(json.dumps(BOTH))
    account = Account("ana", "courier", "")
    verify(Secret().source(), issue(keyring, account, now=datetime.now(UTC) - timedelta(minutes=29)))
    with pytest.raises(InvalidTokenError, match="expired"):
        verify(Secret().source(), issue(keyring, account, now=datetime.now(UTC) - timedelta(minutes=31)))


@pytest.mark.parametrize(("algorithm", "accepted"), [("HS256", True), ("HS384", False), ("HS512", False)])
def test_a_token_of_another_algorithm_is_refused_although_its_key_is_ours(algorithm: str, accepted: bool) -> None:
    key = "k" * 64  # long enough for each of them
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "iat": 1, "exp": 4102444800}
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "K1"})
    source = Secret({"current": "K1", "keys": {"K1": key}}).source()
    if accepted:
        assert verify(source, token).subject == "ana"
    else:
        with pytest.raises(InvalidTokenError, match="alg value"):
            verify(source, token)


@pytest.mark.parametrize(
    "secret",
    [
        "", "x", "null", "[]", "{}", '{"current":"K1"}', '{"keys":{}}', '{"current":"K1","keys":{}}',
        '{"current":"K1","keys":[]}',
        '{"current":["K1"],"keys":{"K1":"' + K1 + '"}}', '{"current":"K1","keys":{"K1":5}}',
        '{"current":"K1","keys":{"K1":""}}',
        '{"current":"K1","keys":{"K1":"' + "x" * 31 + '"}}', '{"current":"K1","keys":{"K1":"' + K1 + '","K2":"short"}}',
        '{"current":"K3","keys":{"K1":"' + K1 + '"}}',
    ],
)  # fmt: skip
def test_there_is_no_default_key_and_no_short_one(secret: str) -> None:
    with pytest.raises(KeyringError):
        Keyring.from_secret(secret)


def test_a_fingerprint_tells_keys_apart_without_telling_them() -> None:
    keyring = Keyring.from_secret(json.dumps(BOTH))
    assert keyring.fingerprint("K1") != keyring.fingerprint("K2")
    assert K1 not in keyring.fingerprint("K1")


def test_an_unknown_key_id_has_the_secret_read_again_once_in_ten_seconds() -> None:
    secret = Secret()
    source = secret.source()
    for _ in range(3):
        assert "K9" not in source.keyring_with("K9").keys
    assert secret.reads == [False, True]
    secret.now = 9.9
    source.keyring_with("K9")
    assert secret.reads == [False, True]
    secret.document = {**BOTH, "keys": {**BOTH["keys"], "K9": K1}}  # type: ignore[dict-item]
    secret.now = 10
    assert "K9" in source.keyring_with("K9").keys
    source.keyring_with("K9")
    assert secret.reads == [False, True, True]


def test_without_a_secret_nothing_starts_and_it_is_tried_for_more_than_once() -> None:
    secret = Secret(KeyringError("away"))
    with pytest.raises(KeyringError):
        secret.source().keyring()
    assert len(secret.reads) == FIRST_TRIES


@pytest.mark.parametrize("document", [KeyringError("away"), {"current": "K1", "keys": {}}])
def test_a_known_keyring_outlives_a_secret_that_cannot_be_read(document: object) -> None:
    secret = Secret()
    source = secret.source()
    known = source.keyring()
    secret.document = document
    secret.now = 61
    assert source.keyring() == known
    reads = len(secret.reads)
    assert source.keyring() == known
    assert len(secret.reads) == reads  # not with every request
    secret.document = {"current": "K1", "keys": {"K1": K1}}
    secret.now = 200
    assert source.keyring().current == "K1"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic x", "x", "BearerX y"])
def test_a_header_without_a_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(InvalidTokenError):
        bearer(header)
    assert bearer("bearer  t ") == "t"


def test_a_password_is_hashed_with_a_salt_of_its_own() -> None:
    one, other = hash_password("una-clave-larga"), hash_password("una-clave-larga")
    assert one != other
    assert "clave" not in one
    for stored in (one, other):
        assert password_matches(Account("ana", "client", stored), "una-clave-larga")
    assert not password_matches(Account("ana", "client", one), "otra-clave")
    assert not password_matches(Account("ana", "client", one, locked=True), "una-clave-larga")
    assert not password_matches(None, "una-clave-larga")


def test_passwords_are_compared_in_constant_time_whoever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []
    compare = hmac.compare_digest

    def noted(ours: bytes, theirs: bytes) -> bool:
        compared.append(len(ours) == len(theirs))
        return compare(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    for account in (Account("ana", "client", hash_password("una-clave-larga")), None):
        password_matches(account, "otra-clave")
    assert compared == [True, True]  # the length alone would tell


def test_a_wrong_name_takes_as_long_as_a_wrong_password() -> None:
    account = Account("ana", "client", hash_password("una-clave-larga"))

    def seconds(found: Account | None) -> float:
        started = time.process_time()
        password_matches(found, "otra-clave")
        return time.process_time() - started

    known, unknown = (min(seconds(found) for _ in range(2)) for found in (account, None))
    assert unknown > known / 3


@pytest.mark.parametrize("stored", ["", "plain", "scrypt$x", "scrypt$ñ$ñ"])
def test_a_malformed_hash_matches_nothing(stored: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        password_matches(Account("ana", "client", stored), "una-clave-larga")


def test_roles_may_do_what_the_contract_says() -> None:
    assert set(ROLES) == set(get_args(Role)) == {"courier", "client", "operator", "admin"}
    writers = {role for role, scopes in ROLES.items() if "orders:write" in scopes}
    listers = {role for role, scopes in ROLES.items() if "orders:list" in scopes}
    assert writers == {"courier", "client", "admin"}
    assert listers == {"operator", "admin"}
    assert "orders:read" not in ROLES["courier"]
