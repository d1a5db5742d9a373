"""Makes a failing history small: steps are left out, many at once first, as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.simulation.history import History


def shrink(history: History, fails: Callable[[History], bool], *, tries: int = 2000) -> History:
    """The smallest part of a history that was found to fail: leaving out any one more step, it does not."""
    kept = list(range(len(history.steps)))
    width = max(len(kept) // 2, 1)
    while tries > 0:
        start, smaller = 0, False
        while start < len(kept) and tries > 0:
            rest = kept[:start] + kept[start + width :]
            tries -= 1
            if fails(history.part(rest)):
                kept, smaller = rest, True
            else:
                start += width
        if width == 1 and not smaller:
            break
        width = width if smaller and width == 1 else max(width // 2, 1)
    found = history.part(kept)
    if found.regions > 2 and fails(fewer := replace(found, regions=2)):
        return fewer
    return found
