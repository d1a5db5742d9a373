"""The rotation of the signing key as pure decisions: which step is due, and what the keyring is after it.

The state is in the keyring secret itself, with the time of each step, so that a rotation that was left half-way goes on
from there, whoever goes on. Functions read `current` and `keys` and ignore the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.adapters.keyring import CACHE_SECONDS
from shared.domain.auth import Keyring, token_seconds
from shared.domain.instants import from_text, to_text

Step = Literal["first", "adopt", "add", "confirm added", "make current", "confirm current", "remove"]

# Caches are waited for twice over: a function that could not read the secret just then tries again later.
CACHES: Final = 2


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a step takes to be true everywhere, counted from when every Region's secret was seen to hold it."""

    caches: timedelta  # until every warm function knows the secret as it is
    tokens: timedelta  # until the last token of the old key has expired

    @classmethod
    def scaled(cls, scale: float) -> Waits:
        """The product's caches and the life of its tokens follow ``TimeScale``."""
        caches = timedelta(seconds=max(CACHES * CACHE_SECONDS * scale, CACHES))
        # Until its cache ends, a warm function goes on signing with the key that was current.
        return cls(caches=caches, tokens=timedelta(seconds=token_seconds(scale)) + caches)


@dataclass(frozen=True, slots=True)
class Rotation:
    """How far a rotation has come; `seen` means: found in the secret of every Region."""

    new: str
    old: str
    added_at: datetime
    added_seen_at: datetime | None = None
    current_at: datetime | None = None
    current_seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """The keyring secret with the state of its rotation."""

    current: str
    keys: Mapping[str, str] = field(repr=False)
    rotation: Rotation | None = None
    made_at: Mapping[str, datetime] = field(default_factory=dict)
    last_number: int = 0  # of the keys named so far: a name is not used twice

    @classmethod
    def parse(cls, text: str) -> Ring:
        """Read the secret's text; raises ``KeyringError`` as functions would."""
        keyring = Keyring.from_secret(text)
        document = json.loads(text)
        stored = document.get("rotation")
        rotation = None
        if stored:
            rotation = Rotation(
                stored["new"], stored["old"],
                **{name: from_text(moment) for name, moment in stored.items() if name.endswith("_at")},
            )  # fmt: skip
        return cls(
            current=keyring.current,
            keys=document["keys"],
            rotation=rotation,
            made_at={name: from_text(moment) for name, moment in document.get("made_at", {}).items()},
            last_number=int(document.get("last_number", 0)),
        )

    def text(self) -> str:
        """The secret's text; what is empty is left out, as a keyring made by hand has it."""
        document: dict[str, object] = {"current": self.current, "keys": dict(self.keys)}
        if self.rotation:
            moments = {
                name: getattr(self.rotation, name)
                for name in ("added_at", "added_seen_at", "current_at", "current_seen_at")
            }
            document["rotation"] = {
                "new": self.rotation.new,
                "old": self.rotation.old,
                **{name: to_text(moment) for name, moment in moments.items() if moment},
            }
        if self.made_at:
            document["made_at"] = {name: to_text(moment) for name, moment in self.made_at.items()}
        if self.last_number:
            document["last_number"] = self.last_number
        return json.dumps(document)

    def fingerprints(self) -> dict[str, str]:
        """Which keys these are, without telling them."""
        keyring = Keyring.from_secret(self.text())
        return {name: keyring.fingerprint(name) for name in sorted(self.keys)}

    def in_step_with(self, other: Ring) -> bool:
        """Whether two Regions sign with the same key and verify with the same ones."""
        return self.current == other.current and self.fingerprints() == other.fingerprints()


@dataclass(frozen=True, slots=True)
class Due:
    """The next step of a rotation, and how long it has to wait still."""

    step: Step
    left: timedelta = timedelta(0)

    @property
    def is_due(self) -> bool:
        return self.left <= timedelta(0)


def next_step(ring: Ring | None, *, now: datetime, waits: Waits) -> Due:
    """What comes next for a keyring, and whether it may be done already."""
    if ring is None:
        return Due("first")
    rotation = ring.rotation
    if rotation is None:
        # A key that no rotation accounts for may have signed a moment ago.
        return Due("adopt" if len(ring.keys) > 1 else "add")
    if rotation.added_seen_at is None:
        return Due("confirm added")
    if rotation.current_at is None:
        return Due("make current", rotation.added_seen_at + waits.caches - now)
    if rotation.current_seen_at is None:
        return Due("confirm current")
    return Due("remove", rotation.current_seen_at + waits.tokens - now)


def _next_name(ring: Ring) -> tuple[str, int]:
    numbers = [int(name[1:]) for name in ring.keys if name[:1] == "K" and name[1:].isdigit()]
    number = max([*numbers, ring.last_number]) + 1
    return f"K{number}", number


def first_ring(new_key: str, *, now: datetime) -> Ring:
    """The first keyring of all: one key, current at once, since there is no token that it could refuse."""
    return Ring("K1", {"K1": new_key}, made_at={"K1": now}, last_number=1)


def after(ring: Ring, step: Step, *, now: datetime, new_key: str) -> Ring:
    """The keyring after a step; ``new_key`` is used by ``add`` alone."""
    rotation = ring.rotation
    if step == "add":
        name, number = _next_name(ring)
        return replace(
            ring,
            keys={**ring.keys, name: new_key},
            rotation=Rotation(new=name, old=ring.current, added_at=now),
            made_at={**ring.made_at, name: now},
            last_number=number,
        )
    if step == "adopt":
        stray = min(name for name in ring.keys if name != ring.current)
        adopted = Rotation(new=ring.current, old=stray, added_at=now, added_seen_at=now, current_at=now)
        return replace(ring, rotation=adopted)
    if rotation is None:
        raise ValueError(f"{step} needs a rotation that has begun")
    match step:
        case "confirm added":
            return replace(ring, rotation=replace(rotation, added_seen_at=now))
        case "make current":
            return replace(ring, current=rotation.new, rotation=replace(rotation, current_at=now))
        case "confirm current":
            return replace(ring, rotation=replace(rotation, current_seen_at=now))
        case "remove":
            kept = {name: key for name, key in ring.keys.items() if name != rotation.old}
            made_at = {name: moment for name, moment in ring.made_at.items() if name in kept}
            return replace(ring, keys=kept, rotation=None, made_at=made_at)
    raise ValueError(f"{step} does not follow from a keyring")


def taken_back(ring: Ring, *, now: datetime) -> Ring:
    """The keyring with the last step taken back, by the same rules: what may have signed stays for the life of tokens.

    A new key that only verified goes at once. One that was made current gives way to the old one, which every Region
    still has, and is the one that is removed in the end. Raises ``ValueError`` when there is no step to take back.
    """
    rotation = ring.rotation
    if rotation is None:
        raise ValueError("no rotation is under way; a removed key does not come back, rotate once more instead")
    if rotation.current_at is None:
        kept = {name: key for name, key in ring.keys.items() if name != rotation.new}
        made_at = {name: moment for name, moment in ring.made_at.items() if name in kept}
        return replace(ring, keys=kept, rotation=None, made_at=made_at)
    turned = Rotation(new=rotation.old, old=rotation.new, added_at=now, added_seen_at=now, current_at=now)
    return replace(ring, current=rotation.old, rotation=turned)
