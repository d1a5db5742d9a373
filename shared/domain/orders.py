"""Events of an order and their fold: the pure, total, deterministic rule that turns a set of events into a state.

The fold is commutative, associative and idempotent (a maximum and some unions), compares no clocks of two Regions, and
so gives the same state in every Region that has the same events, in whatever order they came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final

from shared.domain.instants import day_in_bogota
from shared.topology import STATUSES

RANK: Final = {status: rank for rank, status in enumerate(STATUSES)}
# `delivered` beats `cancelled`: the parcel is gone. Both beat everything else, whatever the attempt.
TERMINAL_CLASS: Final = {"cancelled": 1, "delivered": 2}

Precedence = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order: what, at which unit price (COP, exact), how many."""

    product: str
    price: Decimal
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Event:
    """An immutable fact about an order, as it stands in the log.

    ``occurred_at`` is the client's and may be missing; ``recorded_at`` and ``origin_region`` tell who took it and may
    differ between two Regions that took the same command, everything else may not (except copied items).
    """

    order_id: str
    event_id: str
    status: str
    origin_region: str
    recorded_at: datetime
    subject: str
    body_hash: str
    idempotency_key: str | None = None
    occurred_at: datetime | None = None
    attempt: int | None = None
    courier: str | None = None
    city: str | None = None
    note: str | None = None
    items: tuple[Item, ...] = ()
    copied_items: bool = False

    @property
    def happened_at(self) -> datetime:
        return self.occurred_at or self.recorded_at

    @property
    def precedence(self) -> Precedence:
        """What decides between two events of one order, before the event id breaks a tie."""
        return (TERMINAL_CLASS.get(self.status, 0), self.attempt or 1, RANK[self.status])


@dataclass(frozen=True, slots=True)
class OrderState:
    """What an order is, given its events: the fold's result. Each derived field names the event it comes from."""

    order_id: str
    status: str
    attempt: int
    status_from: str
    day: date
    happened_at: datetime
    registered_at: datetime
    items: tuple[Item, ...]
    items_from: str | None
    courier: str | None
    courier_from: str | None
    city: str | None
    conflicts: tuple[str, ...]

    @property
    def total(self) -> Decimal | None:
        """Exact total in COP, or ``None`` while no event has brought items."""
        return total_of(self.items) if self.items_from is not None else None

    @property
    def precedence(self) -> Precedence:
        return (TERMINAL_CLASS.get(self.status, 0), self.attempt, RANK[self.status])


def total_of(items: Iterable[Item]) -> Decimal:
    return sum((item.price * item.quantity for item in items), Decimal(0))


def canonical(value: object) -> str:
    """JSON with sorted keys and plain numbers, so that equal bodies have equal text (1, 1.0 and 1.00 are equal)."""

    def plain(node: object) -> object:
        if isinstance(node, Decimal):
            return f"number:{node.normalize():f}" if node else "number:0"
        if isinstance(node, int) and not isinstance(node, bool):
            return f"number:{node}"
        if isinstance(node, str):
            return f"text:{node}"
        if isinstance(node, dict):
            return {key: plain(child) for key, child in node.items()}
        if isinstance(node, list):
            return [plain(child) for child in node]
        return node

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(*parts: object) -> str:
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") differ. surrogatepass: a lone surrogate is refused by
    # validation, but hashing it must not be what raises.
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def body_hash(body: object) -> str:
    """Hash of a body as the client sent it, parsed, before defaults."""
    return _digest(canonical(body))


def event_id(*, subject: str, order_id: str, status: str, idempotency_key: str | None, body_hash: str) -> str:
    """The identity of a command: the same in every Region that gets it, however often (128 bits, hex)."""
    return _digest("event", subject, order_id, status, idempotency_key or "", body_hash)[:32]


def order_id_for_key(*, subject: str, idempotency_key: str) -> str:
    """The order id of a command that names none: a hash of who sent it and its idempotency key."""
    return "o-" + _digest("order", subject, idempotency_key)[:30]


def winner(events: Iterable[Event]) -> Event:
    return max(events, key=lambda event: (event.precedence, event.event_id))


