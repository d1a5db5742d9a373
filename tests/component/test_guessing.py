"""Guessing of passwords: slowed per name and per address, and nobody is locked out by somebody else's guesses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from shared.adapters import login_tries
from shared.adapters.login_tries import KNOWN_FOR, TRY_WINDOW, network_of
from shared.domain.auth import hash_password
from shared.topology import TOPOLOGY
from tests.component.problems import problem
from tests.component.region import PASSWORD, Answer, RegionUnderTest

HOME, AWAY = "198.51.100.7", "198.51.100.8"


@pytest.fixture(autouse=True)
def cheap_hash(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a hundred guesses need not cost half a hundred times scrypt; what is counted does not know."""
    monkeypatch.setattr("shared.domain.auth._SCRYPT_N", 2)
    cheap = hash_password(PASSWORD)
    monkeypatch.setattr("tests.component.region.password_hash", lambda: cheap)
    region.account("ana")


@pytest.fixture
def addresses() -> Iterator[str]:
    return (f"192.0.2.{number}" for number in count(1))


def log_in(region: RegionUnderTest, password: str = "equivocada", *, name: str = "ana", address: str = AWAY) -> Answer:
    return region.call("POST", "/token", {"username": name, "password": password}, sub=None, address=address)


def test_five_wrong_passwords_of_a_name_from_an_address_are_enough(region: RegionUnderTest) -> None:
    assert [log_in(region).status for _ in range(6)] == [401] * 5 + [429]
    answer = log_in(region, PASSWORD)
    problem(answer, 429, "too-many-attempts")
    assert int(answer.headers["Retry-After"]) == TRY_WINDOW.total_seconds()
    assert log_in(region, name="eva").status == 401  # another name from there is not held up
    assert log_in(region, PASSWORD, address=HOME).status == 200  # nor is the name from elsewhere


def test_the_slowing_ends_by_itself(region: RegionUnderTest) -> None:
    region.at = datetime.now(UTC)
    for _ in range(7):
        log_in(region)
    region.at += TRY_WINDOW
    assert log_in(region, PASSWORD).status == 200
    assert all(item["expires_at"] > 0 for item in region.view_items("LOGIN"))


def test_right_passwords_are_not_counted(region: RegionUnderTest) -> None:
    for _ in range(4):
        assert log_in(region).status == 401
    assert [log_in(region, PASSWORD).status for _ in range(10)] == [200] * 10
    assert [log_in(region).status for _ in range(2)] == [401, 429]


def test_a_name_is_not_guessed_from_many_addresses(
    region: RegionUnderTest, addresses: Iterator[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_tries, "MAX_OF_NAME_FROM_STRANGERS", 12)
    answers = [log_in(region, address=next(addresses)).status for _ in range(20)]
    assert answers == [401] * 12 + [429] * 8


def test_no_stranger_locks_anybody_out_from_where_they_usually_are(
    region: RegionUnderTest, addresses: Iterator[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_tries, "MAX_OF_NAME_FROM_STRANGERS", 12)
    region.at = datetime.now(UTC)
    assert log_in(region, PASSWORD, address=HOME).status == 200
    region.at += timedelta(days=29)
    for _ in range(20):
        log_in(region, address=next(addresses))
    assert log_in(region, PASSWORD, address=next(addresses)).status == 429
    assert log_in(region, PASSWORD, address=HOME).status == 200
    region.at += KNOWN_FOR
    for _ in range(20):
        log_in(region, address=next(addresses))
    assert log_in(region, PASSWORD, address=HOME).status == 429  # a month is long enough to be forgotten


def test_an_address_does_not_try_one_password_on_every_name(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_tries, "MAX_OF_ADDRESS", 8)
    assert log_in(region, PASSWORD).status == 200  # ana's own address, or that of her carrier
    answers = [log_in(region, name=f"name-{number}").status for number in range(10)]
    assert answers == [401] * 8 + [429] * 2
    region.account("eva")
    assert log_in(region, PASSWORD, name="eva").status == 429
    assert log_in(region, PASSWORD).status == 200  # who shares the address and has logged in there goes on


def test_guesses_made_at_once_count_like_those_made_one_by_one(region: RegionUnderTest) -> None:
    tries = region.module("runtime").login_tries()
    now = datetime.now(UTC)
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda _: tries.begin("ana", AWAY, now=now), range(40)))
    assert sum(one is not None for one in begun) == 5


def test_addresses_of_one_subscriber_are_one(region: RegionUnderTest) -> None:
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::9") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("unknown") == network_of("") == "unknown"
    answers = [log_in(region, address=f"2001:db8:1:2::{number:x}").status for number in range(1, 7)]
    assert answers == [401] * 5 + [429]


def test_a_wrong_name_a_wrong_password_and_a_locked_account_cost_the_same(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.domain import auth

    region.account("eva")
    region.put(TOPOLOGY.accounts_table, {"pk": "ACCOUNT#eva", "sk": "LOCK", "locked": True})
    region.log_in("ana")  # what a process does once
    hashed: list[str] = []
    scrypt = auth._scrypt
    monkeypatch.setattr(auth, "_scrypt", lambda password, salt: hashed.append(password) or scrypt(password, salt))
    costs = []
    for name, password in (("nobody", PASSWORD), ("ana", "equivocada"), ("eva", PASSWORD)):
        region.counted()
        hashed.clear()
        answer = log_in(region, password, name=name)
        costs.append((answer.status, answer.text, region.counted(), len(hashed)))
    assert costs[0] == costs[1] == costs[2]
    assert costs[0][0] == 401
    assert costs[0][3] == 1


def test_what_is_kept_names_no_address(region: RegionUnderTest) -> None:
    log_in(region, PASSWORD, address=HOME)
    log_in(region, address=AWAY)
    kept = region.view_items("LOGIN")
    assert len(kept) >= 5
    assert not any(address in str(item) for item in kept for address in (HOME, AWAY))
