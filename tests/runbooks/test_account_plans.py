"""`relevo account plan`: keys made before they are named and deleted after, in each Region without the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbooks import account_plans
from shared.adapters.accounts import Accounts
from shared.domain.auth import Account
from shared.domain.plans import EVERYONES_KEY, KEY_FORGOTTEN_AFTER, KEY_KNOWN_AFTER, counted_under, key_of
from shared.topology import PLAN_PREFIX, TOPOLOGY
from tests.runbooks.two_regions import HERE, PEER, TwoRegions

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLIENT = "bodega ñ/7"


class Clock(datetime):
    """The operator's clock."""

    at = NOW

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(Clock, "at", NOW)
    monkeypatch.setattr(account_plans, "datetime", Clock)
    return Clock


@pytest.fixture
def regions(regions: TwoRegions, clock: type[Clock]) -> TwoRegions:
    for region in TOPOLOGY.region_names:
        regions.make_usage_plans(region)
        accounts(regions, region).add(Account(CLIENT, "client", "no hash"), now=NOW)
    return regions


def accounts(regions: TwoRegions, region: str) -> Accounts:
    return Accounts(regions.client("dynamodb", region), TOPOLOGY.accounts_table)


def keys(regions: TwoRegions, region: str) -> dict[str, str]:
    """Every key of a Region's gateway but everyone's, and the usage plan that it is on."""
    gateway = regions.client("apigateway", region)
    values = {key["id"]: key["value"] for key in gateway.get_api_keys(includeValues=True)["items"]}
    on = [
        (values[key["id"]], plan["name"].removeprefix(PLAN_PREFIX))
        for plan in gateway.get_usage_plans()["items"]
        for key in gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
        if key["id"] in values  # moto forgets a key and leaves it on its plan
    ]
    found = dict(on)
    assert len(on) == len(found) == len(values), "each key is on one plan"
    del found[EVERYONES_KEY]
    return found


def named(regions: TwoRegions, region: str, at: datetime) -> str:
    """The key that a Region's authorizer would name."""
    account = accounts(regions, region).account(CLIENT)
    assert account is not None
    return counted_under(CLIENT, account.plans.get(region), now=at)


def put(regions: TwoRegions, plan: str, *, exits: int = 0) -> str:
    done = regions.run("account", "plan", CLIENT, plan, "--yes")
    assert done.exit_code == exits, done.output
    return str(done.output)


def test_the_same_key_is_made_in_both_regions_and_named_when_the_gateway_knows_it(regions: TwoRegions) -> None:
    said = put(regions, "small")
    assert f"undo: relevo account plan '{CLIENT}' none --yes" in said
    for region in TOPOLOGY.region_names:
        assert keys(regions, region) == {key_of(CLIENT, "small"): "small"}
        assert named(regions, region, NOW + KEY_KNOWN_AFTER - timedelta(milliseconds=1)) == EVERYONES_KEY
        assert named(regions, region, NOW + KEY_KNOWN_AFTER) == key_of(CLIENT, "small")


def test_without_yes_nothing_is_made(regions: TwoRegions) -> None:
    done = regions.run("account", "plan", CLIENT, "small")
    assert "nothing done" in done.output
    assert f"{HERE}: on no plan" in done.output
    assert [keys(regions, region) for region in TOPOLOGY.region_names] == [{}, {}]
    assert named(regions, HERE, NOW + KEY_KNOWN_AFTER) == EVERYONES_KEY


def test_a_region_that_is_lost_is_left_for_later_and_goes_on_as_before(
    regions: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lost:
        regions._patch = lost
        regions.silence(PEER)
        done = regions.run("account", "plan", CLIENT, "small", "--yes")
        assert done.exit_code == 1
        assert f"{HERE}: on plan small" in done.output
        assert f"not done in {PEER}" in done.output
        assert f"run `relevo account plan '{CLIENT}' small --yes` when it answers" in done.output
    later = NOW + KEY_KNOWN_AFTER
    assert (named(regions, HERE, later), named(regions, PEER, later)) == (key_of(CLIENT, "small"), EVERYONES_KEY)
    assert put(regions, "small").count("already") == 1
    assert keys(regions, HERE) == keys(regions, PEER) == {key_of(CLIENT, "small"): "small"}


@pytest.mark.parametrize("plan", ["large", "none"])
def test_a_key_is_deleted_only_when_no_answer_names_it_any_more(
    regions: TwoRegions, clock: type[Clock], plan: str
) -> None:
    put(regions, "small")
    old = key_of(CLIENT, "small")
    clock.at = moved_at = NOW + timedelta(hours=1)
    said = put(regions, plan)
    assert "may still be named" in said
    assert f"undo: relevo account plan '{CLIENT}' small --yes" in said
    starts_at = moved_at + (KEY_KNOWN_AFTER if plan == "large" else timedelta(0))
    for region in TOPOLOGY.region_names:
        if plan == "large":
            assert named(regions, region, starts_at - timedelta(seconds=1)) == old
        assert named(regions, region, starts_at) == (EVERYONES_KEY if plan == "none" else key_of(CLIENT, plan))
    clock.at = starts_at + KEY_FORGOTTEN_AFTER - timedelta(seconds=1)
    put(regions, plan)
    assert old in keys(regions, HERE)
    clock.at = starts_at + KEY_FORGOTTEN_AFTER
    assert put(regions, plan).count("deleted") == 2
    for region in TOPOLOGY.region_names:
        assert keys(regions, region) == ({} if plan == "none" else {key_of(CLIENT, plan): plan})


def test_a_plan_that_a_region_does_not_have_yet_is_not_noted_there(regions: TwoRegions) -> None:
    gateway = regions.client("apigateway", PEER)
    (found,) = [plan for plan in gateway.get_usage_plans()["items"] if plan["name"] == "relevo-small"]
    gateway.delete_usage_plan(usagePlanId=found["id"])
    assert f"{PEER}: nothing done: it has no usage plan relevo-small yet" in put(regions, "small")
    assert named(regions, PEER, NOW + KEY_KNOWN_AFTER) == EVERYONES_KEY


def test_an_account_that_no_region_knows_and_a_plan_that_there_is_not_are_refused(regions: TwoRegions) -> None:
    done = regions.run("account", "plan", "nobody", "small", "--yes")
    assert (done.exit_code, "no Region knows" in done.output) == (1, True)
    assert regions.run("account", "plan", CLIENT, "huge", "--yes").exit_code == 2
    assert keys(regions, HERE) == {}


def test_an_account_may_be_made_on_a_plan_and_the_list_tells_it(regions: TwoRegions) -> None:
    done = regions.run("account", "add", "tienda", "--plan", "large", given="correct horse\n")
    assert done.exit_code == 0, done.output
    assert keys(regions, PEER) == {key_of("tienda", "large"): "large"}
    listed = {one["username"]: one["plans"] for one in regions.run_json("account", "list")}
    assert listed == {CLIENT: {}, "tienda": {TOPOLOGY.owner_region: "large"}}  # moto does not replicate
    assert "tienda: client, made" in regions.run("account", "list").output
    assert f"plan large in {TOPOLOGY.owner_region}" in regions.run("account", "list").output


def test_accounts_whose_names_run_into_one_another_have_keys_of_their_own(regions: TwoRegions) -> None:
    for name in ("a", "a small"):
        regions.run("account", "add", name, "--plan", "small", given="correct horse\n")
    assert sorted(keys(regions, HERE)) == sorted(key_of(name, "small") for name in ("a", "a small"))
    assert len({key_of("a", "small"), key_of("a small", "small")}) == 2
