"""What the ledger's own arithmetic says the product must show: each order's final state and each day's sales.

A client sends the commands of one order one after the other, so the last one that arrived is its final state; nothing
of the product's fold is used here. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from loadtests.journeys import BOGOTA, COMPAT
from loadtests.ledger import Ledger, SentCommand


@dataclass(frozen=True)
class SentLine:
    product: str
    price: Decimal
    quantity: int


@dataclass(frozen=True)
class SentContent:
    """What a command said, whichever of the two contracts it used."""

    status: str
    courier: str | None
    city: str | None
    note: str | None
    attempt: int | None
    occurred_at: datetime | None
    items: tuple[SentLine, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.price * line.quantity for line in self.items), Decimal(0))


def content_of(command: SentCommand) -> SentContent:
    """Return the content of a command in one form for both contracts."""
    body: Mapping[str, Any] = command.body
    if command.route == COMPAT:
        lines = tuple(SentLine(line["producto"], Decimal(str(line["precio"])), 1) for line in body["productos"])
        at = _instant(body.get("timestamp"))
        return SentContent("delivered", body["repartidor"], None, None, None, at, lines)
    lines = tuple(
        SentLine(line["product"], Decimal(str(line["price"])), int(line.get("quantity", 1)))
        for line in body.get("items", [])
    )
    return SentContent(
        status=str(body.get("status", "created")),
        courier=body.get("courier"),
        city=body.get("city"),
        note=body.get("note"),
        attempt=body.get("attempt"),
        occurred_at=_instant(body.get("occurred_at")),
        items=lines,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def day_in_bogota(at: datetime) -> date:
    return at.astimezone(BOGOTA).date()


@dataclass(frozen=True)
class ExpectedOrder:
    """The final state of an order as its clients know it; more than one possible day around midnight."""

    order_id: str
    status: str
    total: Decimal
    days: frozenset[date]


def expected_orders(ledger: Ledger, arrived: Collection[str]) -> dict[str, ExpectedOrder]:
    """Return each order's final state.

    ``arrived`` are commands that were never acknowledged but did reach the log: they count, with the client's content.
    """
    per_order: dict[str, list[SentCommand]] = {}
    counted = set(ledger.acks) | set(arrived)
    for command_id in counted:
        command = ledger.commands.get(command_id)
        order_id = None if command is None else ledger.order_of(command)
        if command is not None and order_id is not None:
            per_order.setdefault(order_id, []).append(command)
    expected: dict[str, ExpectedOrder] = {}
    for order_id, commands in per_order.items():
        commands.sort(key=lambda command: command.sequence)
        last = commands[-1]
        total = next((content.total for content in map(content_of, commands) if content.items), Decimal(0))
        expected[order_id] = ExpectedOrder(order_id, last.status, total, _possible_days(ledger, last))
    return expected


def _possible_days(ledger: Ledger, command: SentCommand) -> frozenset[date]:
    """The day that the client named, or the days on which an unnamed time can lie: between sending and the answer."""
    named = content_of(command).occurred_at
    if named is not None:
        return frozenset({day_in_bogota(named)})
    ack = ledger.acks.get(command.command_id)
    latest = ack.at if ack is not None else command.at + 3600
    return frozenset(day_in_bogota(datetime.fromtimestamp(at, UTC)) for at in (command.at - 1, latest + 1))


@dataclass(frozen=True)
class DaySales:
    """Sales of a day: what is sure, and what may belong to it or to a day beside it (sent at midnight, untimed)."""

    sure: Decimal
    unsure: Decimal
    delivered: int


def expected_sales(orders: Mapping[str, ExpectedOrder]) -> dict[date, DaySales]:
    """Add up the delivered orders per day of Bogota."""
    sales: dict[date, DaySales] = {}
    for order in orders.values():
        if order.status != "delivered":
            continue
        for day in order.days:
            known = sales.get(day, DaySales(Decimal(0), Decimal(0), 0))
            if len(order.days) == 1:
                sales[day] = DaySales(known.sure + order.total, known.unsure, known.delivered + 1)
            else:
                sales[day] = DaySales(known.sure, known.unsure + order.total, known.delivered)
    return sales
