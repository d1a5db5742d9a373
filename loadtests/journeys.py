"""What clients want to say next: a courier's orders through their statuses, a client system's deliveries. Pure.

A command is made once and repeated unchanged (same body, same key) until it is acknowledged; the next command of an
order is made only after that, so the clients always know what the final state of each of their orders must be.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

from loadtests import colombia
from loadtests.colombia import Line

Route = Literal["POST /v1/orders", "POST /v1/orders/{id}/events", "POST /registrar_pedido_entregado"]
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

BOGOTA: Final = ZoneInfo("America/Bogota")
CREATE: Final[Route] = "POST /v1/orders"
EVENT: Final[Route] = "POST /v1/orders/{id}/events"
COMPAT: Final[Route] = "POST /registrar_pedido_entregado"


@dataclass(frozen=True)
class Command:
    """One command as a client sends it, body and key included. ``order_id`` is ``None`` when the server names it."""

    command_id: str
    order_id: str | None
    status: str
    route: Route
    path: str
    body: dict[str, JsonValue]
    key: str | None
    subject: str
    sequence: int  # within its order, as the client meant it


def price_number(price: Decimal) -> int | float:
    """A price as a JSON number whose text is exact (at most two decimals and below 1e9, a double carries it)."""
    return int(price) if price == price.to_integral_value() else float(price)


def _items(lines: tuple[Line, ...]) -> list[JsonValue]:
    items: list[JsonValue] = []
    for line in lines:
        item: dict[str, JsonValue] = {"product": line.product, "price": price_number(line.price)}
        if line.quantity != 1:
            item["quantity"] = line.quantity
        items.append(item)
    return items


def _utc_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _occurred(now: datetime, rng: random.Random) -> datetime | None:
    """When it happened, as the courier's telephone says: mostly now, sometimes unsaid."""
    return now if rng.random() < 0.85 else None


@dataclass
class _Parcel:
    order_id: str | None
    courier: str
    plan: tuple[tuple[str, int | None], ...]  # (status, attempt)
    done: int = 0


def plan_journey(rng: random.Random) -> tuple[tuple[str, int | None], ...]:
    """The statuses that one order will go through: most arrive at once, some at the second or third attempt."""
    roll = rng.random()
    start: tuple[tuple[str, int | None], ...] = (("created", None), ("assigned", None))
    if roll < 0.06:
        return (*start[: rng.randint(1, 2)], ("cancelled", None))
    failures = 0 if roll < 0.86 else 1 if roll < 0.97 else 2
    road: list[tuple[str, int | None]] = []
    for attempt in range(1, failures + 1):
        number = None if attempt == 1 else attempt
        road += [("in_transit", number), ("failed", attempt)]
    road.append(("in_transit", failures + 1 if failures else None))
    return (*start, *road, ("delivered", failures + 1 if failures else None))


