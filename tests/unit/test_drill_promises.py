"""What the key-rotation and the release drill measure turns red when their promise is broken, or was not measured."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from loadtests import gate
from loadtests.drills.course import Course
from loadtests.drills.freshness import Sighting
from loadtests.drills.judge import Finding
from loadtests.drills.key_rotation import key_rotation_plan
from loadtests.drills.lab_access import LabAccess
from loadtests.drills.measures import measure
from loadtests.drills.packages import CONTRACT, ITEMS, MARK, PROJECT, newer_version
from loadtests.drills.plan import DrillPlan
from loadtests.drills.reader import Login, Reader
from loadtests.drills.release import release_plan, side_by_side_seconds
from loadtests.drills.token_witness import TokenWitness, forged
from loadtests.gate import Phase
from loadtests.ledger import Arrival, Ledger, Try
from shared.adapters import items
from shared.adapters.keyring import KeyringSource
from shared.adapters.tokens import InvalidTokenError, issue, verify
from shared.domain.auth import Account, Keyring
from shared.domain.effects import effect_of
from shared.slo import OBJECTIVES
from shared.topology import TOPOLOGY
from tests.unit.orders import NOW, event

HERE, PEER = TOPOLOGY.region_names
OLD, NEW = "old-key-" * 5, "new-key-" * 5
BOTH = {"current": "K1", "keys": {"K1": OLD, "K2": NEW}}
ONLY_NEW = {"current": "K2", "keys": {"K2": NEW}}
ROTATED: dict[str, float | None] = {"rejected_tokens": 0, "steps_taken_early": 0, "retired_key_accepted": 0}
RELEASED: dict[str, float | None] = {
    "items_not_understood": 0, "regions_drained": 0, "versions_side_by_side_seconds": 9.0,
}  # fmt: skip
GOOD = Try(1.0, 20.0, 200, HERE, "127.0.1.1", None)


def broken(plan: DrillPlan, achieved: dict[str, float | None], *tries: Try) -> set[str]:
    """The promises that a drill with these measures does not keep, over a load that went well but for some tries."""
    ledger = Ledger()
    for number in range(50):
        ledger.add(Arrival(f"u{number}", "read", "GET /v1/metrics", 1.0, 1.02, "ok", None, (GOOD,)))
    for attempt in tries:
        ledger.add(Arrival("u", "read", "GET /v1/metrics", 2.0, 2.2, "ok", None, (attempt, GOOD)))
    course = Course(
        phases=[Phase("5x", 5.0, 0.0, 90.0, steady=True)],
        unnoticed_since=0.5, readmitted_at=90.0, settled_at=91.0, stopped_at=95.0, achieved=achieved,
    )  # fmt: skip
    measures = measure(
        plan, course, ledger, sightings=[Sighting("o", 1.0, PEER, 1.5)], detection=None,
        findings=[Finding(objective.name) for objective in OBJECTIVES[:6]], converged_at=96.0,
    )  # fmt: skip
    promises = gate.judge_promises(measures.achieved, plan.timing, plan.objectives)
    return {promise.name for promise in promises if not promise.passed}


@pytest.mark.parametrize(
    ("plan", "achieved"), [(key_rotation_plan("quick"), ROTATED), (release_plan("quick"), RELEASED)]
)
def test_a_drill_in_which_all_went_well_holds(plan: DrillPlan, achieved: dict[str, float | None]) -> None:
    assert broken(plan, achieved) == set()


@pytest.mark.parametrize("plan", [key_rotation_plan("quick"), release_plan("quick")])
def test_what_a_drill_did_not_measure_is_broken(plan: DrillPlan) -> None:
    own = set(ROTATED if plan.mode == "keys" else RELEASED)
    assert broken(plan, {}) == own
    assert broken(plan, dict.fromkeys(own)) == own


@pytest.mark.parametrize("promise", ROTATED)
def test_a_rotation_that_breaks_one_promise_is_red(promise: str) -> None:
    assert broken(key_rotation_plan("real"), {**ROTATED, promise: 1.0}) == {promise}


@pytest.mark.parametrize(("promise", "value"), [(name, 1.0) for name in RELEASED])
def test_a_release_that_breaks_one_promise_is_red(promise: str, value: float) -> None:
    assert broken(release_plan("real"), {**RELEASED, "versions_side_by_side_seconds": 61.0, promise: value}) == {
        promise
    }


def test_a_token_that_is_refused_to_a_client_alone_is_red_too() -> None:
    refused = Try(2.0, 20.0, 401, HERE, "127.0.1.1", "Unauthorized")
    assert broken(key_rotation_plan("quick"), ROTATED, refused) == {"rejected_tokens", "failed_requests"}


def test_a_client_that_gets_a_5xx_during_a_release_is_red() -> None:
    assert broken(release_plan("quick"), RELEASED, Try(2.0, 20.0, 502, HERE, "127.0.1.1", "")) == {"failed_requests"}


class Regions:
    """Two Regions' guards, each with a keyring of its own."""

    def __init__(self, keyrings: dict[str, dict[str, Any]]) -> None:
        self.keyrings = keyrings
        self.answers_besides = 404
        self.regions = {name: SimpleNamespace(api=lambda _, name=name: self._api(name)) for name in keyrings}

    def _api(self, region: str) -> Any:
        def call(_method: str, path: str, *, token: str) -> tuple[int, Any]:
            try:
                verify(KeyringSource("arn", read=lambda *_: json.dumps(self.keyrings[region])), token)
            except InvalidTokenError:
                return (403 if path == "/metrics" else 401), {}
            return self.answers_besides, {}

        return SimpleNamespace(call=call, close=lambda: None)

    def log_in(self, region: str) -> Login:
        now = time.time()
        text = json.dumps(self.keyrings[region])
        token = issue(Keyring.from_secret(text), Account("ana", "operator", ""), now=datetime.now(UTC), seconds=60)
        return Login(token, region, now, now + 60)


