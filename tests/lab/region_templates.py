"""The DNS part of a Region's template, as the CDK app synthesizes it, for tests that must not wait for a synthesis."""

from __future__ import annotations

import json
from pathlib import Path

from shared.topology import TOPOLOGY


def region_template(region: str) -> dict[str, object]:
    """One Region's records and health checks."""
    peer = TOPOLOGY.peer_of(region)
    looked_at: dict[str, object] = {
        "EnableSNI": True,
        "FailureThreshold": TOPOLOGY.health_check_failure_threshold,
        "MeasureLatency": False,
        "Port": 443,
        "Regions": list(TOPOLOGY.health_checker_regions),
        "RequestInterval": TOPOLOGY.health_check_interval_seconds,
        "Type": "HTTPS_STR_MATCH",
    }
    return {
        "Resources": {
            "Serving": _check(
                looked_at,
                FullyQualifiedDomainName={"Fn::Join": ["", [{"Ref": "AWS::Region"}, ".", TOPOLOGY.api_name]]},
                ResourcePath="/health",
                SearchString='"serving":true',
                Inverted=False,
            ),
            "Drained": _check(
                looked_at,
                FullyQualifiedDomainName=TOPOLOGY.region_api_name(peer),
                ResourcePath={"Fn::Join": ["/", ["/control/drained", {"Ref": "AWS::Region"}]]},
                SearchString='"drained":true',
                Inverted=True,
            ),
            "Both": _check(
                {}, Type="CALCULATED", HealthThreshold=2, ChildHealthChecks=[{"Ref": "Serving"}, {"Ref": "Drained"}]
            ),
            "Latency": _record(
                TOPOLOGY.api_name,
                Region={"Ref": "AWS::Region"},
                SetIdentifier=region,
                HealthCheckId={"Ref": "Both"},
            ),
            "Own": _record(TOPOLOGY.region_api_name(region)),
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::GetAtt": ["Elsewhere", "Name"]}}},
        }
    }


def write_templates(folder: Path) -> Path:
    """Write every Region's template into a folder."""
    folder.mkdir(exist_ok=True)
    for region in TOPOLOGY.region_names:
        (folder / f"relevo-{region}.template.json").write_text(json.dumps(region_template(region)))
    return folder


def _check(shared: dict[str, object], **config: object) -> dict[str, object]:
    return {"Type": "AWS::Route53::HealthCheck", "Properties": {"HealthCheckConfig": {**shared, **config}}}


def _record(name: str, **more: object) -> dict[str, object]:
    alias = {"DNSName": {"Fn::GetAtt": ["Name", "RegionalDomainName"]}}
    return {
        "Type": "AWS::Route53::RecordSet",
        "Properties": {"Name": f"{name}.", "Type": "A", "AliasTarget": alias, "HostedZoneId": "Z1", **more},
    }
