"""Usage plans in the templates: alike in every Region, under everybody's throttles, and a key for whoever has none."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from shared.domain.plans import EVERYONES_KEY
from shared.sizing import sizes_of
from shared.topology import EVERYONES_PLAN, PLAN_PREFIX, TOPOLOGY
from tests.infra.templates import Template

EVERYONE = f"{PLAN_PREFIX}{EVERYONES_PLAN}"


@pytest.fixture(scope="module")
def plans(template: Template) -> dict[str, dict[str, Any]]:
    return {plan["UsagePlanName"]: plan for plan in template.of_type("AWS::ApiGateway::UsagePlan").values()}


def test_each_plan_of_the_topology_is_there_with_its_limits_and_for_the_stage(
    template: Template, plans: dict[str, dict[str, Any]]
) -> None:
    assert set(plans) == {EVERYONE, *(f"{PLAN_PREFIX}{plan.name}" for plan in TOPOLOGY.usage_plans)}
    for plan in TOPOLOGY.usage_plans:
        found = plans[f"{PLAN_PREFIX}{plan.name}"]
        assert found["Throttle"] == {"RateLimit": plan.requests_per_second, "BurstLimit": plan.burst}
        assert found["Quota"] == {"Limit": plan.requests_a_day, "Period": "DAY"}
    (api,), (stage,) = (template.of_type(f"AWS::ApiGateway::{kind}") for kind in ("RestApi", "Stage"))
    for found in plans.values():
        (of_stage,) = found["ApiStages"]
        assert (of_stage["ApiId"], of_stage["Stage"]) == ({"Ref": api}, {"Ref": stage})
        assert not of_stage.get("Throttle"), "a limit of one method would come on top"


def test_whoever_is_on_no_plan_has_a_key_that_limits_nothing(
    template: Template, plans: dict[str, dict[str, Any]]
) -> None:
    """Without it couriers, the dashboard and clients without a plan would be refused."""
    key = template.only("AWS::ApiGateway::ApiKey")
    assert (key["Value"], key["Enabled"]) == (EVERYONES_KEY, True)
    assert 20 <= len(EVERYONES_KEY) <= 128
    assert EVERYONES_KEY.isalnum()
    assert not {"Throttle", "Quota"} & set(plans[EVERYONE])
    on = template.only("AWS::ApiGateway::UsagePlanKey")
    names = {name: plan["UsagePlanName"] for name, plan in template.of_type("AWS::ApiGateway::UsagePlan").items()}
    assert names[on["UsagePlanId"]["Ref"]] == EVERYONE
    assert on["KeyId"]["Ref"] in template.of_type("AWS::ApiGateway::ApiKey")


def test_keys_come_from_the_authorizer_and_only_where_it_is_asked(template: Template) -> None:
    """A key is no way in: no client sends one, and no method takes one instead of a token."""
    assert template.only("AWS::ApiGateway::RestApi")["ApiKeySourceType"] == "AUTHORIZER"
    for method in template.of_type("AWS::ApiGateway::Method").values():
        asks_for_a_token = method["AuthorizationType"] == "CUSTOM"
        assert method.get("ApiKeyRequired", False) is asks_for_a_token, method


def test_plans_can_be_there_before_any_method_asks_for_a_key(package: Path, tmp_path: Path) -> None:
    """The first of two releases: a gateway that asks for keys refuses what an older authorizer lets through."""
    import aws_cdk as cdk

    from regions.stack import RegionStack

    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    first = dataclasses.replace(TOPOLOGY, counts_plans=False)
    RegionStack(app, "relevo-first", topology=first, region=TOPOLOGY.region_names[0], package=package)
    app.synth()
    found = Template.read(tmp_path, "relevo-first")
    assert not any(method.get("ApiKeyRequired") for method in found.of_type("AWS::ApiGateway::Method").values())
    assert found.only("AWS::ApiGateway::ApiKey")["Value"] == EVERYONES_KEY
    assert len(found.of_type("AWS::ApiGateway::UsagePlan")) == 1 + len(TOPOLOGY.usage_plans)


def test_one_client_cannot_take_what_all_clients_share(plans: dict[str, dict[str, Any]]) -> None:
    sizes = sizes_of()
    for name in set(plans) - {EVERYONE}:
        throttle = plans[name]["Throttle"]
        for pace in (sizes.write, sizes.read):
            assert throttle["RateLimit"] <= 0.7 * pace.rate
            assert throttle["BurstLimit"] <= 0.7 * pace.burst
