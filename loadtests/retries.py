"""How a client retries: full jitter between tries, the same command every time, never past its patience. Pure.

And when it logs in again: before its token expires, so that it never sends one that has.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

RETRYABLE_STATUSES = frozenset({0, 429, 500, 502, 503, 504})  # 0: no answer at all
TOKEN_SHARE = 5 / 6  # of the life of a token, after which a client takes a new one


@dataclass(frozen=True)
class RetryPolicy:
    """Full jitter (uniform between zero and an exponentially growing cap) within a number of tries and of seconds."""

    tries: int = 8
    base_seconds: float = 0.2
    cap_seconds: float = 3.0
    patience_seconds: float = 20.0

    def pause_seconds(self, failed_tries: int, rng: random.Random, retry_after: float | None = None) -> float:
        """Return how long to wait after ``failed_tries`` failures; ``Retry-After`` is a floor, capped by patience."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0**failed_tries)
        pause = rng.uniform(0.0, ceiling)
        return pause if retry_after is None else min(retry_after, self.cap_seconds) + pause

    def gives_up(self, failed_tries: int, elapsed_seconds: float) -> bool:
        return failed_tries >= self.tries or elapsed_seconds >= self.patience_seconds


def is_retryable(status: int) -> bool:
    return status in RETRYABLE_STATUSES


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header; dates and nonsense count as absent."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 3600 else None
