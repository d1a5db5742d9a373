"""The list: every guard that an invariant of design.md rests on, removed once."""

from __future__ import annotations

from typing import Final

from tests.mutants import orders, pipeline, regions

EVERY: Final = (*orders.MUTANTS, *pipeline.MUTANTS, *regions.MUTANTS)
