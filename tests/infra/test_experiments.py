"""Experiments of FIS: stopped by alarms that exist, harmless without the tag, and allowed no more than they need."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from regions.pipeline import RECEIVES_BEFORE_DEAD_LETTER
from regions.queues import VISIBILITY_TIMEOUTS
from shared.experiments import (
    DRILL_TAG,
    EXPERIMENT,
    EXPERIMENT_TAG,
    EXPERIMENTS,
    INVOCATIONS_TAG,
    LOST_FUNCTIONS,
)
from shared.topology import TOPOLOGY, function_name
from tests.infra.templates import Template, listed

TAGGED = {"StringEquals": {"aws:ResourceTag/relevo:drill": "allowed"}}
# What takes no resource on AWS.
ANY_RESOURCE = {
    *("logs:CreateLogDelivery", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
    "tag:GetResources",
}
LOG = "arn:aws:dynamodb:{here}:${{AWS::AccountId}}:table/relevo-order-log"
DOCUMENT = "arn:aws:ssm:{here}:${{AWS::AccountId}}:{kind}"
POLICY = {"dynamodb:GetResourcePolicy", "dynamodb:PutResourcePolicy", "dynamodb:DeleteResourcePolicy"}


@pytest.fixture(scope="session")
def allowed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Data and one Region as they are where drills are allowed, judged by cdk-nag too."""
    import aws_cdk as cdk
    from cdk_nag import AwsSolutionsChecks

    from global_stack.data import DataStack
    from regions.stack import RegionStack

    outdir = tmp_path_factory.mktemp("allowed")
    topology = dataclasses.replace(TOPOLOGY, drills_allowed=True)
    app = cdk.App(outdir=str(outdir), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    DataStack(app, "relevo-data", topology=topology)
    RegionStack(app, "relevo-region", topology=topology, region=TOPOLOGY.region_names[0], package=package)
    app.synth()
    return {name: Template.read(outdir, f"relevo-{name}") for name in ("data", "region")}


def experiments(template: Template) -> dict[str, Any]:
    found = template.of_type("AWS::FIS::ExperimentTemplate").values()
    return {one["Tags"][EXPERIMENT_TAG]: one for one in found}


def granted(template: Template, role: str) -> list[tuple[set[str], set[str], Any]]:
    """Actions, resources and condition of each statement of a role."""
    return [
        (
            set(listed(statement["Action"])),
            {template.render(resource) for resource in listed(statement["Resource"])},
            statement.get("Condition"),
        )
        for policy in template.of_type("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if policy["Roles"] == [{"Ref": role}]
    ]


def role_of(experiment: dict[str, Any]) -> str:
    return experiment["RoleArn"]["Fn::GetAtt"][0]


def test_every_experiment_has_a_template(template: Template) -> None:
    assert set(experiments(template)) == {experiment.name for experiment in EXPERIMENTS}


def test_every_experiment_is_stopped_by_alarms_of_the_region_that_it_runs_in(template: Template) -> None:
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    for name, found in experiments(template).items():
        assert {condition["Source"] for condition in found["StopConditions"]} == {"aws:cloudwatch:alarm"}
        stopping = [alarms[condition["Value"]["Fn::GetAtt"][0]] for condition in found["StopConditions"]]
        assert [alarm["AlarmName"] for alarm in stopping] == list(EXPERIMENT[name].stop_alarms)
        assert 1 <= len(stopping) <= 5  # FIS's limit


def test_what_harms_this_region_is_stopped_when_the_peer_does_not_serve(template: Template) -> None:
    for name, found in experiments(template).items():
        alarms = {template.render(condition["Value"]) for condition in found["StopConditions"]}
        peer_gone = "${Alarm:relevo-signal-peer-not-serving.Arn}"
        assert (peer_gone in alarms) is not EXPERIMENT[name].runs_in_peer


def test_the_loss_of_the_peer_is_stopped_when_this_region_or_its_clients_suffer(template: Template) -> None:
    assert set(EXPERIMENT["region-loss"].stop_alarms) == {
        "relevo-signal-impaired-here",
        "relevo-signal-availability-burns-1h-short",
    }
    assert EXPERIMENT["region-loss"].home("us-east-1", TOPOLOGY) == "us-east-2"
    (document,) = template.of_type("AWS::SSM::Document").values()
    regions = {step["inputs"].get("InputPayload", {}).get("Region") for step in document["Content"]["mainSteps"]}
    (here,) = {part for part in TOPOLOGY.region_names if part not in regions}
    assert regions - {None} == {TOPOLOGY.peer_of(here)}


def test_targets_are_found_by_the_tag_and_by_nothing_else(template: Template) -> None:
    for name, found in experiments(template).items():
        assert found["ExperimentOptions"]["EmptyTargetResolutionMode"] == "fail"
        if name == "region-loss":
            assert not found.get("Targets")  # its automation is held back by the condition on its role
            continue
        for target in found["Targets"].values():
            assert target["ResourceTags"][DRILL_TAG] == "allowed"
            assert not {"ResourceArns", "Filters"} & set(target)
            if target["ResourceType"] == "aws:lambda:function":
                assert target["ResourceTags"][INVOCATIONS_TAG] == "invocations"


def test_the_gate_is_shut_unless_the_topology_opens_it(template: Template, data: Template) -> None:
    assert TOPOLOGY.drills_allowed is False
    for one in (template, data):
        for resource in one.resources.values():
            tags = resource.get("Properties", {}).get("Tags", [])
            assert DRILL_TAG not in tags
            assert DRILL_TAG not in [tag.get("Key") for tag in tags if isinstance(tag, dict)]


def test_without_drills_functions_carry_neither_extension_nor_wrapper(template: Template) -> None:
    for found in template.functions().values():
        assert "Layers" not in found
        assert not [name for name in found["Environment"]["Variables"] if name.startswith(("AWS_FIS", "AWS_LAMBDA"))]


def test_the_open_gate_tags_the_log_and_the_functions_and_spares_register_and_accounts(
    allowed: dict[str, Template],
) -> None:
    tables = {found["TableName"]: found for found in allowed["data"].of_type("AWS::DynamoDB::GlobalTable").values()}
    gate = {"Key": DRILL_TAG, "Value": "allowed"}
    for name, table in tables.items():
        for replica in table["Replicas"]:
            assert (gate in replica.get("Tags", [])) is (name == TOPOLOGY.order_log_table)
    functions = allowed["region"].functions()
    assert set(LOST_FUNCTIONS) == set(functions) - {function_name("stream_arn")}
    assert all(gate in found["Tags"] for found in functions.values())


def test_the_open_gate_puts_the_extension_before_the_api_alone_and_on_aws_alone(allowed: dict[str, Template]) -> None:
    functions = allowed["region"].functions()
    with_layers = {name for name, found in functions.items() if "Layers" in found}
    injectable = {name for name, found in functions.items() if INVOCATIONS_TAG in json.dumps(found.get("Tags", []))}
    assert with_layers == injectable == {function_name("api")}
    api = functions[function_name("api")]
    assert api["Layers"]["Fn::If"][0] == "OnAws"
    assert "/aws/service/fis/lambda-extension/AWS-FIS-extension-arm64/" in api["Layers"]["Fn::If"][1][0]
    variables = api["Environment"]["Variables"]
    assert variables["AWS_LAMBDA_EXEC_WRAPPER"]["Fn::If"][:2] == ["OnAws", "/opt/aws-fis/bootstrap"]
    assert variables["AWS_FIS_CONFIGURATION_LOCATION"]["Fn::If"][0] == "OnAws"


def fault_bucket(template: Template) -> str:
    (bucket,) = (name for name in template.of_type("AWS::S3::Bucket") if name.startswith("Faults"))
    return bucket


def test_the_api_reads_where_fis_writes_and_only_there(allowed: dict[str, Template]) -> None:
    template = allowed["region"]
    bucket = fault_bucket(template)
    folder = f"${{Bucket:{bucket}.Arn}}/faults/*"
    read = {
        resource: actions
        for function, statement in template.statements()
        for resource in map(template.render, listed(statement["Resource"]))
        if "s3:" in str(actions := set(listed(statement["Action"]))) and function == function_name("api")
    }
    assert read == {folder: {"s3:GetObject"}, f"${{Bucket:{bucket}.Arn}}": {"s3:ListBucket"}}
    written = granted(template, role_of(experiments(template)["lambda-errors"]))
    assert ({"s3:PutObject", "s3:DeleteObject"}, {folder}, None) in written


def test_each_role_may_do_exactly_what_its_action_needs(template: Template, region: str) -> None:
    here, peer = region, TOPOLOGY.peer_of(region)
    bucket = fault_bucket(template)
    found = experiments(template)
    log = LOG.format(here=here)

    def documents(kind: str) -> str:
        return DOCUMENT.format(here=here, kind=kind)

    (document,) = template.of_type("AWS::SSM::Document").values()
    automation = document["Content"]["assumeRole"]["Fn::GetAtt"][0]
    expected: dict[str, list[tuple[set[str], set[str], Any]]] = {
        role_of(found["replication-pause"]): [
            ({*POLICY, "dynamodb:DescribeTable"}, {log}, TAGGED),
            (POLICY, {f"{log}/stream/*"}, None),
        ],
        role_of(found["lambda-errors"]): [
            ({"lambda:GetFunction"}, {"${Function:relevo-api.Arn}"}, TAGGED),
            ({"s3:PutObject", "s3:DeleteObject"}, {f"${{Bucket:{bucket}.Arn}}/faults/*"}, None),
        ],
        role_of(found["region-loss"]): [
            (
                {"ssm:StartAutomationExecution"},
                {documents("automation-definition/relevo-region-loss:*"), documents("document/relevo-region-loss")},
                None,
            ),
            (
                {"ssm:GetAutomationExecution", "ssm:StopAutomationExecution"},
                {documents("automation-execution/*")},
                None,
            ),
            (
                {"iam:PassRole"},
                {f"${{Role:{automation}.Arn}}"},
                {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}},
            ),
        ],
        automation: [
            (
                {f"lambda:{verb}FunctionConcurrency" for verb in ("Get", "Put", "Delete")},
                {f"arn:aws:lambda:{peer}:${{AWS::AccountId}}:function:{name}" for name in LOST_FUNCTIONS},
                TAGGED,
            )
        ],
    }
    assert role_of(found["lambda-delays"]) == role_of(found["lambda-errors"])
    for role, statements in expected.items():
        narrow = [one for one in granted(template, role) if one[1] != {"*"}]
        wide = [one for one in granted(template, role) if one[1] == {"*"}]
        assert sorted(map(str, map(_sorted, narrow))) == sorted(map(str, map(_sorted, statements))), role
        for actions, _, _ in wide:
            assert actions <= ANY_RESOURCE
    of_functions = {found["Role"]["Fn::GetAtt"][0] for found in template.of_type("AWS::Lambda::Function").values()}
    of_gateway = {
        found["CloudWatchRoleArn"]["Fn::GetAtt"][0] for found in template.of_type("AWS::ApiGateway::Account").values()
    }
    of_releases = {
        found["ServiceRoleArn"]["Fn::GetAtt"][0]
        for found in template.of_type("AWS::CodeDeploy::DeploymentGroup").values()
    }
    assert set(template.of_type("AWS::IAM::Role")) == of_functions | of_gateway | of_releases | set(expected)


def _sorted(statement: tuple[set[str], set[str], Any]) -> tuple[list[str], list[str], Any]:
    return sorted(statement[0]), sorted(statement[1]), statement[2]


def test_only_experiments_and_automations_of_this_account_take_the_roles(template: Template, region: str) -> None:
    (document,) = template.of_type("AWS::SSM::Document").values()
    automation = document["Content"]["assumeRole"]["Fn::GetAtt"][0]
    for role in {automation, *map(role_of, experiments(template).values())}:
        (trust,) = template.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        service = "ssm" if role == automation else "fis"
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
        if service == "fis":
            source = template.render(trust["Condition"]["ArnLike"]["aws:SourceArn"])
            assert source == f"arn:aws:fis:{region}:${{AWS::AccountId}}:experiment/*"


def test_whatever_ends_the_automation_after_it_took_leads_to_giving_back(template: Template) -> None:
    (document,) = template.of_type("AWS::SSM::Document").values()
    steps = {step["name"]: step for step in document["Content"]["mainSteps"]}
    assert list(steps) == ["note", "take", "wait", "giveBack"]
    for name in ("take", "wait"):
        assert steps[name]["onFailure"] == steps[name]["onCancel"] == "step:giveBack"
    assert steps["note"]["onFailure"] == "Abort"  # nothing was taken yet
    assert steps["wait"]["nextStep"] == "giveBack"
    assert steps["giveBack"]["isEnd"] is steps["giveBack"]["isCritical"] is True
    assert steps["giveBack"]["inputs"]["InputPayload"]["Before"] == "{{ note.Before }}"


def test_the_script_itself_holds_nothing_that_systems_manager_would_replace(template: Template) -> None:
    (document,) = template.of_type("AWS::SSM::Document").values()
    for step in document["Content"]["mainSteps"]:
        assert "{{" not in step["inputs"].get("Script", "")


def test_a_lost_region_is_back_before_a_message_runs_out_of_receives() -> None:
    hidden_seconds = VISIBILITY_TIMEOUTS * TOPOLOGY.processor.timeout_seconds
    assert EXPERIMENT["region-loss"].minutes * 60 < (RECEIVES_BEFORE_DEAD_LETTER - 1) * hidden_seconds


def test_experiments_are_logged_and_the_log_forgets(template: Template) -> None:
    for found in experiments(template).values():
        arn = found["LogConfiguration"]["CloudWatchLogsConfiguration"]["LogGroupArn"]
        assert template.render(arn) == "${LogGroup:/aws/vendedlogs/fis/relevo-experiments.Arn}"
    (group,) = (
        found
        for found in template.of_type("AWS::Logs::LogGroup").values()
        if str(found.get("LogGroupName")).startswith("/aws/vendedlogs/fis/")
    )
    assert group["RetentionInDays"] == 30
