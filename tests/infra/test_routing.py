"""Route 53's rules for health checks and records, which the CDK does not check."""

from __future__ import annotations

from typing import Any

import pytest

from regions.routing import DRAINED, SERVING
from shared.topology import TOPOLOGY
from tests.infra.templates import Template

CHECKER_REGIONS = {
    *("us-east-1", "us-west-1", "us-west-2", "eu-west-1"),
    *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"),
}


@pytest.fixture(scope="module")
def checks(template: Template) -> dict[str, dict[str, Any]]:
    """Health check configurations by logical id."""
    found = template.of_type("AWS::Route53::HealthCheck")
    return {name: properties["HealthCheckConfig"] for name, properties in found.items()}


@pytest.fixture(scope="module")
def records(template: Template) -> dict[str, dict[str, Any]]:
    return {found["Name"].rstrip("."): found for found in template.of_type("AWS::Route53::RecordSet").values()}


def by_path(checks: dict[str, dict[str, Any]], path: str) -> dict[str, Any]:
    (found,) = [check for check in checks.values() if check.get("ResourcePath") == path]
    return found


def test_the_region_answers_for_itself_and_its_peer_for_the_drain(
    checks: dict[str, dict[str, Any]], region: str
) -> None:
    own = by_path(checks, "/health")
    assert own["FullyQualifiedDomainName"] == TOPOLOGY.region_api_name(region)
    assert own["SearchString"] == SERVING
    assert not own["Inverted"]
    drained = by_path(checks, f"/control/drained/{region}")
    assert drained["FullyQualifiedDomainName"] == TOPOLOGY.region_api_name(TOPOLOGY.peer_of(region))
    assert drained["SearchString"] == DRAINED
    assert drained["Inverted"] is True


def test_numbers_are_those_that_route_53_takes(checks: dict[str, dict[str, Any]]) -> None:
    searching = [check for check in checks.values() if check["Type"] != "CALCULATED"]
    assert len(searching) == 2
    for check in searching:
        assert check["Type"] == "HTTPS_STR_MATCH"
        assert check["Port"] == 443
        assert check["EnableSNI"] is True  # API Gateway finds the domain by it
        assert check["RequestInterval"] in (10, 30)
        assert 1 <= check["FailureThreshold"] <= 10
        assert 0 < len(check["SearchString"]) <= 255
        assert len(check["Regions"]) >= 3
        assert set(check["Regions"]) <= CHECKER_REGIONS
        assert check["RequestInterval"] == TOPOLOGY.health_check_interval_seconds
        assert check["FailureThreshold"] == TOPOLOGY.health_check_failure_threshold


def test_a_region_is_healthy_when_it_serves_and_is_not_drained(
    checks: dict[str, dict[str, Any]], template: Template
) -> None:
    (healthy,) = [check for check in checks.values() if check["Type"] == "CALCULATED"]
    children = {template.render(child) for child in healthy["ChildHealthChecks"]}
    # Route 53 refuses a calculated check among the children of one.
    assert children == {f"${{HealthCheck:{name}}}" for name, check in checks.items() if check["Type"] != "CALCULATED"}
    assert healthy["HealthThreshold"] == len(children) == 2
    assert not healthy.get("Inverted")


def test_the_one_hostname_is_a_latency_alias_under_the_health_check(
    records: dict[str, dict[str, Any]], checks: dict[str, dict[str, Any]], region: str
) -> None:
    record = records[TOPOLOGY.api_name]
    assert record["Type"] == "A"
    assert record["Region"] == record["SetIdentifier"] == region
    (calculated,) = [name for name, check in checks.items() if check["Type"] == "CALCULATED"]
    assert calculated in str(record["HealthCheckId"])
    assert not {"Failover", "Weight", "TTL", "ResourceRecords"} & set(record)
    assert record["HostedZoneId"] == TOPOLOGY.hosted_zone_id


def test_the_regions_own_name_has_no_policy_so_that_checks_always_reach_it(
    records: dict[str, dict[str, Any]], region: str
) -> None:
    record = records[TOPOLOGY.region_api_name(region)]
    assert record["Type"] == "A"
    assert not {"Region", "SetIdentifier", "HealthCheckId", "Failover", "Weight"} & set(record)
    assert set(records) == {TOPOLOGY.api_name, TOPOLOGY.region_api_name(region)}


def test_aliases_lead_to_the_custom_domain_of_the_same_name(
    records: dict[str, dict[str, Any]], template: Template
) -> None:
    for name, record in records.items():
        target, attribute = record["AliasTarget"]["DNSName"]["Fn::GetAtt"]
        assert attribute == "RegionalDomainName"
        assert template.resources[target]["Properties"]["DomainName"] == name
        assert record["AliasTarget"]["HostedZoneId"] == {"Fn::GetAtt": [target, "RegionalHostedZoneId"]}


def test_no_check_asks_at_a_name_whose_answer_depends_on_a_check(
    checks: dict[str, dict[str, Any]], records: dict[str, dict[str, Any]]
) -> None:
    checked = {name for name, record in records.items() if "HealthCheckId" in record}
    assert checked == {TOPOLOGY.api_name}
    assert not checked & {check.get("FullyQualifiedDomainName") for check in checks.values()}
