"""What a release does to a Region, against one that runs: versions change under it, and its orders are real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runbooks import live_versions
from runbooks.release_run import state_of
from runbooks.synthetic_orders import SyntheticOrders, make_account
from runbooks.target import Target, current_target
from shared.topology import LIVE, TOPOLOGY, function_name
from tests.lab.running_lab import RunningLab

pytestmark = pytest.mark.lab
REGION = TOPOLOGY.release_order[0]


@pytest.fixture
def target(lab: RunningLab) -> Target:
    return current_target(lab.layout.folder)


@pytest.fixture
def functions(target: Target) -> Iterator[Any]:
    """The Lambda client of the Region; in the end its first version is live again."""
    client = target.client("lambda", REGION)
    yield client
    client.update_alias(FunctionName=function_name("api"), Name=LIVE, FunctionVersion="1", Description="")


def deploy(functions: Any, **configuration: object) -> None:
    """Publish a version of the api function and make it live, as CloudFormation does."""
    name = function_name("api")
    functions.update_function_configuration(FunctionName=name, **configuration)
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name=LIVE, FunctionVersion=version)


@pytest.mark.parametrize("region", TOPOLOGY.region_names)
def test_a_synthetic_order_goes_all_its_way_in_each_region(target: Target, region: str) -> None:
    assert SyntheticOrders(target, region, make_account(target)).fault() == ""


def test_a_region_that_is_well_is_seen_so(target: Target) -> None:
    state = state_of(target, REGION)
    assert state.serves
    assert state.guard is not None
    assert state.moving == ()


def test_a_bad_version_fails_the_orders_and_the_one_before_is_back_at_once(target: Target, functions: Any) -> None:
    orders = SyntheticOrders(target, REGION, make_account(target))
    before = live_versions.look(functions)
    good = functions.get_function_configuration(FunctionName=function_name("api"))["Handler"]
    deploy(functions, Handler="regions.handlers.there_is_none.handler")
    try:
        live_versions.note_deployed(functions, before)
        assert "was answered 5" in orders.fault()
        (moved,) = live_versions.take_back(functions, "baking")
        assert moved.endswith(f"-> {before['api'].version}")
        assert orders.fault() == ""
    finally:
        functions.update_function_configuration(FunctionName=function_name("api"), Handler=good)
