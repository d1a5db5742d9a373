"""Who does pending work, and when: re-publishing one's own, taking over a lost peer's, and refusing work while drained.

Pure decisions over what one Region has seen with its own clock; no clock of two Regions is compared. Nothing here may
leave no Region serving (I7): there is one register, and it names at most one Region.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.topology import TOPOLOGY, Topology

NOBODY: Final = "none"
LOOKS_BEFORE_LOST: Final = 2

Action = Literal["wait", "retry", "park", "take over"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Every wait of the product, after ``TimeScale``."""

    look: timedelta
    peer_gone: timedelta
    takeover_after: timedelta
    drained_takeover_after: timedelta
    republish_after: tuple[timedelta, ...]
    peer_serving: timedelta
    dns_ttl: timedelta
    settle: timedelta

    @classmethod
    def scaled(cls, scale: float, topology: Topology = TOPOLOGY) -> Timing:
        """The waits of the topology, each multiplied by ``scale`` (1 on AWS, less in a quick lab)."""

        def wait(seconds: float) -> timedelta:
            return timedelta(seconds=seconds * scale)

        return cls(
            look=wait(topology.look_seconds),
            peer_gone=wait(topology.peer_gone_seconds),
            takeover_after=wait(topology.takeover_after_seconds),
            drained_takeover_after=wait(topology.drained_takeover_after_seconds),
            republish_after=tuple(wait(seconds) for seconds in topology.republish_after_seconds),
            peer_serving=wait(topology.peer_serving_seconds),
            dns_ttl=wait(topology.dns_ttl_seconds),
            settle=wait(topology.settle_seconds),
        )


@dataclass(frozen=True, slots=True)
class Register:
    """The one register of the control table: which Region is drained, if any."""

    draining: str = NOBODY
    by: str = ""
    reason: str = ""
    since: datetime | None = None

    def drains(self, region: str) -> bool:
        return self.draining == region


@dataclass(frozen=True, slots=True)
class Guard:
    """What the sentinel of one Region has seen so far, kept between its looks."""

    looked_at: datetime
    draining: str = NOBODY
    drained_seen_at: datetime | None = None  # when this Region first saw itself drained
    peer_serving_at: datetime | None = None  # when this Region last saw its peer's health endpoint serve
    peer_beat: str = ""  # the peer's newest heartbeat, as it wrote it
    peer_beat_seen_at: datetime | None = None  # when this Region saw it change
    gone_looks: int = 0  # looks in a row that found health endpoint and heartbeat gone


def observe(
    guard: Guard | None,
    *,
    now: datetime,
    region: str,
    peer_serving: bool,
    peer_beat: str,
    register: Register,
    timing: Timing,
) -> Guard:
    """Fold one look into what was seen before."""
    before = guard or Guard(looked_at=now, peer_beat_seen_at=now)
    changed = peer_beat != before.peer_beat
    beat_seen_at = now if changed else before.peer_beat_seen_at
    beat_gone = beat_seen_at is None or now - beat_seen_at > timing.peer_gone
    drained = register.drains(region)
    return replace(
        before,
        looked_at=now,
        draining=register.draining,
        drained_seen_at=(before.drained_seen_at or now) if drained else None,
        peer_serving_at=now if peer_serving else before.peer_serving_at,
        peer_beat=peer_beat,
        peer_beat_seen_at=beat_seen_at,
        gone_looks=before.gone_looks + 1 if beat_gone and not peer_serving else 0,
    )


def peer_is_lost(guard: Guard) -> bool:
    """Health endpoint and heartbeat both gone, in two looks in a row."""
    return guard.gone_looks >= LOOKS_BEFORE_LOST


def refuses_work(guard: Guard | None, *, region: str, now: datetime, timing: Timing) -> bool:
    """Whether a drained Region sheds the clients that are still there: only while its peer is known to serve (I7).

    Until the DNS TTL has passed it keeps answering, since clients that honour the TTL are still arriving. Unknown means
    serve: no guard, an old look, or a peer not seen serving lately.
    """
    if guard is None or guard.draining != region or guard.drained_seen_at is None or guard.peer_serving_at is None:
        return False
    return now - guard.drained_seen_at >= timing.dns_ttl and now - guard.peer_serving_at <= timing.peer_serving


@dataclass(frozen=True, slots=True)
class PendingWork:
    """One event whose effect, or one effect whose announcement, has not been seen to happen."""

    order_id: str
    event_id: str
    status: str
    region: str  # whose job it is
    seen_at: datetime
    due_at: datetime
    recorded_at: datetime  # by the clock of who wrote the event, or the effect that waits to be announced
    attempt: int = 0
    is_published: bool = False  # what is left is to see the effect, or to announce it

    @property
    def lane(self) -> tuple[str, str]:
        """Within an order and a status, events are published in the order in which they were seen."""
        return (self.order_id, self.status)

    @property
    def place(self) -> tuple[datetime, datetime, str]:
        """The order of work in a lane; what was seen in one look at the log goes by when it was recorded."""
        return (self.seen_at, self.recorded_at, self.event_id)


def oldest_seen_at(pending: Iterable[PendingWork]) -> datetime | None:
    """Since when the oldest work waits that this Region or its peer can do something about.

    A `delivered` that nobody could publish yet may wait for its items as long as a client pleases.
    """
    return min(
        (work.seen_at for work in pending if work.status != "delivered" or work.is_published or work.attempt),
        default=None,
    )


def may_take_over(work: PendingWork, guard: Guard, *, now: datetime, timing: Timing) -> bool:
    """Whether the peer's work may be done here: the peer is lost, or drained for long although it beats."""
    waited = now - work.seen_at
    if peer_is_lost(guard):
        return waited >= timing.takeover_after
    return guard.draining == work.region and waited >= timing.drained_takeover_after


def action_for(work: PendingWork, guard: Guard, *, region: str, now: datetime, timing: Timing) -> Action:
    """What the sentinel of ``region`` does with one piece of pending work in this look."""
    if work.region != region:
        return "take over" if may_take_over(work, guard, now=now, timing=timing) else "wait"
    if now < work.due_at:
        return "wait"
    return "park" if work.attempt >= len(timing.republish_after) else "retry"


def next_due(attempt: int, *, now: datetime, timing: Timing) -> datetime:
    """When to look again at work whose ``attempt``-th try was just made (0 is the relay's own)."""
    return now + timing.republish_after[min(attempt, len(timing.republish_after) - 1)]


def announced_through(
    *, relayed_through: datetime | None, oldest_own_pending: datetime | None, timing: Timing
) -> datetime | None:
    """Up to when this Region vouches that its effects were announced: what its peer need not announce if it is lost.

    ``relayed_through`` is the newest own heartbeat that came back through the relay, in every partition they are
    written to: a relay that stands still vouches for nothing new. The margin covers shards without a heartbeat.
    """
    if relayed_through is None:
        return None
    return min(relayed_through, oldest_own_pending or relayed_through) - timing.settle
