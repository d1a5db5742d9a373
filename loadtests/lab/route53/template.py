"""Reads the DNS part of the synthesized Region templates: names, latency records and health checks, unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from loadtests.lab.route53.health_checks import CalculatedCheck, Check, EndpointCheck
from loadtests.lab.route53.routing_policy import LatencyRecord


class TemplateError(Exception):
    """A template does not say what DNS needs; the text names the resource."""


@dataclass(frozen=True)
class DnsPlan:
    """What all Region templates together ask of Route 53."""

    latency_records: tuple[LatencyRecord, ...]
    region_of_name: Mapping[str, str]  # plain alias records: name -> the Region whose address it has
    checks: tuple[Check, ...]


def read_plan(template_dir: Path, regions: Iterable[str]) -> DnsPlan:
    """Read every Region's template; raises ``TemplateError`` or ``OSError``."""
    records: list[LatencyRecord] = []
    names: dict[str, str] = {}
    checks: list[Check] = []
    for region in regions:
        template = json.loads((template_dir / f"relevo-{region}.template.json").read_text())
        stack = _Stack(region, template)
        for logical_id, properties in stack.of_type("AWS::Route53::HealthCheck"):
            checks.append(stack.check(logical_id, properties))
        for _, properties in stack.of_type("AWS::Route53::RecordSet"):
            if stack.text(properties.get("Type")) != "A":
                continue
            name = stack.text(properties["Name"]).rstrip(".").lower()
            if "Region" in properties:
                records.append(stack.latency_record(name, properties))
            else:
                names[name] = region
    if not records:
        raise TemplateError(f"no latency record in the templates of {template_dir}")
    known = {check.id for check in checks}
    for record in records:
        if record.health_check_id is not None and record.health_check_id not in known:
            raise TemplateError(f"{record.name} in {record.region}: no health check {record.health_check_id}")
    return DnsPlan(tuple(records), names, tuple(checks))


class _Stack:
    """One Region's template, with the few intrinsic functions resolved that names need."""

    def __init__(self, region: str, template: Mapping[str, object]) -> None:
        self._region = region
        self._resources = cast("dict[str, dict[str, object]]", template["Resources"])
        self._parameters = cast("dict[str, dict[str, object]]", template.get("Parameters", {}))

    def of_type(self, kind: str) -> list[tuple[str, dict[str, object]]]:
        return [
            (logical_id, cast("dict[str, object]", resource["Properties"]))
            for logical_id, resource in self._resources.items()
            if resource["Type"] == kind
        ]

    def text(self, value: object) -> str:
        """Resolve ``Ref``, ``Fn::Join`` and ``Fn::Sub`` to text; a resource becomes its id in this plan."""
        match value:
            case str() | int() | float():
                return str(value)
            case {"Ref": "AWS::Region"}:
                return self._region
            case {"Ref": str(name)} if name in self._resources:
                return f"{self._region}/{name}"
            case {"Ref": str(name)} if "Default" in self._parameters.get(name, {}):
                return self.text(self._parameters[name]["Default"])
            case {"Fn::Join": [str(separator), list(parts)]}:
                return separator.join(self.text(part) for part in parts)
            case {"Fn::Sub": str(pattern)}:
                return pattern.replace("${AWS::Region}", self._region)
            case {"Fn::GetAtt": [str(name), "HealthCheckId"]}:
                return f"{self._region}/{name}"
        raise TemplateError(f"relevo-{self._region}: cannot resolve {json.dumps(value)}")

    def latency_record(self, name: str, properties: Mapping[str, object]) -> LatencyRecord:
        region = self.text(properties["Region"])
        check = properties.get("HealthCheckId")
        identifier = self.text(properties.get("SetIdentifier", region))
        return LatencyRecord(name, region, identifier, None if check is None else self.text(check))

    def check(self, logical_id: str, properties: Mapping[str, object]) -> Check:
        config = cast("dict[str, object]", properties["HealthCheckConfig"])
        kind = self.text(config["Type"])
        inverted = config.get("Inverted") in (True, "true")
        identity = f"{self._region}/{logical_id}"
        if kind == "CALCULATED":
            children = tuple(self.text(child) for child in cast("list[object]", config["ChildHealthChecks"]))
            threshold = int(self.text(config.get("HealthThreshold", len(children))))
            return CalculatedCheck(identity, self._region, children, threshold, inverted)
        if kind not in ("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH"):
            raise TemplateError(f"relevo-{self._region}: the lab has no health check of type {kind} ({logical_id})")
        searched = config.get("SearchString") if kind.endswith("STR_MATCH") else None
        return EndpointCheck(
            id=identity,
            region=self._region,
            fqdn=self.text(config["FullyQualifiedDomainName"]).rstrip(".").lower(),
            path=self.text(config.get("ResourcePath", "/")),
            search_string=None if searched is None else self.text(searched),
            inverted=inverted,
            interval_seconds=float(self.text(config.get("RequestInterval", 30))),
            failure_threshold=int(self.text(config.get("FailureThreshold", 3))),
            checker_regions=tuple(self.text(one) for one in cast("list[object]", config.get("Regions", []))),
        )
