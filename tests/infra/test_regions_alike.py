"""Both Regions run the same stack, and neither needs the other to be deployed or to run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from shared.topology import TOPOLOGY
from tests.infra.templates import Template


def neutral(assembly: Path, region: str) -> str:
    """A Region's template without Region names and with numbered ids: the CDK hashes the stack's name into ids."""
    template = Template.read(assembly, f"relevo-{region}")
    for check in template.of_type("AWS::Route53::HealthCheck").values():
        assert check["HealthCheckConfig"].pop("Regions", None) in (None, list(TOPOLOGY.health_checker_regions))
    text = json.dumps(template.document)
    for number, name in enumerate(sorted(template.resources, key=list(template.resources).index)):
        text = re.sub(rf'"{name}(?=[."])', f'"Resource{number}', text)
    return text.replace(region, "here").replace(TOPOLOGY.peer_of(region), "there")


def test_the_two_regions_differ_by_region_names_only(assembly: Path) -> None:
    first, second = TOPOLOGY.region_names
    assert neutral(assembly, first) == neutral(assembly, second)


def test_nothing_is_exported_or_read_from_another_stack(template: Template) -> None:
    text = json.dumps(template.document)
    for forbidden in ("Fn::ImportValue", '"Export"', "AWS::SSM::Parameter", "{{resolve:", "Custom::CrossRegion"):
        assert forbidden not in text


def test_the_peer_is_named_only_where_a_region_must_know_it(template: Template, region: str) -> None:
    peer = TOPOLOGY.peer_of(region)
    places = set()
    for name, resource in {**template.resources, **template.document["Parameters"]}.items():
        places |= {f"{resource['Type']}:{where}" for where in paths_to(peer, resource)}
        assert peer not in name
    assert places == {
        "AWS::Lambda::Function:Properties.Environment.Variables.PEER_REGION",
        "AWS::IAM::Policy:Properties.PolicyDocument.Statement.Resource",
        "AWS::Route53::HealthCheck:Properties.HealthCheckConfig.FullyQualifiedDomainName",
        "AWS::Route53::HealthCheck:Properties.HealthCheckConfig.Regions",
        "AWS::CloudWatch::CompositeAlarm:Properties.AlarmDescription",
        "AWS::CloudWatch::Dashboard:Properties.DashboardBody",
        "AWS::SSM::Document:Properties.Content.description",
        "AWS::SSM::Document:Properties.Content.mainSteps.inputs.InputPayload.Region",
        "String:Default",
    } - ({"AWS::Route53::HealthCheck:Properties.HealthCheckConfig.Regions"} if peer != "us-east-1" else set())


def paths_to(text: str, value: object, path: str = "") -> set[str]:
    """Where ``text`` occurs in a resource, without list positions and intrinsics."""
    match value:
        case dict():
            found = set()
            for key, inner in value.items():
                step = "" if key.startswith("Fn::") else f".{key}"
                found |= paths_to(text, inner, f"{path}{step}")
            return found
        case list():
            return {found for inner in value for found in paths_to(text, inner, path)}
        case str() if text in value:
            return {path.removeprefix(".")}
    return set()


def test_a_template_needs_no_bootstrap_stack_to_be_deployed(template: Template) -> None:
    assert set(template.document["Parameters"]) == {"TimeScale", "PeerEndpoint", "PeerAwsEndpointUrl"}
    assert "Rules" not in template.document
    assert {"ApiId", "ApiStage"} <= set(template.document["Outputs"])
