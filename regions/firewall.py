"""The regional web ACL in front of the API: no address may take the capacity that all clients need."""

from __future__ import annotations

import math

from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from shared.topology import Topology

WINDOW_SECONDS = 300
LOGINS_PER_WINDOW = 300


class Firewall(Construct):
    """Rate limits per client address, associated with one API stage."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, stage_arn: str) -> None:
        super().__init__(scope, construct_id)
        load = topology.baseline
        # Couriers share addresses behind their carrier's NAT, and a client system is one address: one alone may send
        # all that the largest growth step expects, and half as much again.
        peak = (load.orders_per_second + load.reads_per_second) * max(load.steps)
        acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible("relevo-api"),
            rules=[
                _limit("logins", 0, LOGINS_PER_WINDOW, only_path="/token"),
                _limit("requests", 1, math.ceil(peak * WINDOW_SECONDS * 1.5)),
            ],
        )
        wafv2.CfnWebACLAssociation(self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)


def _limit(name: str, priority: int, requests: int, *, only_path: str | None = None) -> wafv2.CfnWebACL.RuleProperty:
    scope_down = None
    if only_path:
        scope_down = wafv2.CfnWebACL.StatementProperty(
            byte_match_statement=wafv2.CfnWebACL.ByteMatchStatementProperty(
                search_string=only_path,
                positional_constraint="EXACTLY",
                field_to_match=wafv2.CfnWebACL.FieldToMatchProperty(uri_path={}),
                text_transformations=[wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")],
            )
        )
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        action=wafv2.CfnWebACL.RuleActionProperty(
            block=wafv2.CfnWebACL.BlockActionProperty(
                custom_response=wafv2.CfnWebACL.CustomResponseProperty(response_code=429)
            )
        ),
        visibility_config=_visible(f"relevo-{name}"),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP",
                evaluation_window_sec=WINDOW_SECONDS,
                limit=requests,
                scope_down_statement=scope_down,
            )
        ),
    )


def _visible(metric_name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric_name, sampled_requests_enabled=True
    )
