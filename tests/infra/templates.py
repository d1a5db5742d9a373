"""Reads a synthesized template: resources by type, and intrinsic functions as the text that they will become."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shared.topology import live_function

# Property that names a resource of each type; references to it are rendered as "<type's last word>:<name>".
NAMED_BY = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Events::EventBus": "Name",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::SSM::Document": "Name",
}


@dataclass(frozen=True)
class Template:
    """One stack's template as JSON."""

    document: dict[str, Any]

    @classmethod
    def read(cls, assembly: Path, stack: str) -> Template:
        return cls(json.loads((assembly / f"{stack}.template.json").read_text()))

    @cached_property
    def resources(self) -> dict[str, Any]:
        return self.document["Resources"]

    def of_type(self, kind: str) -> dict[str, Any]:
        """Properties by logical id."""
        return {name: found.get("Properties", {}) for name, found in self.resources.items() if found["Type"] == kind}

    def only(self, kind: str) -> dict[str, Any]:
        """The properties of the one resource of this type."""
        (properties,) = self.of_type(kind).values()
        return properties

    def alias_text(self, alias: dict[str, Any]) -> str:
        """What an alias is called by: ``relevo-api:live``."""
        function = self.resources[alias["FunctionName"]["Ref"]]["Properties"]["FunctionName"]
        return f"{function}:{alias['Name']}"

    def functions(self) -> dict[str, Any]:
        """Functions by their own names."""
        return {found["FunctionName"]: found for found in self.of_type("AWS::Lambda::Function").values()}

    def asynchronous(self, part: str) -> dict[str, Any]:
        """How the alias of this function is called asynchronously, if anything is said of it."""
        (found,) = [
            found
            for found in self.of_type("AWS::Lambda::EventInvokeConfig").values()
            if self.render(found["Qualifier"]) == f"part 7 of ${{Alias:{live_function(part)}}}"
        ]
        return found

    def render(self, value: Any) -> str:
        """An intrinsic as text; references read as ``${Table:relevo-order-view.Arn}`` or ``${AWS::AccountId}``."""
        match value:
            case str():
                return value
            case {"Ref": name}:
                return f"${{{self._name(name)}}}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{self._name(name)}.{attribute}}}"
            case {"Fn::Select": [int(part), {"Fn::Split": [":", arn]}]}:
                return f"part {part} of {self.render(arn)}"
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self.render(part) for part in parts)
        raise AssertionError(f"cannot render {value}")

    def _name(self, logical_id: str) -> str:
        found = self.resources.get(logical_id)
        if not found:
            return logical_id
        kind = found["Type"].rpartition("::")[2]
        if found["Type"] == "AWS::Lambda::Alias":
            return f"Alias:{self.alias_text(found['Properties'])}"
        named_by = NAMED_BY.get(found["Type"])
        return f"{kind}:{found['Properties'].get(named_by, logical_id)}" if named_by else f"{kind}:{logical_id}"

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every statement of an identity policy with the name of the function whose role has it."""
        roles = {
            found["Role"]["Fn::GetAtt"][0]: found["FunctionName"]
            for found in self.of_type("AWS::Lambda::Function").values()
        }
        for policy in self.of_type("AWS::IAM::Policy").values():
            (role,) = policy["Roles"]
            if role["Ref"] not in roles:
                continue  # of an experiment: test_experiments
            for statement in policy["PolicyDocument"]["Statement"]:
                yield roles[role["Ref"]], statement


def listed(value: Any) -> list[Any]:
    """What IAM and CloudFormation write as one value or as a list."""
    return value if isinstance(value, list) else [value]