class CourierRound:
    """The orders that one courier has on hand; hands out the next command and hears what became of it."""

    def __init__(self, run: str, user: str, subject: str, rng: random.Random) -> None:
        self._run = run
        self._user = user
        self._subject = subject
        self._rng = rng
        self._waiting: deque[_Parcel] = deque()  # acknowledged so far, next status can be sent
        self._unsent: deque[tuple[Command, _Parcel]] = deque()
        self._in_flight: dict[str, _Parcel] = {}
        self._orders = 0
        self._commands = 0

    def next_command(self, now: datetime) -> Command:
        """Return what to say now: what could not be sent before comes first, then known orders, then a new one."""
        if self._unsent:
            command, parcel = self._unsent.popleft()
        else:
            # A few orders side by side, so that one order's commands are seconds apart, as on the road.
            parcel = self._waiting.popleft() if len(self._waiting) >= 3 else self._new_parcel()
            command = self._command(parcel, now)
        self._in_flight[command.command_id] = parcel
        return command

    def acknowledged(self, command: Command, order_id: str) -> None:
        parcel = self._in_flight.pop(command.command_id)
        parcel.order_id = order_id
        parcel.done += 1
        if parcel.done < len(parcel.plan):
            self._waiting.append(parcel)

    def not_acknowledged(self, command: Command) -> None:
        """Keep the command for the next arrival: a courier's telephone sends later what it could not send."""
        self._unsent.append((command, self._in_flight.pop(command.command_id)))

    def refused(self, command: Command) -> None:
        """The server said no (4xx): the order goes no further."""
        self._in_flight.pop(command.command_id)

    def leftovers(self) -> int:
        return len(self._unsent)

    def _new_parcel(self) -> _Parcel:
        self._orders += 1
        server_names_it = self._rng.random() < 0.03
        order_id = None if server_names_it else f"{self._run}-{self._user}-{self._orders:05d}"
        return _Parcel(order_id, colombia.a_courier(self._rng), plan_journey(self._rng))

    def _command(self, parcel: _Parcel, now: datetime) -> Command:
        self._commands += 1
        status, attempt = parcel.plan[parcel.done]
        command_id = f"{self._run}-{self._user}-c{self._commands:05d}"
        key = f"{self._run}-{hashlib.sha256(command_id.encode()).hexdigest()[:24]}"
        body: dict[str, JsonValue] = {"status": status}
        occurred = _occurred(now, self._rng)
        if occurred is not None:
            body["occurred_at"] = _utc_text(occurred)
        if attempt is not None:
            body["attempt"] = attempt
        if status == "failed":
            body["note"] = colombia.a_failure_note(self._rng)
        first = parcel.done == 0
        if first:
            lines = colombia.an_order(self._rng)
            if parcel.order_id is not None:
                body["order_id"] = parcel.order_id
            body |= {"courier": parcel.courier, "city": colombia.a_city(self._rng), "items": _items(lines)}
        elif status == "assigned":
            body["courier"] = parcel.courier
        path = "/v1/orders" if first else f"/v1/orders/{parcel.order_id}/events"
        route = CREATE if first else EVENT
        return Command(command_id, parcel.order_id, status, route, path, body, key, self._subject, parcel.done)


class DeliveryDesk:
    """A client system of the old monitor: each arrival registers one delivered order through the old route."""

    def __init__(self, run: str, user: str, subject: str, rng: random.Random) -> None:
        self._run = run
        self._user = user
        self._subject = subject
        self._rng = rng
        self._unsent: deque[Command] = deque()
        self._orders = 0

    def next_command(self, now: datetime) -> Command:
        return self._unsent.popleft() if self._unsent else self._new(now)

    def acknowledged(self, command: Command, order_id: str) -> None:
        """A delivery is one command: nothing follows."""

    def not_acknowledged(self, command: Command) -> None:
        self._unsent.append(command)

    def refused(self, command: Command) -> None:
        """The server said no (4xx): the old clients drop it too."""

    def leftovers(self) -> int:
        return len(self._unsent)

    def _new(self, now: datetime) -> Command:
        self._orders += 1
        order_id = f"{self._run}-{self._user}-{self._orders:05d}"
        lines = colombia.an_order(self._rng, single_units=True)
        products: list[JsonValue] = []
        for line in lines:
            price: JsonValue = str(line.price) if self._rng.random() < 0.25 else price_number(line.price)
            products.append({"producto": line.product, "precio": price})
        body: dict[str, JsonValue] = {
            "pedido_id": order_id,
            "repartidor": colombia.a_courier(self._rng),
            "productos": products,
        }
        roll = self._rng.random()
        if roll < 0.9:  # a few tell of deliveries of the days before: they belong to those days' sales
            at = now - timedelta(days=self._rng.randint(1, 3)) if roll < 0.04 else now
            body["timestamp"] = at.astimezone(BOGOTA).isoformat(timespec="seconds")
        command_id = f"{self._run}-{self._user}-c{self._orders:05d}"
        return Command(
            command_id, order_id, "delivered", COMPAT, "/registrar_pedido_entregado", body, None, self._subject, 0
        )
