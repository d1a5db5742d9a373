"""The judge's own fold of an order's events, written from the rules in the design page, not from the product's code.

Works on stored items as they are read from a replica.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from loadtests.expectations import day_in_bogota

Item = Mapping[str, Any]

ORDER_OF_STATUSES: Final = ["created", "assigned", "in_transit", "failed", "delivered", "cancelled"]


@dataclass(frozen=True)
class Summary:
    """What the view must show of an order."""

    status: str
    total: Decimal | None
    day: date


def precedence(event: Item) -> tuple[int, int, int, str]:
    """Terminal class (delivered over cancelled over the rest), attempt or 1, rank, event id."""
    status = str(event["status"])
    terminal = {"delivered": 2, "cancelled": 1}.get(status, 0)
    return terminal, int(event.get("attempt") or 1), ORDER_OF_STATUSES.index(status), str(event["event_id"])


def total_of(event: Item) -> Decimal:
    return sum((Decimal(str(line["price"])) * int(line.get("quantity", 1)) for line in event["items"]), Decimal(0))


def summarize(events: Iterable[Item]) -> Summary:
    """Fold the events of one order; there must be at least one."""
    ranked = sorted(events, key=precedence)
    winner = ranked[-1]
    total = None
    for event in ranked:
        if event.get("items"):
            total = total_of(event)
    happened = str(winner.get("occurred_at") or winner["recorded_at"])
    return Summary(str(winner["status"]), total, day_in_bogota(datetime.fromisoformat(happened)))
