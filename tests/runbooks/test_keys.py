"""`relevo keys`: four steps, each only when the one before is true everywhere, and never while a Region is impaired."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from moto.backends import get_backend

from runbooks import keys
from runbooks.rotation import Ring, Waits, after, next_step, taken_back
from runbooks.target import Target
from shared.adapters.control import Control
from shared.adapters.keyring import CACHE_SECONDS
from shared.adapters.tokens import InvalidTokenError, issue, verify
from shared.domain.auth import TOKEN_SECONDS, Account, Keyring, token_seconds
from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import FIRST_KEY, HERE, KEYRING, PEER, TwoRegions

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WAITS = Waits.scaled(1.0)
ANA = Account("ana", "client", "")


def rewind(regions: TwoRegions, span: timedelta) -> None:
    """Let time pass: every moment in the secret moves back."""
    ring = regions.keyring()
    for part in (ring["rotation"], ring["made_at"]):
        for name, moment in part.items():
            if name not in ("new", "old"):
                part[name] = (datetime.fromisoformat(moment) - span).isoformat(timespec="milliseconds")
    regions.client("secretsmanager", TOPOLOGY.owner_region).put_secret_value(
        SecretId=TOPOLOGY.keyring_secret, SecretString=json.dumps(ring)
    )


def test_a_whole_rotation_takes_three_runs_and_two_waits(regions: TwoRegions) -> None:
    regions.make_keyring()
    assert regions.run("keys", "rotate", "--yes").exit_code == 0
    ring = regions.keyring()
    assert (ring["current"], sorted(ring["keys"])) == ("K1", ["K1", "K2"])
    rewind(regions, WAITS.caches)
    assert regions.run("keys", "rotate", "--yes").exit_code == 0
    ring = regions.keyring()
    assert (ring["current"], sorted(ring["keys"])) == ("K2", ["K1", "K2"])
    rewind(regions, WAITS.tokens)
    assert regions.run("keys", "rotate", "--yes").exit_code == 0
    ring = regions.keyring(HERE)
    assert (ring["current"], sorted(ring["keys"])) == ("K2", ["K2"])
    assert "rotation" not in ring


def test_every_step_is_refused_before_its_time_and_says_how_long_it_has_to_wait(regions: TwoRegions) -> None:
    regions.make_keyring()
    regions.run("keys", "rotate", "--yes")
    for wait in (WAITS.caches, WAITS.tokens):
        before = regions.keyring()
        early = regions.run("keys", "rotate", "--yes")
        assert early.exit_code == 1
        assert "too early" in early.output
        assert " s; nothing done" in early.output
        assert regions.keyring() == before
        rewind(regions, wait)
        assert regions.run("keys", "rotate", "--yes").exit_code == 0


def test_without_yes_the_plan_and_its_undo_are_printed_and_nothing_is_done(regions: TwoRegions) -> None:
    regions.make_keyring()
    done = regions.run("keys", "rotate")
    assert done.exit_code == 0
    assert "add a new key" in done.output
    assert "undo: relevo keys rotate --back" in done.output
    assert regions.keyring() == KEYRING


def test_no_key_is_ever_printed(regions: TwoRegions) -> None:
    regions.make_keyring()
    printed = regions.run("keys", "rotate", "--yes").output
    printed += regions.run("keys", "status").output + regions.run("keys", "status", "--json").output
    for key in regions.keyring()["keys"].values():
        assert key not in printed


def test_a_token_is_accepted_through_every_moment_of_a_rotation(regions: TwoRegions) -> None:
    """Functions may know the secret as it was before a step for as long as the step waits, and tokens live on."""
    moment = last_signed = datetime.now(UTC)
    old, ring = Ring.parse(json.dumps(KEYRING)), Ring.parse(json.dumps(KEYRING))
    while True:
        due = next_step(ring, now=moment, waits=WAITS)
        if not due.is_due:
            moment += due.left
            if due.step == "remove":
                # The last token that a function with an old cache may have signed has expired by now.
                assert moment - last_signed >= timedelta(seconds=TOKEN_SECONDS)
            continue
        old, ring = ring, after(ring, due.step, now=moment, new_key="n" * 48)
        if due.step == "remove":
            break
        if due.step == "make current":
            last_signed = moment + timedelta(seconds=60)  # a warm function's cache of the secret
        for signer, verifier in ((ring, old), (old, ring)):
            token = issue(Keyring.from_secret(signer.text()), ANA, now=datetime.now(UTC))
            assert verify(Source(verifier), token).subject == "ana"
    with pytest.raises(InvalidTokenError):
        verify(Source(ring), issue(Keyring.from_secret(json.dumps(KEYRING)), ANA, now=datetime.now(UTC)))


class Source:
    """A function that knows one state of the secret and cannot read it again."""

    def __init__(self, ring: Ring) -> None:
        self._keyring = Keyring.from_secret(ring.text())

    def keyring_with(self, _name: str) -> Keyring:
        return self._keyring


@pytest.mark.parametrize("region", [HERE, PEER])
def test_nothing_is_rotated_while_a_region_is_drained(regions: TwoRegions, region: str) -> None:
    regions.make_keyring()
    peer = TOPOLOGY.peer_of(region)
    Control(regions.client("dynamodb", peer), TOPOLOGY.control_table).drain(
        region, by="someone", reason="test", now=NOW
    )
    done = regions.run("keys", "rotate", "--yes")
    assert done.exit_code == 1
    assert f"{region} is drained" in done.output
    assert regions.keyring() == KEYRING


@pytest.mark.parametrize("region", [HERE, PEER])
def test_nothing_is_rotated_while_a_heartbeat_is_old(regions: TwoRegions, region: str) -> None:
    regions.make_keyring()
    regions.beat(at=datetime.now(UTC) - timedelta(minutes=2), of=(region,))
    done = regions.run("keys", "rotate", "--yes")
    assert done.exit_code == 1
    assert f"heartbeat of {region}" in done.output
    assert regions.keyring() == KEYRING


@pytest.mark.parametrize("region", [HERE, PEER])
def test_nothing_is_rotated_while_a_region_is_silent_and_status_still_answers(regions: TwoRegions, region: str) -> None:
    regions.make_keyring()
    regions.silence(region)
    done = regions.run("keys", "rotate", "--yes")
    assert done.exit_code == 1
    assert f"{region} does not answer" in done.output
    status = regions.run_json("keys", "status")
    assert "no_answer" in status["regions"][region]
    assert status["regions"][TOPOLOGY.peer_of(region)]["current"] == "K1"


def lagging_replica(regions: TwoRegions, keyring: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    """Moto's replicas are in step at once: put a secret of its own there that calls itself a replica."""
    for region in TOPOLOGY.region_names:
        regions.client("secretsmanager", region).create_secret(
            Name=TOPOLOGY.keyring_secret, SecretString=json.dumps(keyring if region == HERE else KEYRING)
        )
    secret = get_backend("secretsmanager")["123456789012"][HERE].secrets[TOPOLOGY.keyring_secret]
    whole = secret.to_dict
    patch.setattr(secret, "to_dict", lambda: {**whole(), "PrimaryRegion": PEER})


