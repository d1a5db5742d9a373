"""When a Region may be released, and what a bake says: decisions over facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runbooks.asking import NoAnswer
from runbooks.release_judgement import BLIND_LOOKS, STEPS, Look, State, judge, reasons_not_to
from shared.domain.takeover import LOOKS_BEFORE_LOST, Guard, Register
from shared.topology import TOPOLOGY

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIRST, SECOND = TOPOLOGY.release_order
WELL = State(serves=True, register=Register(), guard=Guard(looked_at=NOW), alarms=(), moving=())
BAKE = timedelta(minutes=10)


def reasons(state: State | NoAnswer, *, accepted: tuple[str, ...] = ()) -> list[str]:
    """Said of a Region in this state beside one that is well, whichever of the two it is."""
    both = [
        reasons_not_to({bad: state, good: WELL}, accepted=accepted, now=NOW, looked_within=timedelta(seconds=45))
        for bad, good in ((FIRST, SECOND), (SECOND, FIRST))
    ]
    assert [len(found) for found in both] in ([0, 0], [1, 1])
    return both[0]


def looks(minutes: int, **last: object) -> list[Look]:
    """A look a minute, the last one with something special."""
    found = [Look(NOW + timedelta(minutes=minute)) for minute in range(minutes + 1)]
    return [*found[:-1], replace(found[-1], **last)]  # type: ignore[arg-type]


def test_every_region_is_released_once_after_what_exists_once() -> None:
    assert [step.region for step in STEPS if step.is_baked] == list(TOPOLOGY.release_order)
    assert sorted(TOPOLOGY.release_order) == sorted(TOPOLOGY.region_names)
    once = ["relevo-data", "relevo-global"]  # what Regions need
    regions = [f"relevo-{region}" for region in TOPOLOGY.release_order]
    assert [step.stack for step in STEPS] == [*once, *regions, "relevo-site"], "the page reads the Regions' buckets"


def test_two_regions_that_are_well_may_be_released() -> None:
    assert reasons(WELL) == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (NoAnswer("timed out"), "does not answer (timed out)"),
        (replace(WELL, serves=False), "its peer may be the only healthy one"),
        (replace(WELL, register=Register(draining=FIRST, reason="drill")), f"{FIRST} is drained"),
        (replace(WELL, register=Register(draining=SECOND, reason="drill")), f"{SECOND} is drained"),
        (replace(WELL, guard=None), "the sentinel of"),
        (replace(WELL, guard=Guard(looked_at=NOW - timedelta(seconds=46))), "the sentinel of"),
        (replace(WELL, guard=Guard(looked_at=NOW, gone_looks=LOOKS_BEFORE_LOST)), "takes over"),
        (replace(WELL, alarms=("relevo-orders-stuck",)), "relevo-orders-stuck is on"),
        (replace(WELL, moving=("relevo-api 7",)), "a deployment is under way"),
        (replace(WELL, may_ask_for_keys=False), "release once with counts_plans=False"),
    ],
)
def test_an_illness_of_either_region_forbids_a_release(state: State | NoAnswer, said: str) -> None:
    found = reasons(state)
    assert len(found) == 1
    assert said in found[0]


def test_an_alarm_may_be_accepted_and_no_other_with_it() -> None:
    state = replace(WELL, alarms=("relevo-dead-letters",))
    assert reasons(state, accepted=("relevo-dead-letters",)) == []
    assert reasons(state, accepted=("relevo-view-late",)) != []


def test_a_bake_is_good_after_its_whole_time_and_not_before() -> None:
    assert judge(looks(9), bake=BAKE).word == "goes on"
    assert judge(looks(10), bake=BAKE).word == "good"
    assert judge([], bake=BAKE).word == "goes on"


@pytest.mark.parametrize("last", [{"alarms": ("relevo-view-late",)}, {"order_fault": "answered 500"}])
@pytest.mark.parametrize("minutes", [0, 5, 10])
def test_one_alarm_or_one_failed_order_ends_a_bake(minutes: int, last: dict[str, object]) -> None:
    verdict = judge(looks(minutes, **last), bake=BAKE)
    assert verdict.word == "bad"
    assert len(verdict.reasons) == 1


def test_a_failed_order_is_not_forgotten_for_a_good_one_after_it() -> None:
    early = [Look(NOW, order_fault="answered 500"), *looks(10)[1:]]
    assert judge(early, bake=BAKE).word == "bad"


def test_a_bake_that_sees_no_alarms_proves_nothing() -> None:
    assert judge(looks(10, unseen="timed out"), bake=BAKE).word == "goes on"
    blind = [replace(look, unseen="timed out") for look in looks(BLIND_LOOKS - 1)]
    assert judge(blind, bake=BAKE).word == "bad"
    assert judge([*looks(5), *blind[1:]], bake=timedelta(hours=1)).word == "goes on"
