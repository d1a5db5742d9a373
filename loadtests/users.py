"""Locust's users: couriers, pinned clients, client systems and operators.

Each makes one arrival every two seconds by its own schedule. Imports Locust: import it only in Locust's process.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

from locust import tag, task
from locust.env import Environment

from loadtests.addressing import AddressPolicy, NameResolver, Pinned
from loadtests.connections import Exchange
from loadtests.journeys import BOGOTA, COMPAT, EVENT, CourierRound, DeliveryDesk
from loadtests.simulated import RelevoUser, Writer


class Courier(Writer):
    """Follows orders through their statuses with v1."""

    role = "courier"
    weight = 3

    @tag("courier", "write")
    @task
    def report_status(self) -> None:
        self.arrive(self.send_next, EVENT)


class PinnedClient(Writer):
    """A courier's application that keeps its connection for ever (see ``loadtests.addressing``)."""

    role = "courier"
    weight = 1

    def address_policy(self, resolver: NameResolver) -> AddressPolicy:
        return Pinned(self.fleet.hostname, resolver)

    @tag("pinned", "write")
    @task
    def report_status(self) -> None:
        self.arrive(self.send_next, EVENT)


class ClientSystem(Writer):
    """An old client system: registers deliveries through the compatibility route."""

    role = "client"
    weight = 2

    def command_source(self, subject: str) -> CourierRound | DeliveryDesk:
        return DeliveryDesk(self.fleet.run, self.name, subject, self.rng)

    @tag("client", "compat", "write")
    @task
    def register_delivery(self) -> None:
        self.arrive(self.send_next, COMPAT)


class Operator(RelevoUser):
    """Reads the day's figures, pages of orders and single orders."""

    role = "operator"
    writes = False
    weight = 6

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.cursors: deque[str] = deque(maxlen=4)

    @tag("operator", "read", "metrics")
    @task(4)
    def read_metrics(self) -> None:
        self.arrive(self._metrics, "GET /v1/metrics")

    @tag("operator", "read", "pages")
    @task(3)
    def read_page(self) -> None:
        self.arrive(self._page, "GET /v1/orders")

    @tag("operator", "read", "order")
    @task(3)
    def read_order(self) -> None:
        self.arrive(self._order, "GET /v1/orders/{id}")

    def _metrics(self, scheduled: float) -> None:
        day = f"?day={datetime.now(BOGOTA).date()}" if self.rng.random() < 0.3 else ""
        self._read(scheduled, f"/v1/metrics{day}", "GET /v1/metrics")

    def _page(self, scheduled: float) -> None:
        path = f"/v1/orders?limit={self.rng.choice((10, 20, 50))}"
        if self.cursors and self.rng.random() < 0.3:
            path += f"&cursor={self.cursors.popleft()}"
        elif self.rng.random() < 0.2:
            path += "&status=delivered"
        last = self._read(scheduled, path, "GET /v1/orders")
        cursor = last.body.get("next_cursor") if last.ok else None
        if isinstance(cursor, str) and "status=" not in path:
            self.cursors.append(cursor)

    def _order(self, scheduled: float) -> None:
        if not self.fleet.recent:  # nothing acknowledged yet: read figures, so that the rate stays
            self._metrics(scheduled)
            return
        # Whoever knows of an order from elsewhere says so: its Region may be behind, and would rightly answer 404.
        order_id, event_id = self.rng.choice(self.fleet.recent)
        self._read(scheduled, f"/v1/orders/{order_id}?at_least={event_id}", "GET /v1/orders/{id}")

    def _read(self, scheduled: float, path: str, route: str) -> Exchange:
        exchanges = self.exchange(scheduled, "GET", path, None, None)
        last = exchanges[-1]
        self._report(route, scheduled, exchanges, "ok" if last.ok else "failed", None)
        return last
