"""Takes out of a synthesized template what MiniStack cannot run, by an explicit list, and nothing else. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Template = dict[str, Any]

# Left out everywhere: what another part of the lab plays, or what MiniStack does not have. A property behind the type
# leaves out the resources that have it.
LEFT_OUT_TYPES: Final[Mapping[str, str]] = {
    "AWS::Lambda::EventSourceMapping": "the lab's own pollers run it from the template, with AWS's semantics",
    "AWS::Route53::HealthCheck": "the lab's DNS server runs it from the template",
    "AWS::Route53::RecordSet": "the lab's DNS server answers from the template",
    "AWS::WAFv2::WebACLAssociation": "MiniStack does not associate WAF with an API",
    "AWS::CodeDeploy::Application": "MiniStack has no CodeDeploy: aliases move at once",
    "AWS::CodeDeploy::DeploymentGroup": "MiniStack has no CodeDeploy: aliases move at once",
    "AWS::FIS::ExperimentTemplate": "MiniStack has no FIS; `relevo fault` injects faults here",
    "AWS::SSM::Document": "MiniStack has no automations; `relevo fault` takes a Region away here",
    "AWS::ApplicationSignals::ServiceLevelObjective": "MiniStack has no SLOs; drills judge the objectives",
    "AWS::CloudWatch::CompositeAlarm": "MiniStack has no composite alarms",
    "AWS::CloudWatch::Alarm.Metrics": "MiniStack has no alarms on metric math",
}
# In a Region that does not own the secret it is a replica, which no template creates.
REPLICATED_TYPES: Final[Mapping[str, str]] = {
    "AWS::SecretsManager::Secret": "a replica there: the lab creates it with the owner's name and value",
}
# Stacks that the lab does not deploy at all.
LEFT_OUT_STACKS: Final[Mapping[str, str]] = {
    "relevo-global": "its hosted zone is played by the lab's DNS server",
    "relevo-site": "its page is served by the lab's edge with the template's headers, without CloudFront's caches, TLS "
    "and failover between the two buckets, which stay empty here",
}


@dataclass(frozen=True, order=True)
class LeftOut:
    """A kind of resource that a template has and the lab does not, with the reason."""

    type: str
    count: int
    reason: str


def leave_out(template: Template, reasons: Mapping[str, str]) -> tuple[Template, list[LeftOut]]:
    """The template without the types in ``reasons`` and without what refers to them; both are reported."""
    resources: dict[str, Any] = template["Resources"]
    kinds = {name: _kind(resource, reasons) for name, resource in resources.items()}
    gone = {name: reasons[kind] for name, kind in kinds.items() if kind in reasons}
    while True:
        dangling = {
            name: f"it refers to {_shared(gone, resource)[0]}, which is left out"
            for name, resource in resources.items()
            if name not in gone and _shared(gone, resource)
        }
        if not dangling:
            break
        gone |= dangling
    kept = {name: _without_manner(resource, gone) for name, resource in resources.items() if name not in gone}
    outputs = {
        name: output
        for name, output in template.get("Outputs", {}).items()
        if not _shared(gone, {"Properties": output})
    }
    counts: dict[tuple[str, str], int] = {}
    for name, reason in gone.items():
        counts[kinds[name], reason] = counts.get((kinds[name], reason), 0) + 1
    reported = sorted(LeftOut(type_, count, reason) for (type_, reason), count in counts.items())
    return {**template, "Resources": kept, "Outputs": outputs}, reported


def role_statements(template: Template, action: str) -> Iterator[tuple[str, Any]]:
    """Every (role reference, resource) of a template's policies that allow exactly this action."""
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        properties = resource["Properties"]
        for statement in properties["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if statement["Effect"] == "Allow" and action in actions:
                for role in properties["Roles"]:
                    yield role["Ref"], statement["Resource"]


def _kind(resource: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    """The type of a resource, with the property for which it is left out, if there is one."""
    kind: str = resource["Type"]
    return next((f"{kind}.{name}" for name in resource.get("Properties", {}) if f"{kind}.{name}" in reasons), kind)


def _shared(gone: Mapping[str, str], resource: Mapping[str, Any]) -> list[str]:
    """Names of left-out resources that a resource's properties need."""
    return sorted(set(_references(resource.get("Properties", {}))) & gone.keys())


def _without_manner(resource: Mapping[str, Any], gone: Mapping[str, str]) -> dict[str, Any]:
    """The resource without order and manner of its deployment that need what is left out: it is the same without.

    That is ``DependsOn``, and an ``UpdatePolicy`` that would let CodeDeploy move an alias.
    """
    kept = dict(resource)
    if "DependsOn" in kept:
        order = kept.pop("DependsOn")
        if left := [name for name in ([order] if isinstance(order, str) else order) if name not in gone]:
            kept["DependsOn"] = left
    if set(_references(kept.get("UpdatePolicy"))) & gone.keys():
        del kept["UpdatePolicy"]
    return kept


def _references(value: object) -> Iterator[str]:
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name.split(".", 1)[0]
        case {"Fn::Sub": text}:
            spoken = json.dumps(text)
            yield from (part.split("}", 1)[0].split(".", 1)[0] for part in spoken.split("${")[1:])
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)
