"""What is kept is encrypted, comes back after a mistake, and is forgotten in time; what is sent is not readable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shared.topology import TOPOLOGY
from tests.infra.templates import Template

# How each kind of resource that keeps data encrypts it. All keys are AWS's own of the Region: no key of ours whose
# policy or deletion could lock both Regions out at once, and none that one Region needs of the other.
OWNED_BY_AWS = "AWS encrypts it with a key of the Region that it owns, unless told otherwise"
AT_REST: dict[str, dict[str, Any] | str] = {
    "AWS::DynamoDB::Table": OWNED_BY_AWS,
    "AWS::DynamoDB::GlobalTable": {"SSESpecification": {"SSEEnabled": False}},  # DynamoDB's way to say its own key
    "AWS::SecretsManager::Secret": OWNED_BY_AWS,
    "AWS::Logs::LogGroup": OWNED_BY_AWS,
    "AWS::Events::EventBus": OWNED_BY_AWS,
    "AWS::SQS::Queue": {"SqsManagedSseEnabled": True},
    "AWS::S3::Bucket": {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        }
    },
}
# Properties that would name another key.
KEYS = ("SSESpecification", "SSEDescription", "KmsKeyId", "KmsMasterKeyId", "KmsKeyIdentifier", "EncryptionKey")
# Resources that keep nothing of a client.
KEEP_NOTHING = re.compile(
    r"AWS::(ApiGateway|CertificateManager|CloudFront|CloudWatch|CodeDeploy|FIS|IAM|Lambda|Route53|WAFv2|CDK|EC2)::|"
    r"AWS::(Events::Rule|S3::BucketPolicy|SQS::QueuePolicy|SNS::(TopicPolicy|Subscription)|SSM::Document|"
    r"Logs::MetricFilter)$|"
    r"Custom::"
)
DAYS_OF_LOGS = 30


@pytest.fixture(
    params=["relevo-data", "relevo-global", "relevo-site", *(f"relevo-{name}" for name in TOPOLOGY.region_names)]
)
def any_stack(request: pytest.FixtureRequest, assembly: Path) -> Template:
    return Template.read(assembly, request.param)


def test_whatever_keeps_data_is_encrypted_with_a_key_of_its_region(any_stack: Template) -> None:
    for name, resource in any_stack.resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if KEEP_NOTHING.match(kind):
            continue
        if kind == "AWS::SNS::Topic":
            # Alarms are published by CloudWatch, which may not use that key; their texts name no order.
            expected = "alias/aws/sns" if properties.get("FifoTopic") else None
            key = properties.get("KmsMasterKeyId")
            assert (any_stack.render(key).rpartition(":")[2] if key else None) == expected, name
            continue
        assert kind in AT_REST, f"{name}: say how a {kind} encrypts what it keeps"
        expected_properties = AT_REST[kind]
        if isinstance(expected_properties, dict):
            assert properties.items() >= expected_properties.items(), name
        for replica in (properties, *properties.get("Replicas", ()), *properties.get("ReplicaRegions", ())):
            chosen = {key for key in KEYS if key in replica and {key: replica[key]} != expected_properties}
            assert not chosen, f"{name}: a key that is not AWS's own needs a decision"


def test_every_log_group_forgets_after_a_month(any_stack: Template) -> None:
    for name, group in any_stack.of_type("AWS::Logs::LogGroup").items():
        assert group["RetentionInDays"] == DAYS_OF_LOGS, name


def test_the_gateways_own_error_log_forgets_too(template: Template) -> None:
    """API Gateway would make the group when it first logs, without an end; so it is there before the stage."""
    (found,) = [
        (logical_id, group["LogGroupName"])
        for logical_id, group in template.of_type("AWS::Logs::LogGroup").items()
        if "Execution-Logs" in str(group.get("LogGroupName"))
    ]
    (stage,) = [resource for resource in template.resources.values() if resource["Type"] == "AWS::ApiGateway::Stage"]
    api, name = stage["Properties"]["RestApiId"], stage["Properties"]["StageName"]
    assert found[1] == {"Fn::Join": ["", ["API-Gateway-Execution-Logs_", api, f"/{name}"]]}
    assert found[0] in stage["DependsOn"]


def test_no_log_line_of_the_gateway_names_a_person_or_holds_a_body(template: Template) -> None:
    stage = template.only("AWS::ApiGateway::Stage")
    fields = set(re.findall(r"\$context\.([A-Za-z.]+)", stage["AccessLogSetting"]["Format"]))
    assert fields
    personal = {"identity.sourceIp", "identity.user", "identity.caller", "identity.userAgent", "authorizer.sub", "path"}
    assert not fields & (personal | {"authorizer.principalId", "requestOverride.path"})
    for setting in stage["MethodSettings"]:
        assert not setting.get("DataTraceEnabled")


def test_nothing_is_reached_without_tls_1_2(template: Template) -> None:
    domains = template.of_type("AWS::ApiGateway::DomainName").values()
    assert {found["SecurityPolicy"] for found in domains} == {"TLS_1_2"}
    for check in template.of_type("AWS::Route53::HealthCheck").values():
        assert check["HealthCheckConfig"]["Type"] in ("HTTPS", "HTTPS_STR_MATCH", "CALCULATED", "CLOUDWATCH_METRIC")
    for function in template.functions().values():
        for name, value in function["Environment"]["Variables"].items():
            assert not (isinstance(value, str) and value.startswith("http:")), name
    assert template.document["Parameters"]["PeerEndpoint"]["Default"].startswith("https://")


def test_no_function_and_no_output_holds_a_secret(any_stack: Template) -> None:
    told = str([any_stack.document.get("Outputs"), any_stack.document.get("Parameters")])
    told += str([found.get("Environment") for found in any_stack.of_type("AWS::Lambda::Function").values()])
    assert "resolve:secretsmanager" not in told
    assert "SecretString" not in told
