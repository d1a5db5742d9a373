"""The regional web ACL in front of the API: no address may take the capacity that all clients need."""

from __future__ import annotations

from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from shared.sizing import FIREWALL_WINDOW_SECONDS, sizes_of
from shared.topology import Topology


class Firewall(Construct):
    """Rate limits per client address, associated with one API stage."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, stage_arn: str) -> None:
        super().__init__(scope, construct_id)
        sizes = sizes_of(topology)
        acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible("relevo-api"),
            rules=[
                _limit("logins", 0, sizes.logins_per_window, only_path="/token"),
                _limit("requests", 1, sizes.requests_per_window),
            ],
        )
        wafv2.CfnWebACLAssociation(self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)


def _limit(name: str, priority: int, requests: int, *, only_path: str | None = None) -> wafv2.CfnWebACL.RuleProperty:
    scope_down = None
    if only_path:
        scope_down = wafv2.CfnWebACL.StatementProperty(
            byte_match_statement=wafv2.CfnWebACL.ByteMatchStatementProperty(
                search_string=only_path,
                # However it is spelled: /%74oken, //token and /token/ may lead to the same handler.
                positional_constraint="STARTS_WITH",
                field_to_match=wafv2.CfnWebACL.FieldToMatchProperty(uri_path={}),
                text_transformations=[
                    wafv2.CfnWebACL.TextTransformationProperty(priority=priority, type=kind)
                    for priority, kind in enumerate(("URL_DECODE", "NORMALIZE_PATH"))
                ],
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
                evaluation_window_sec=FIREWALL_WINDOW_SECONDS,
                limit=requests,
                scope_down_statement=scope_down,
            )
        ),
    )


def _visible(metric_name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric_name, sampled_requests_enabled=True
    )