def fold(events: Iterable[Event]) -> OrderState | None:
    """Fold a set of events of one order into its state; ``None`` for the empty set."""
    known = {event.event_id: event for event in events}
    if not known:
        return None
    ordered = sorted(known.values(), key=lambda event: (event.precedence, event.event_id))
    top = ordered[-1]
    with_items = [event for event in ordered if event.items]
    with_courier = [event for event in ordered if event.courier is not None]
    with_city = [event for event in ordered if event.city is not None]
    source = with_items[-1] if with_items else None
    return OrderState(
        order_id=top.order_id,
        status=top.status,
        attempt=top.attempt or 1,
        status_from=top.event_id,
        day=day_in_bogota(top.happened_at),
        happened_at=top.happened_at,
        registered_at=min(event.recorded_at for event in ordered),
        items=source.items if source else (),
        items_from=source.event_id if source else None,
        courier=with_courier[-1].courier if with_courier else None,
        courier_from=with_courier[-1].event_id if with_courier else None,
        city=with_city[-1].city if with_city else None,
        conflicts=_conflicts(ordered),
    )


def state_of(events: Iterable[Event]) -> OrderState:
    """The fold of a set of events that is not empty."""
    state = fold(events)
    assert state is not None
    return state


def own_part(events: Iterable[Event], subject: str) -> tuple[Event, ...]:
    """What an account may know of an order if it sees its own orders only.

    All of it, if somebody else named the account as the courier; else what the account reported itself. So reporting
    on an order, or reserving its id, opens nobody else's words, nor the items that Relevo copied out of them.
    """
    known = tuple(events)
    own = tuple(event for event in known if event.subject == subject)
    if len(own) == len(known) or any(event.courier == subject and event.subject != subject for event in known):
        return known
    return tuple(replace(event, items=(), copied_items=False) if event.copied_items else event for event in own)


def _conflicts(ordered: list[Event]) -> tuple[str, ...]:
    """What no Region would have accepted knowing all: one status and attempt twice, two ends, or both ends.

    And a `delivered` that leaves open which of its order's items it means: two Regions may have copied different ones.
    """
    found: list[str] = []
    for earlier, later in pairwise(ordered):
        if earlier.precedence == later.precedence:
            found.append(f"two different events for {later.status}, attempt {later.attempt or 1}")
        elif earlier.status == later.status and later.status in TERMINAL_CLASS:
            found.append(f"{later.status} more than once")
    if {"delivered", "cancelled"} <= {event.status for event in ordered}:
        found.append("both delivered and cancelled")
    if any(event.status == "delivered" and (event.copied_items or not event.items) for event in ordered):
        named = {event.items for event in ordered if event.items and not event.copied_items}
        if len(named) > 1:
            found.append("delivered without items, and its order names different ones")
    return tuple(sorted(set(found)))


def transition_fault(state: OrderState | None, status: str, attempt: int | None) -> str | None:
    """Why a new event is ruled out by what this Region knows of the order; ``None`` if it is not.

    An order may start with any status. After that an event must take the order further; `delivered` still follows
    `cancelled`, because the parcel is gone whatever was decided.
    """
    if state is None:
        return None
    proposed: Precedence = (TERMINAL_CLASS.get(status, 0), attempt or 1, RANK[status])
    if state.status in TERMINAL_CLASS and TERMINAL_CLASS.get(status, 0) <= TERMINAL_CLASS[state.status]:
        # An end is an end, whatever the attempt.
        return f"order {state.order_id} is already {state.status}"
    if proposed > state.precedence:
        return None
    if proposed == state.precedence:
        return (
            f"order {state.order_id} is already {state.status} (attempt {state.attempt}) by another command; "
            "send a higher `attempt` for a new one"
        )
    return (
        f"order {state.order_id} is already {state.status} (attempt {state.attempt}); {status} "
        f"(attempt {attempt or 1}) comes before that. For a new attempt send a higher `attempt`"
    )


def self_contained(event: Event, state: OrderState | None) -> Event:
    """Give a `delivered` event the items that this Region knows of its order, so that its effect needs nothing else."""
    if event.status != "delivered" or event.items or state is None or not state.items:
        return event
    return replace(event, items=state.items, copied_items=True)


def publishable(event: Event, known: Iterable[Event]) -> Event | None:
    """The event as its processor needs it; ``None`` while a `delivered` still waits for its items."""
    complete = self_contained(event, fold(known))
    return None if complete.status == "delivered" and not complete.items else complete
