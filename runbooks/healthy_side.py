"""A Region seen and drained from its peer: everything here asks the healthy side alone, never the Region being left."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from runbooks.target import Target
from shared.adapters.peer import peer_serves
from shared.domain.takeover import Register
from shared.topology import TOPOLOGY

ASK_SECONDS: Final = 3.0
LOOK_EVERY_SECONDS: Final = 0.5
HEARTBEATS: Final = range(TOPOLOGY.heartbeat_keys)
# Between the clock of whoever runs the command and those of the Regions.
CLOCK_MARGIN: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class HealthySide:
    """The peer of a Region that is to be left."""

    target: Target
    left: str

    @property
    def region(self) -> str:
        return TOPOLOGY.peer_of(self.left)

    def serves(self) -> bool:
        """Whether this side answers for itself that it serves."""
        return peer_serves(self.target.api_url(self.region), TOPOLOGY.region_api_name(self.region))

    def register(self) -> Register:
        return self.target.control(self.region).register()

    def drain(self, *, by: str, reason: str) -> None:
        """Write the register here; raises ``RegisterTakenError`` while this side is drained itself."""
        self.target.control(self.region).drain(self.left, by=by, reason=reason, now=datetime.now(UTC))

    def readmit(self, *, by: str, reason: str) -> None:
        """Clear the register here; raises ``RegisterTakenError`` if it names this side by now."""
        self.target.control(self.region).readmit(self.left, by=by, reason=reason, now=datetime.now(UTC))

    def says_drained(self) -> bool:
        """What Route 53's inverted check reads: whether this side says that the other one is drained."""
        request = urllib.request.Request(  # noqa: S310  # the Region's own URL
            f"{self.target.api_url(self.region)}/control/drained/{self.left}",
            headers={"Host": TOPOLOGY.region_api_name(self.region)},
        )
        try:
            with urllib.request.urlopen(request, timeout=ASK_SECONDS) as answer:  # noqa: S310  # as above
                return json.loads(answer.read()).get("drained") is True
        except (OSError, ValueError):  # not answered: not seen, and asked again
            return False

    def replicated_through(self) -> datetime | None:
        """Up to when all writes of the Region being left have come here: its oldest heartbeat in any key."""
        beats = self.target.order_log(self.region).beats(region=self.left, numbers=HEARTBEATS)
        return min(beat.beat_at for beat in beats) if len(beats) == len(HEARTBEATS) else None

    def in_flight(self) -> int:
        """Events of the Region being left whose effect has not come here yet."""
        return len(self.target.order_queries(self.region).pending(self.left))


def wait_for(done: Callable[[], bool], seconds: float) -> bool:
    """Look until something is true, at most for so long."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True
