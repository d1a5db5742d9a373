"""The firewall: rates per address, and rules of AWS that stop nothing which the contract allows."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath
from typing import Any
from urllib.parse import quote, unquote

import pytest

from regions.firewall import MANAGED
from shared.domain.commands import MAX_ORDER_ID
from shared.topology import TOPOLOGY
from tests.infra.templates import Template

# AWS WAF developer guide: capacity units of rule groups, of a rate-based rule, of a match and of a transformation.
GROUP_UNITS = {
    "AWSManagedRulesCommonRuleSet": 700,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
    "AWSManagedRulesAmazonIpReputationList": 25,
}
RATE_UNITS, MATCH_UNITS, TRANSFORMATION_UNITS = 2, 2, 10
INCLUDED_UNITS = 1500  # more is charged for with each request
# Where a request of ours has free text: rules that look there may only count. The path has an order's id in it.
FREE_TEXT = ("_BODY", "_QUERYARGUMENTS", "_QUERYSTRING")
LARGEST_PATH = 1024  # SizeRestrictions_URIPATH blocks what is longer


def statements(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield statement
    for inner in (
        statement.get("RateBasedStatement", {}).get("ScopeDownStatement"),
        statement.get("ManagedRuleGroupStatement", {}).get("ScopeDownStatement"),
        statement.get("NotStatement", {}).get("Statement"),
        *statement.get("OrStatement", {}).get("Statements", ()),
    ):
        if inner:
            yield from statements(inner)


def units(rule: dict[str, Any]) -> int:
    found = 0
    for one in statements(rule["Statement"]):
        if "RateBasedStatement" in one:
            found += RATE_UNITS
        if group := one.get("ManagedRuleGroupStatement"):
            found += GROUP_UNITS[group["Name"]]
        if match := one.get("ByteMatchStatement"):
            found += MATCH_UNITS + TRANSFORMATION_UNITS * len(match["TextTransformations"])
    return found


@pytest.fixture(scope="module")
def managed(template: Template) -> dict[str, dict[str, Any]]:
    rules = template.only("AWS::WAFv2::WebACL")["Rules"]
    return {rule["Name"]: rule for rule in rules if "ManagedRuleGroupStatement" in rule["Statement"]}


def test_a_firewall_with_rate_rules_stands_before_the_stage(template: Template) -> None:
    acl = template.only("AWS::WAFv2::WebACL")
    assert acl["Scope"] == "REGIONAL"
    limits = {
        rule["Name"]: rule["Statement"]["RateBasedStatement"]
        for rule in acl["Rules"] if "RateBasedStatement" in rule["Statement"]
    }  # fmt: skip
    load = TOPOLOGY.baseline
    peak = (load.orders_per_second + load.reads_per_second) * max(load.steps)
    assert limits["requests"]["Limit"] >= peak * limits["requests"]["EvaluationWindowSec"]
    assert 10 <= limits["logins"]["Limit"] < limits["requests"]["Limit"]
    assert {
        rule["Action"]["Block"]["CustomResponse"]["ResponseCode"] for rule in acl["Rules"] if rule["Name"] in limits
    } == {429}
    association = template.only("AWS::WAFv2::WebACLAssociation")
    assert "/restapis/" in template.render(association["ResourceArn"])
    assert "WebACL:" in template.render(association["WebACLArn"])


@pytest.mark.parametrize("path", ["/token", "/token/", "//token", "/%74oken", "/./token", "/x/../token", "/token?a=b"])
def test_no_spelling_of_the_login_escapes_its_limit(template: Template, path: str) -> None:
    (rule,) = [rule for rule in template.only("AWS::WAFv2::WebACL")["Rules"] if rule["Name"] == "logins"]
    match = rule["Statement"]["RateBasedStatement"]["ScopeDownStatement"]["ByteMatchStatement"]
    assert match["FieldToMatch"] == {"UriPath": {}}
    transform = {"URL_DECODE": unquote, "NORMALIZE_PATH": lambda text: normpath(text).replace("//", "/")}
    seen = path.partition("?")[0]
    for step in sorted(match["TextTransformations"], key=lambda step: step["Priority"]):
        seen = transform[step["Type"]](seen)
    assert match["PositionalConstraint"] == "STARTS_WITH"
    assert seen.startswith(match["SearchString"])


def test_rules_come_in_an_order_of_their_own_and_fit_into_what_a_request_pays_for(template: Template) -> None:
    rules = template.only("AWS::WAFv2::WebACL")["Rules"]
    assert [rule["Priority"] for rule in rules] == list(range(len(rules)))
    assert [rule["Name"] for rule in rules][:2] == ["logins", "requests"], "what is too much is not looked at any more"
    assert sum(map(units, rules)) < INCLUDED_UNITS


def test_the_groups_are_aws_s_own_and_not_what_they_block_is_overridden_by_accident(
    managed: dict[str, dict[str, Any]],
) -> None:
    for rules in MANAGED:
        found = managed[rules.name]
        group = found["Statement"]["ManagedRuleGroupStatement"]
        assert (group["VendorName"], group["Name"]) == ("AWS", rules.group)
        assert found["OverrideAction"] == ({"Count": {}} if rules.only_counts else {"None": {}})
        overrides = {one["Name"]: one["ActionToUse"] for one in group.get("RuleActionOverrides", ())}
        assert overrides == {name: {"Count": {}} for name in rules.counts}
    assert set(managed) == {rules.name for rules in MANAGED}
    assert managed["known-bad-inputs"]["OverrideAction"] == {"None": {}}


def test_no_rule_of_aws_refuses_what_the_contract_allows(managed: dict[str, dict[str, Any]]) -> None:
    """Every rule of the common set that AWS documents, and what it looks at; those that count are named in ours."""
    group = managed["common"]["Statement"]["ManagedRuleGroupStatement"]
    counted = {one["Name"] for one in group["RuleActionOverrides"]}
    free = {name for name in COMMON_RULES if name.endswith(FREE_TEXT)}
    assert counted == free | {"NoUserAgent_HEADER", "RestrictedExtensions_URIPATH"}
    longest_id = quote("\U0001f4e6" * MAX_ORDER_ID)
    assert len(f"/v1/orders/{longest_id}/events") <= LARGEST_PATH


COMMON_RULES = (
    "NoUserAgent_HEADER", "UserAgent_BadBots_HEADER", "SizeRestrictions_QUERYSTRING", "SizeRestrictions_Cookie_HEADER",
    "SizeRestrictions_BODY", "SizeRestrictions_URIPATH", "EC2MetaDataSSRF_BODY", "EC2MetaDataSSRF_COOKIE",
    "EC2MetaDataSSRF_URIPATH", "EC2MetaDataSSRF_QUERYARGUMENTS", "GenericLFI_QUERYARGUMENTS", "GenericLFI_URIPATH",
    "GenericLFI_BODY", "RestrictedExtensions_URIPATH", "RestrictedExtensions_QUERYARGUMENTS",
    "GenericRFI_QUERYARGUMENTS", "GenericRFI_BODY", "GenericRFI_URIPATH", "CrossSiteScripting_COOKIE",
    "CrossSiteScripting_QUERYARGUMENTS", "CrossSiteScripting_BODY", "CrossSiteScripting_URIPATH",
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "is_asked"),
    [("/health", False), ("/control/drained/us-east-1", False), ("/healthy", True), ("/v1/orders", True)],
)
def test_no_rule_of_aws_is_asked_about_health(managed: dict[str, dict[str, Any]], path: str, is_asked: bool) -> None:
    """I6: AWS changes its rules in every Region at once, and a Region's verdict is its own."""
    matches = {"EXACTLY": str.__eq__, "STARTS_WITH": str.startswith}
    for rule in managed.values():
        scope = rule["Statement"]["ManagedRuleGroupStatement"]["ScopeDownStatement"]
        assert "NotStatement" in scope
        spared = [one["ByteMatchStatement"] for one in scope["NotStatement"]["Statement"]["OrStatement"]["Statements"]]
        assert all(one["FieldToMatch"] == {"UriPath": {}} for one in spared)
        assert any(matches[one["PositionalConstraint"]](path, one["SearchString"]) for one in spared) is not is_asked
