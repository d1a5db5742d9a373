"""The regional web ACL in front of the API: no address may take the capacity that all clients need, and rules of AWS
stop what is never a request of ours.

A rule blocks where the contract allows nothing that it looks for, and counts where it does: the fields of an order are
free text, in bodies of up to 64 KiB, that is stored and never run.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from shared.sizing import FIREWALL_WINDOW_SECONDS, sizes_of
from shared.topology import Topology

_Acl = wafv2.CfnWebACL


@dataclass(frozen=True)
class Managed:
    """A rule group that AWS keeps, and which of its rules only count."""

    name: str
    group: str
    counts: tuple[str, ...] = ()
    only_counts: bool = False


MANAGED = (
    Managed("known-bad-inputs", "AWSManagedRulesKnownBadInputsRuleSet"),
    Managed(
        "common",
        "AWSManagedRulesCommonRuleSet",
        counts=(
            "NoUserAgent_HEADER",  # the contract asks for none, and the old clients are as they are
            "SizeRestrictions_BODY",  # above 8 KB
            "SizeRestrictions_QUERYSTRING",  # above 2 KB: a courier's name in escapes, and a cursor
            "EC2MetaDataSSRF_BODY",
            "EC2MetaDataSSRF_QUERYARGUMENTS",
            "GenericLFI_BODY",
            "GenericLFI_QUERYARGUMENTS",
            "GenericRFI_BODY",
            "GenericRFI_QUERYARGUMENTS",
            "CrossSiteScripting_BODY",
            "CrossSiteScripting_QUERYARGUMENTS",
            "RestrictedExtensions_QUERYARGUMENTS",
            "RestrictedExtensions_URIPATH",  # an order's id may end in .bak
        ),
    ),
    # Couriers of a whole town share an address of their carrier, and are not to pay for one telephone that is ill.
    Managed("ip-reputation", "AWSManagedRulesAmazonIpReputationList", only_counts=True),
)


class Firewall(Construct):
    """Rate limits per client address and AWS's own rules, associated with one API stage."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, stage_arn: str) -> None:
        super().__init__(scope, construct_id)
        sizes = sizes_of(topology)
        acl = _Acl(
            self,
            "WebAcl",
            scope="REGIONAL",
            default_action=_Acl.DefaultActionProperty(allow={}),
            visibility_config=_visible("relevo-api"),
            rules=[
                _limit("logins", 0, sizes.logins_per_window, only_path="/token"),
                _limit("requests", 1, sizes.requests_per_window),
                *(_managed(rules, priority) for priority, rules in enumerate(MANAGED, 2)),
            ],
        )
        wafv2.CfnWebACLAssociation(self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)


def _managed(rules: Managed, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    action = _Acl.OverrideActionProperty(count={}) if rules.only_counts else _Acl.OverrideActionProperty(none={})
    count = _Acl.RuleActionProperty(count={})
    return _Acl.RuleProperty(
        name=rules.name,
        priority=priority,
        override_action=action,
        visibility_config=_visible(f"relevo-{rules.name}"),
        statement=_Acl.StatementProperty(
            managed_rule_group_statement=_Acl.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=rules.group,
                rule_action_overrides=[
                    _Acl.RuleActionOverrideProperty(name=name, action_to_use=count) for name in rules.counts
                ],
                scope_down_statement=_unless_health(),
            )
        ),
    )


def _unless_health() -> wafv2.CfnWebACL.StatementProperty:
    """Everything but the paths of health checks: AWS changes its rules, in all Regions at once, and no change of
    theirs is to decide that no Region is healthy (I6).
    """
    paths = (_path("/health", "EXACTLY", "NONE"), _path("/control/drained/", "STARTS_WITH", "NONE"))
    return _Acl.StatementProperty(
        not_statement=_Acl.NotStatementProperty(
            statement=_Acl.StatementProperty(or_statement=_Acl.OrStatementProperty(statements=list(paths)))
        )
    )


def _path(search: str, constraint: str, *transformations: str) -> wafv2.CfnWebACL.StatementProperty:
    return _Acl.StatementProperty(
        byte_match_statement=_Acl.ByteMatchStatementProperty(
            search_string=search,
            positional_constraint=constraint,
            field_to_match=_Acl.FieldToMatchProperty(uri_path={}),
            text_transformations=[
                _Acl.TextTransformationProperty(priority=priority, type=kind)
                for priority, kind in enumerate(transformations)
            ],
        )
    )


def _limit(name: str, priority: int, requests: int, *, only_path: str | None = None) -> wafv2.CfnWebACL.RuleProperty:
    return _Acl.RuleProperty(
        name=name,
        priority=priority,
        action=_Acl.RuleActionProperty(
            block=_Acl.BlockActionProperty(custom_response=_Acl.CustomResponseProperty(response_code=429))
        ),
        visibility_config=_visible(f"relevo-{name}"),
        statement=_Acl.StatementProperty(
            rate_based_statement=_Acl.RateBasedStatementProperty(
                aggregate_key_type="IP",
                evaluation_window_sec=FIREWALL_WINDOW_SECONDS,
                limit=requests,
                # However it is spelled: /%74oken, //token and /token/ may lead to the same handler.
                scope_down_statement=_path(only_path, "STARTS_WITH", "URL_DECODE", "NORMALIZE_PATH")
                if only_path
                else None,
            )
        ),
    )


def _visible(metric_name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return _Acl.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric_name, sampled_requests_enabled=True
    )