def test_nothing_is_rotated_while_the_replica_of_the_secret_is_not_in_step(
    regions: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lagging_replica(regions, {"current": "K0", "keys": {"K0": "x" * 32}}, monkeypatch)
    done = regions.run("keys", "rotate", "--yes")
    assert done.exit_code == 1
    assert "not in step" in done.output
    assert regions.keyring() == KEYRING


def test_the_wait_counts_from_when_every_region_was_seen_to_have_the_new_key(
    regions: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lagging_replica(regions, KEYRING, monkeypatch)
    monkeypatch.setattr(keys, "CONFIRM_SECONDS", 0.0)
    first = regions.run("keys", "rotate", "--yes")
    assert first.exit_code == 1
    assert "not every Region reports it" in first.output
    rewind(regions, timedelta(hours=1))
    # An hour after the write, but the replica has only just got it: the wait begins now.
    arrived = regions.keyring()
    regions.client("secretsmanager", HERE)  # the replica takes no writes from outside, so moto's own store does
    secret = get_backend("secretsmanager")["123456789012"][HERE].secrets[TOPOLOGY.keyring_secret]
    secret.versions[secret.default_version_id]["secret_string"] = json.dumps(arrived)
    regions.run("keys", "rotate", "--yes")
    assert regions.keyring()["current"] == "K1"
    assert "too early" in regions.run("keys", "rotate", "--yes").output


def test_copies_without_replication_are_written_in_every_region(regions: TwoRegions) -> None:
    regions.make_keyring_copies()
    assert regions.run("keys", "rotate", "--yes").exit_code == 0
    assert regions.keyring(HERE)["keys"] == regions.keyring(PEER)["keys"]


def test_a_copy_that_was_left_behind_by_a_run_that_died_is_brought_in_step_first(regions: TwoRegions) -> None:
    regions.make_keyring_copies()
    ring = after(Ring.parse(json.dumps(KEYRING)), "add", now=datetime.now(UTC), new_key="n" * 48)
    regions.client("secretsmanager", TOPOLOGY.owner_region).put_secret_value(
        SecretId=TOPOLOGY.keyring_secret, SecretString=ring.text()
    )
    assert regions.run("keys", "rotate", "--yes").exit_code == 0
    assert regions.keyring(HERE)["keys"] == ring.keys
    assert regions.keyring()["rotation"]["added_seen_at"]


def test_a_second_operator_who_saw_the_same_keyring_is_refused(
    regions: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions.make_keyring()
    whole, others = keys.put, []

    def beaten(target: Target, seen: Any, ring: Ring, **more: Any) -> None:
        if not others:
            others.append(after(Ring.parse(json.dumps(KEYRING)), "add", now=NOW, new_key="o" * 48))
            whole(target, seen, others[0])
        whole(target, seen, ring, **more)

    monkeypatch.setattr(keys, "put", beaten)
    done = regions.run("keys", "rotate", "--yes")
    assert done.exit_code == 1
    assert "somebody else" in done.output
    assert regions.keyring()["keys"]["K2"] == "o" * 48


def test_a_new_key_that_never_signed_is_taken_back_at_once(regions: TwoRegions) -> None:
    regions.make_keyring()
    regions.run("keys", "rotate", "--yes")
    assert regions.run("keys", "rotate", "--back", "--yes").exit_code == 0
    ring = regions.keyring()
    assert (ring["current"], ring["keys"]) == ("K1", {"K1": FIRST_KEY})
    assert "rotation" not in ring


def test_a_key_that_signed_and_is_taken_back_verifies_for_the_life_of_its_tokens(regions: TwoRegions) -> None:
    regions.make_keyring()
    regions.run("keys", "rotate", "--yes")
    rewind(regions, WAITS.caches)
    regions.run("keys", "rotate", "--yes")
    assert regions.run("keys", "rotate", "--back", "--yes").exit_code == 0
    ring = regions.keyring()
    assert (ring["current"], sorted(ring["keys"])) == ("K1", ["K1", "K2"])
    assert "too early" in regions.run("keys", "rotate", "--yes").output
    rewind(regions, WAITS.tokens)
    regions.run("keys", "rotate", "--yes")
    assert sorted(regions.keyring()["keys"]) == ["K1"]
    regions.run("keys", "rotate", "--yes")
    assert sorted(regions.keyring()["keys"]) == ["K1", "K3"], "the name of a removed key is not used again"


def test_a_removed_key_cannot_be_taken_back(regions: TwoRegions) -> None:
    regions.make_keyring()
    done = regions.run("keys", "rotate", "--back", "--yes")
    assert done.exit_code == 1
    assert "no rotation is under way" in done.output
    with pytest.raises(ValueError, match="does not come back"):
        taken_back(Ring.parse(json.dumps(KEYRING)), now=NOW)


def test_a_key_that_no_rotation_accounts_for_goes_only_after_the_life_of_tokens(regions: TwoRegions) -> None:
    regions.make_keyring({"current": "K2", "keys": {"K1": FIRST_KEY, "K2": "y" * 40}})
    regions.run("keys", "rotate", "--yes")
    assert "too early" in regions.run("keys", "rotate", "--yes").output
    ring = regions.keyring()
    assert (ring["current"], sorted(ring["keys"])) == ("K2", ["K1", "K2"])


def test_the_first_keyring_is_made_where_there_is_none(regions: TwoRegions) -> None:
    for region in TOPOLOGY.region_names:
        regions.client("secretsmanager", region).create_secret(Name=TOPOLOGY.keyring_secret)
    assert regions.run("keys", "rotate", "--yes").exit_code == 0
    assert Keyring.from_secret(json.dumps(regions.keyring(HERE))).current == "K1"


def test_an_unusable_keyring_is_reported_and_never_replaced(regions: TwoRegions) -> None:
    regions.make_keyring({"current": "K9", "keys": {"K1": FIRST_KEY}})
    done = regions.run("keys", "rotate", "--yes")
    assert done.exit_code == 1
    assert "cannot be used" in done.output
    assert regions.keyring()["current"] == "K9"
    assert "cannot be used" in regions.run("keys", "status").output


def test_status_tells_step_ages_and_both_regions_key_ids(regions: TwoRegions) -> None:
    regions.make_keyring()
    regions.run("keys", "rotate", "--yes")
    report = regions.run_json("keys", "status")
    assert sorted(report["regions"][HERE]["keys"]) == sorted(report["regions"][PEER]["keys"]) == ["K1", "K2"]
    assert report["next"]["step"] == "make current"
    assert 0 < report["next"]["left_seconds"] <= WAITS.caches.total_seconds()
    assert report["key_age_seconds"]["K1"] is None
    assert report["key_age_seconds"]["K2"] < 60
    assert report["impairments"] == []
    assert "next: sign with the new key" in regions.run("keys", "status").output


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_waits_are_scaled_as_in_the_product(scale: float) -> None:
    """A token that a function with an old cache signed at the last moment has expired when the wait is over."""
    waits, cached = Waits.scaled(scale), timedelta(seconds=CACHE_SECONDS * scale)
    last_token = issue(Keyring.from_secret(json.dumps(KEYRING)), ANA, now=NOW + cached, seconds=token_seconds(scale))
    claims = jwt.decode(last_token, options={"verify_signature": False})
    assert claims["exp"] <= (NOW + waits.tokens).timestamp() < claims["exp"] + 120
    assert waits.caches >= cached


def test_a_wait_for_caches_is_never_shorter_than_the_shortest_cache() -> None:
    assert timedelta(seconds=1) < Waits.scaled(0.001).caches
