"""What one dashboard page asks for, a second, while somebody looks at the day's figures. Pure arithmetic.

Its other views ask for less. The intervals are those of `global_stack/site/src/App.tsx`; a test compares them.
"""

from __future__ import annotations

from typing import Final

from shared.topology import Topology

METRICS_EVERY_SECONDS: Final = 4
DAY_BEFORE_EVERY_SECONDS: Final = 60
STATUS_EVERY_SECONDS: Final = 10

METRICS: Final = 1 / METRICS_EVERY_SECONDS + 1 / DAY_BEFORE_EVERY_SECONDS
STATUSES: Final = 1 / STATUS_EVERY_SECONDS
# It stays logged in, half an hour at a time, and the gateway remembers its token for five minutes.
AUTHORIZED: Final = 1 / 300
LOGINS: Final = 1 / 1800
READS: Final = METRICS + STATUSES


def status_gets(topology: Topology) -> int:
    """Calls for one item each that a status makes: the guard, the register, each Region's heartbeats."""
    return 2 + len(topology.regions) * topology.heartbeat_keys


def status_queries(topology: Topology) -> int:
    """Queries of a status: the reports, and each Region's oldest work, key by key."""
    return 1 + len(topology.regions) * topology.pending_keys
