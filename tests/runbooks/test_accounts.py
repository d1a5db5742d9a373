"""`relevo account lock`, `unlock` and `list`: what they write is what log-in and authorizer read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.adapters.accounts import Accounts
from shared.domain.auth import Account, hash_password, password_matches
from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import PEER, TwoRegions

PASSWORD = "correct horse"


@pytest.fixture
def accounts(regions: TwoRegions) -> Accounts:
    found = Accounts(regions.client("dynamodb", TOPOLOGY.owner_region), TOPOLOGY.accounts_table)
    found.add(Account("ana", "operator", hash_password(PASSWORD)), now=datetime.now(UTC))
    return found


def test_a_locked_account_cannot_be_used_until_it_is_unlocked(regions: TwoRegions, accounts: Accounts) -> None:
    done = regions.run("account", "lock", "ana", "--reason", "lost phone", "--yes")
    assert done.exit_code == 0
    assert "undo: relevo account unlock ana --yes" in done.output
    assert not password_matches(accounts.account("ana"), PASSWORD)
    done = regions.run("account", "unlock", "ana", "--yes")
    assert "undo: relevo account lock ana --yes" in done.output
    assert password_matches(accounts.account("ana"), PASSWORD)


def test_without_yes_nothing_is_locked(regions: TwoRegions, accounts: Accounts) -> None:
    done = regions.run("account", "lock", "ana")
    assert "plan: lock account 'ana'" in done.output
    assert "nothing done" in done.output
    assert password_matches(accounts.account("ana"), PASSWORD)


def test_an_unknown_account_is_refused_and_leaves_no_lock_behind(regions: TwoRegions, accounts: Accounts) -> None:
    done = regions.run("account", "lock", "bob", "--yes")
    assert done.exit_code == 1
    assert "knows no account 'bob'" in done.output
    accounts.add(Account("bob", "client", hash_password(PASSWORD)), now=datetime.now(UTC))
    assert password_matches(accounts.account("bob"), PASSWORD)


def test_locking_twice_says_that_it_is_locked_already(regions: TwoRegions, accounts: Accounts) -> None:
    regions.run("account", "lock", "ana", "--yes")
    assert "locked already" in regions.run("account", "lock", "ana", "--yes").output


def test_the_list_shows_roles_and_locks_and_no_hash(regions: TwoRegions, accounts: Accounts) -> None:
    accounts.add(Account("bob", "client", hash_password(PASSWORD)), now=datetime.now(UTC))
    regions.run("account", "lock", "bob", "--reason", "left", "--yes")
    listed = regions.run_json("account", "list")
    assert [(one["username"], one["role"], one["locked"]) for one in listed] == [
        ("ana", "operator", False),
        ("bob", "client", True),
    ]
    assert listed[1]["lock_reason"] == "left"
    text = regions.run("account", "list").output
    assert "bob: client" in text
    assert ": left" in text
    for name in ("ana", "bob"):
        account = accounts.account(name)
        assert account is not None
        assert account.password_hash not in text


def test_it_works_in_the_other_region_while_the_owner_is_lost(regions: TwoRegions) -> None:
    there = Accounts(regions.client("dynamodb", "us-east-1"), TOPOLOGY.accounts_table)
    there.add(Account("ana", "operator", hash_password(PASSWORD)), now=datetime.now(UTC))
    regions.silence(PEER)
    assert regions.run("account", "lock", "ana", "--region", "us-east-1", "--yes").exit_code == 0
    lost = regions.run("account", "lock", "ana", "--yes")
    assert lost.exit_code == 1
    assert len(lost.output.splitlines()) == 1
