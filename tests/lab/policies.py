"""What the deployed policies of a Region's functions say, and the same with something taken away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from loadtests.lab.deploy import EXTRA_ACTIONS, client
from loadtests.lab.emulator.call_record import Call
from shared.topology import function_name
from tests.lab.running_lab import RunningLab
from tests.permissions import CALLED

AS_ON_AWS = {extra: action for action, extra in EXTRA_ACTIONS.items()}


class Permission(NamedTuple):
    """One action on one resource, as a role's policy has it."""

    part: str
    action: str
    resource: str

    def allows(self, call: Call) -> bool:
        asked = AS_ON_AWS.get(call.action, call.action)
        named = function_name(self.part) == call.function and asked == self.action
        return named and fnmatchcase(call.resource, self.resource)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def role_of(lab: RunningLab, region: str, part: str) -> str:
    functions = client(lab.layout.seats[region], "lambda")
    role: str = functions.get_function_configuration(FunctionName=function_name(part))["Role"]
    return role.rpartition("/")[2]


def policies(lab: RunningLab, region: str, part: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policies of a function's role that come from the template."""
    iam, role = client(lab.layout.seats[region], "iam"), role_of(lab, region, part)
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        if not name.startswith("lab-"):
            yield name, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]


def permissions(lab: RunningLab, region: str, parts: Iterable[str] = tuple(CALLED)) -> set[Permission]:
    return {
        Permission(part, action, resource)
        for part in parts
        for _, document in policies(lab, region, part)
        for statement in document["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


@contextmanager
def without(lab: RunningLab, region: str, taken: Permission) -> Iterator[None]:
    """A function whose policy lacks one permission."""
    iam, role = client(lab.layout.seats[region], "iam"), role_of(lab, region, taken.part)
    before = dict(policies(lab, region, taken.part))
    for name, document in before.items():
        kept = [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for statement in document["Statement"]
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
            if (action, resource) != (taken.action, taken.resource)
        ]
        iam.put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": kept})
        )
    try:
        yield
    finally:
        for name, document in before.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
