"""The list: every guard that an invariant of design.md rests on, to be removed one at a time."""

from __future__ import annotations

from typing import Final

from tests.mutants import (
    announcements,
    effects,
    folding,
    importing,
    lanes,
    leaving,
    plans,
    recording,
    sizes,
    tokens,
    viewing,
    webhooks,
)

MODULES: Final = (
    recording, effects, folding, viewing, lanes, leaving, tokens, sizes, announcements, plans, webhooks,
    importing,
)  # fmt: skip
EVERY: Final = tuple(mutant for module in MODULES for mutant in module.MUTANTS)