def witness_of(regions: Regions) -> TokenWitness:
    return TokenWitness(cast(LabAccess, regions), cast(Reader, regions), 1.0)


def test_the_witness_counts_a_living_token_that_the_other_region_refuses() -> None:
    regions = Regions({HERE: BOTH, PEER: BOTH})
    witness = witness_of(regions)
    login = witness.take(HERE)
    witness.show_elsewhere(login)
    assert (len(witness.showings), witness.rejected()) == (1, 0)
    regions.keyrings[PEER] = ONLY_NEW  # removed before its last token has expired
    witness.show_elsewhere(login)
    assert witness.rejected() == 1
    assert [showing.key for showing in witness.showings] == ["K1", "K1"]


def test_the_witness_takes_no_trouble_for_an_answer() -> None:
    regions = Regions({HERE: BOTH, PEER: BOTH})
    witness = witness_of(regions)
    regions.answers_besides = 503
    with pytest.raises(ConnectionError):
        witness.show_elsewhere(witness.take(HERE))
    assert witness.showings == []


def test_a_forged_token_is_worth_as_much_as_the_key_that_signed_it() -> None:
    regions = Regions({HERE: BOTH, PEER: ONLY_NEW})
    witness = witness_of(regions)
    stolen = witness.take(HERE).token
    forgery = forged(stolen, OLD, 60.0)
    assert forgery != stolen
    assert witness.accepts(HERE, forgery)
    assert not witness.accepts(PEER, forgery)
    assert not witness.accepts(HERE, forged(stolen, "not-the-key-" * 4, 60.0))


def test_versions_run_side_by_side_only_while_both_regions_serve() -> None:
    phase = Phase("mixed", 5.0, 100.0, 120.0, steady=True)

    def served(region: str, *moments: float) -> list[Arrival]:
        tries = [Try(at, 20.0, 200, region, None, None) for at in moments]
        return [Arrival("u", "read", "GET /v1/metrics", t.at, t.at + 0.02, "ok", None, (t,)) for t in tries]

    assert side_by_side_seconds(served(HERE, 90, 101, 119) + served(PEER, 104, 112, 130), phase, (HERE, PEER)) == 8.0
    assert side_by_side_seconds(served(HERE, 101, 119), phase, (HERE, PEER)) == 0.0


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    for name in (CONTRACT, ITEMS):
        (tmp_path / "ours" / name).parent.mkdir(parents=True)
        shutil.copy(PROJECT / name, tmp_path / "ours" / name)
    return newer_version(tmp_path / "ours", tmp_path / "newer")


def loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("newer_module", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_newer_version_writes_what_this_one_does_not_know_and_can_read(newer: Path) -> None:
    writes = loaded(newer / ITEMS)
    created = event("created", "e1")
    effect = effect_of(created, origin_region=HERE, recorded_at=NOW)
    for stored, known, read in (
        (writes.event_to_plain(created), items.event_to_plain(created), items.event_from_plain),
        (writes.effect_to_plain(effect), items.effect_to_plain(effect), items.effect_from_plain),
    ):
        assert set(stored) - set(known) == {MARK}
        assert read(stored) == read(known)


def test_the_newer_version_says_that_it_is_another_one(newer: Path) -> None:
    ours = loaded(PROJECT / "regions/handlers/contract.py").VERSION
    released = loaded(newer / CONTRACT).VERSION
    assert released == f"{ours}+newer"
