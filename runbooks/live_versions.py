"""Which version of each function is live in one Region, and which one it was before: what a release moves.

The alias itself keeps the note (its description), so that whoever takes a release back needs to know nothing of it, and
a release that was interrupted goes on where it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from shared.topology import LIVE, PARTS, function_name

# What happened to an alias last: deployed and not yet baked, baked well, moved back after that, or put back where
# CloudFormation has it.
Word = Literal["baking", "released", "taken back", "restored"]
NOTE: Final = re.compile(r"(baking|released|taken back|restored): (\d+) -> (\d+)")


class UnderWayError(Exception):
    """Two versions share an alias just now: CodeDeploy is moving it."""


@dataclass(frozen=True, slots=True)
class Live:
    """One alias: the version that it names, and what its note says, if that is about this version."""

    part: str
    version: str
    word: Word | None = None
    came_from: str = ""  # the version that it named before, if there is a word
    is_moving: bool = False

    @property
    def text(self) -> str:
        return f"{function_name(self.part)} {self.version}"


def look(client: Any) -> dict[str, Live]:
    """Every alias of a Region by its function's part; a function that was never deployed is left out."""
    found = {}
    for part in PARTS:
        try:
            alias = client.get_alias(FunctionName=function_name(part), Name=LIVE)
        except client.exceptions.ResourceNotFoundException:
            continue
        version = alias["FunctionVersion"]
        note = NOTE.fullmatch(alias.get("Description", ""))
        is_about_it = note is not None and note[3] == version  # else somebody deployed without `relevo release`
        found[part] = Live(
            part,
            version,
            word=cast("Word", note[1]) if note and is_about_it else None,
            came_from=note[2] if note and is_about_it else "",
            is_moving=bool(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")),
        )
    return found


def note_deployed(client: Any, before: Mapping[str, Live]) -> None:
    """Note for the bake what a deployment has moved, and move aliases that were taken back to what is deployed.

    A deployment without a newer version leaves those alone: CloudFormation takes them for what it once made them.
    """
    for part, live in look(client).items():
        if part in before and before[part].version != live.version:
            _move(client, part, "baking", before[part].version, live.version)
        elif live.word == "taken back":
            _move(client, part, "baking", live.version, live.came_from)


def note_baked(client: Any) -> None:
    for live in look(client).values():
        if live.word == "baking":
            _move(client, live.part, "released", live.came_from, live.version)


def take_back(client: Any, *words: Word) -> list[str]:
    """Move aliases with one of these words back to where they came from, at once; returns what was moved.

    Raises ``UnderWayError`` while a deployment moves an alias: it would go on.
    """
    found = look(client)
    if moving := [live.text for live in found.values() if live.is_moving]:
        raise UnderWayError(f"a deployment is under way ({', '.join(moving)})")
    moved = [live for live in found.values() if live.word in words]
    for live in moved:
        _move(client, live.part, "taken back", live.version, live.came_from)
    return [f"{live.text} -> {live.came_from}" for live in moved]


def restore(client: Any, before: Mapping[str, Live]) -> list[str]:
    """Put aliases where they were before a deployment that failed, if that did not; returns what was moved."""
    found = look(client)
    moved = [
        found[part]
        for part, old in before.items()
        if found[part].version != old.version or (found[part].is_moving and not old.is_moving)
    ]
    for live in moved:
        _move(client, live.part, "restored", live.version, before[live.part].version)
    return [f"{live.text} -> {before[live.part].version}" for live in moved]


def _move(client: Any, part: str, word: Word, from_version: str, to_version: str) -> None:
    client.update_alias(
        FunctionName=function_name(part),
        Name=LIVE,
        FunctionVersion=to_version,
        Description=f"{word}: {from_version} -> {to_version}",
        RoutingConfig={"AdditionalVersionWeights": {}},
    )
