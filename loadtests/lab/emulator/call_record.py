"""Writes down, once each, what the functions of a Region ask AWS for and what IAM says to it. Refuses nothing itself.

`tests/lab/test_permissions.py` holds it against the policies of the templates.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from loadtests.lab.layout import ACCOUNT, Layout

OWN_FILE: Final = "calls.jsonl"  # both in the Region's temporary folder
PEER_FILE: Final = "peer-calls.jsonl"


class Call(NamedTuple):
    """What a function asked for; ``allowed`` is None where IAM was not asked: on the way to the peer."""

    function: str
    action: str
    resource: str
    allowed: bool | None


class CallRecord:
    """A file of calls, each written when it is seen for the first time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[tuple[object, ...]] = set()

    def note(self, *call: object) -> None:
        if call in self._seen:
            return
        self._seen.add(call)
        with self._file.open("a") as record:
            record.write(json.dumps(call) + "\n")


def record_calls(iam_evaluator: Any, folder: Path) -> None:
    """Note each verdict of IAM on a call of a role. Who calls without a role is a tool of the lab or a client."""
    enforce = iam_evaluator.enforce
    record = CallRecord(folder / OWN_FILE)

    def enforce_and_note(key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any) -> Any:
        refused = enforce(key, action, service, region, resource_arn=resource_arn, **more)
        caller = iam_evaluator.resolve_principal(key, ACCOUNT) if key else None
        if isinstance(caller, iam_evaluator.PrincipalInfo) and caller.type == "AssumedRole":
            record.note(key, caller.arn.rpartition("/")[2], action, resource_arn, refused is None)
        return refused

    iam_evaluator.enforce = enforce_and_note


def read_calls(layout: Layout, region: str) -> set[Call]:
    """What the Region's functions have asked for since the lab started, in their own Region and in the peer."""
    own, to_peer = (_lines(layout.temporary_folder / region / name) for name in (OWN_FILE, PEER_FILE))
    functions = {key: function for key, function, _, _, _ in own}
    return {Call(function, action, resource, allowed) for _, function, action, resource, allowed in own} | {
        Call(functions[key], action, resource, None) for key, action, resource in to_peer
    }


def _lines(file: Path) -> list[list[Any]]:
    try:
        return [json.loads(line) for line in file.read_text().splitlines()]
    except FileNotFoundError:
        return []
