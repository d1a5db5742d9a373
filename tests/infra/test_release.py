"""A new version comes into service by its alias alone, a tenth first, and alarms of its own Region take it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from regions.release import WITHOUT_CANARY
from shared.alarms import RELEASE_PREFIX, RELEASE_RUNBOOK
from shared.slo import RELEASE_LIMITS
from shared.topology import LIVE, PARTS, function_name, live_function
from tests.infra.alarm_states import AlarmStates
from tests.infra.templates import Template, listed

# What belongs to a function itself, and rights that are not to call it. Whatever else needs one must go by the alias.
OF_THE_FUNCTION = {"AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::IAM::Policy"}


@pytest.fixture(scope="module")
def aliases(template: Template) -> dict[str, dict[str, Any]]:
    """Whole alias resources by the function's name."""
    found = [one for one in template.resources.values() if one["Type"] == "AWS::Lambda::Alias"]
    return {template.alias_text(one["Properties"]).removesuffix(f":{LIVE}"): one for one in found}


@pytest.fixture(scope="module")
def groups(template: Template) -> dict[str, dict[str, Any]]:
    return {one["DeploymentGroupName"]: one for one in template.of_type("AWS::CodeDeploy::DeploymentGroup").values()}


def needed(value: object) -> Iterator[str]:
    """Logical ids that a value refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case dict():
            for inner in value.values():
                yield from needed(inner)
        case list():
            for inner in value:
                yield from needed(inner)


def test_nobody_calls_a_function_but_by_its_alias(template: Template) -> None:
    functions = set(template.of_type("AWS::Lambda::Function"))
    past_the_alias = {
        name
        for name, found in template.resources.items()
        if found["Type"] not in OF_THE_FUNCTION and functions & set(needed(found.get("Properties", {})))
    }
    assert past_the_alias == set()
    called = [
        template.render(resource)
        for policy in template.of_type("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        for resource in listed(statement["Resource"])
        if "lambda:InvokeFunction" in listed(statement["Action"])
    ]
    assert [resource.rpartition("function:")[2] for resource in called] == [live_function("importer")]  # itself


def test_every_function_has_an_alias_of_a_version_that_outlives_its_successor(
    template: Template, aliases: dict[str, dict[str, Any]]
) -> None:
    assert set(aliases) == set(template.functions())
    for name, alias in aliases.items():
        version, _ = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"]
        found = template.resources[version]
        function = template.resources[found["Properties"]["FunctionName"]["Ref"]]["Properties"]
        assert function["FunctionName"] == name
        # One that never came into service goes with its failed deployment.
        assert (found["UpdateReplacePolicy"], found["DeletionPolicy"]) == ("Retain", "RetainExceptOnCreate")


def test_every_alias_has_its_deployment_group_or_a_reason(
    template: Template, aliases: dict[str, dict[str, Any]], groups: dict[str, dict[str, Any]]
) -> None:
    without = {function_name(part) for part in WITHOUT_CANARY}
    assert all(len(reason) > 40 for reason in WITHOUT_CANARY.values())
    assert set(groups) == set(aliases) - without
    for name, alias in aliases.items():
        if name in without:
            assert "UpdatePolicy" not in alias
            continue
        policy = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        group = template.resources[policy["DeploymentGroupName"]["Ref"]]["Properties"]
        assert group["DeploymentGroupName"] == name
        assert policy["ApplicationName"] == group["ApplicationName"]


def test_a_tenth_goes_first_and_any_trouble_takes_it_back(groups: dict[str, dict[str, Any]]) -> None:
    for group in groups.values():
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
        back = group["AutoRollbackConfiguration"]
        assert back["Enabled"] is True
        assert set(back["Events"]) == {
            *("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"),
        }
        alarms = group["AlarmConfiguration"]
        assert alarms["Enabled"] is True
        assert not alarms.get("IgnorePollAlarmFailure")  # a deployment that cannot see its alarms stops
        assert len(alarms["Alarms"]) <= 10


def test_a_group_obeys_its_functions_errors_and_what_clients_and_checkers_get(
    template: Template, groups: dict[str, dict[str, Any]]
) -> None:
    everyones = {f"{RELEASE_PREFIX}{name}" for name in ("errors", "health", "latency")}
    for name, group in groups.items():
        obeyed = {
            template.resources[one["Name"]["Ref"]]["Properties"]["AlarmName"]
            for one in group["AlarmConfiguration"]["Alarms"]
        }
        own = obeyed - everyones
        assert obeyed >= everyones
        assert own == {f"{RELEASE_PREFIX}errors-{name.removeprefix('relevo-')}"}


def test_release_alarms_watch_the_alias_within_a_canary_and_tell_nobody(template: Template) -> None:
    alarms = {
        name: found for name, found in AlarmStates(template).metric_alarms.items() if name.startswith(RELEASE_PREFIX)
    }
    watched = set()
    for name, alarm in alarms.items():
        assert not {"AlarmActions", "OKActions", "InsufficientDataActions"} & set(alarm), name
        assert alarm["AlarmDescription"].endswith(f"Runbook: {RELEASE_RUNBOOK}")
        assert alarm["Period"] * alarm["EvaluationPeriods"] == 60 * RELEASE_LIMITS.of_minutes == 300
        assert alarm["DatapointsToAlarm"] < alarm["EvaluationPeriods"]  # it must come on before the canary is over
        of = {part["Name"]: part["Value"] for part in alarm["Dimensions"]}
        if alarm["Namespace"] == "AWS/Lambda":
            assert of["Resource"] == f"{of['FunctionName']}:{LIVE}"
            watched.add(of["FunctionName"])
    assert watched >= {function_name(part) for part in PARTS}


def test_a_canary_that_fails_every_health_check_is_seen(template: Template) -> None:
    """A tenth of the answers to Route 53, whatever clients do beside them."""
    alarm = AlarmStates(template).metric_alarms[f"{RELEASE_PREFIX}health"]
    of = {part["Name"]: part["Value"] for part in alarm["Dimensions"]}
    assert (of["Method"], of["Resource"]) == ("GET", "/health")
    assert alarm["Statistic"] == "Average"
    assert alarm["Threshold"] < 0.1
