"""Remembers that a service did not answer at all, so that a queue of others does not wait for the same time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PAUSE_SECONDS: Final = 5.0


class Silence:
    """Whether a service gave no answer within the last seconds; an error that it answers with is not silence."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock()

    def begin(self) -> None:
        self._until = self._clock() + PAUSE_SECONDS

    @property
    def lasts(self) -> bool:
        return self._clock() < self._until
