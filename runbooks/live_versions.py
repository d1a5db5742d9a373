"""Which version of each function is live in one Region, and which one it was before: what a release moves.

The alias itself keeps the note, so that whoever takes a release back needs to know nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from shared.topology import LIVE, PARTS, function_name

NOTE: Final = re.compile(r"(before|taken back): (\d+)")


class UnderWayError(Exception):
    """Two versions share an alias just now: CodeDeploy is moving it."""


@dataclass(frozen=True, slots=True)
class Live:
    """One alias: the version that it names, and what its note says of another one."""

    part: str
    version: str
    before: str | None = None  # what was live before this version
    taken_back: str | None = None  # what was live after this version, and was taken back
    is_moving: bool = False

    @property
    def text(self) -> str:
        return f"{function_name(self.part)} {self.version}"


def look(client: Any, parts: Iterable[str] = PARTS) -> dict[str, Live]:
    """Every alias of a Region by its function's part; a function that was never deployed is left out."""
    found = {}
    for part in parts:
        try:
            alias = client.get_alias(FunctionName=function_name(part), Name=LIVE)
        except client.exceptions.ResourceNotFoundException:
            continue
        note = NOTE.fullmatch(alias.get("Description", ""))
        found[part] = Live(
            part,
            alias["FunctionVersion"],
            before=note[2] if note and note[1] == "before" else None,
            taken_back=note[2] if note and note[1] == "taken back" else None,
            is_moving=bool(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")),
        )
    return found


def note_before(client: Any, before: Mapping[str, Live], now: Mapping[str, Live]) -> None:
    """Write into each alias that a deployment has moved which version it named before."""
    for part, live in now.items():
        if part in before and before[part].version != live.version:
            _move(client, live.part, live.version, "before", before[part].version)


def take_back(client: Any) -> list[Live]:
    """Move every alias back to the version that its note names, all at once; returns those that were moved.

    Raises ``UnderWayError`` while a deployment moves one of them: it would go on.
    """
    found = look(client)
    if moving := [live.text for live in found.values() if live.is_moving]:
        raise UnderWayError(f"a deployment is under way ({', '.join(moving)}); end it first")
    return restore(client, {part: live.before for part, live in found.items() if live.before is not None})


def restore(client: Any, versions: Mapping[str, str]) -> list[Live]:
    """Make these versions live, whatever is now; returns the aliases that were moved."""
    found = look(client)
    moved = [found[part] for part, version in versions.items() if found[part].version != version]
    for live in moved:
        _move(client, live.part, versions[live.part], "taken back", live.version)
    return moved


def take_forward(client: Any) -> list[Live]:
    """Move aliases that were taken back to what is deployed; returns those that were moved.

    After a deployment that brought no newer version: CloudFormation takes them for what it once made them.
    """
    found = [live for live in look(client).values() if live.taken_back is not None]
    for live in found:
        assert live.taken_back is not None
        _move(client, live.part, live.taken_back, "before", live.version)
    return found


def _move(client: Any, part: str, version: str, said: Literal["before", "taken back"], other: str) -> None:
    client.update_alias(
        FunctionName=function_name(part),
        Name=LIVE,
        FunctionVersion=version,
        Description=f"{said}: {other}",
        RoutingConfig={"AdditionalVersionWeights": {}},
    )
