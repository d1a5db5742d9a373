"""What all simulated clients do: keep a schedule, run each arrival in its own greenlet, retry, write the ledger.

Open loop: latency counts from the scheduled time, and what finds no free greenlet is written down as dropped. Imports
Locust (and so gevent's patches): import it only in Locust's process.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from gevent.pool import Pool
from locust import User
from locust.env import Environment

from loadtests.addressing import AddressPolicy, FollowDns, NameResolver
from loadtests.arrivals import Schedule, due_times
from loadtests.connections import Connections, Exchange
from loadtests.fleet import Fleet
from loadtests.journeys import Command, CourierRound, DeliveryDesk
from loadtests.ledger import Ack, Arrival, Outcome, SentCommand, Try
from loadtests.ledger import User as Enlisted
from loadtests.retries import RetryPolicy, is_retryable
from loadtests.shapes import ARRIVALS_PER_USER

IN_FLIGHT_PER_USER = 32  # of one client; the bound is reported when it is hit
STOP_SECONDS = 12.0  # in-flight arrivals get this long when a user stops

log = logging.getLogger("relevo.users")


class UnservedError(Exception):
    """An arrival that got no 2xx within its patience, or was dropped at the bound."""


class RelevoUser(User):
    """What all classes share: schedule, greenlets, retries, the ledger."""

    abstract = True
    role: ClassVar[str]
    writes: ClassVar[bool]
    numbers: ClassVar[itertools.count[int]]
    retry: ClassVar[RetryPolicy] = RetryPolicy()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.numbers = itertools.count()

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.fleet: Fleet = environment.relevo_fleet  # type: ignore[attr-defined]  # set by the locustfile's init
        number = next(self.numbers)
        self.name = f"{type(self).__name__}{number:03d}"
        self.location = self.fleet.location_for(number)
        self.rng = random.Random(f"{self.fleet.seed}/{self.name}")
        self.pool = Pool(IN_FLIGHT_PER_USER)
        resolver = self.fleet.resolver_for(self.location)
        self.connections = Connections(self.fleet.host, self.address_policy(resolver), IN_FLIGHT_PER_USER)
        self.schedule: Schedule | None = None

    def address_policy(self, resolver: NameResolver) -> AddressPolicy:
        return FollowDns(self.fleet.hostname, resolver)

    def on_start(self) -> None:
        self.fleet.write(Enlisted(self.name, type(self).__name__, self.location))
        self.fleet.credentials.token_for(self.role, self.connections)
        self.schedule = Schedule(time.time(), due_times(ARRIVALS_PER_USER, self.fleet.spacing, self.rng))

    def on_stop(self) -> None:
        self.pool.join(timeout=STOP_SECONDS)
        self.connections.close()

    def wait_time(self) -> float:
        assert self.schedule is not None
        return self.schedule.wait_seconds(time.time())

    def arrive(self, work: Callable[[float], None], route: str) -> None:
        """Run one arrival beside the others; its time is the scheduled one, not now."""
        assert self.schedule is not None
        if self.schedule.wait_seconds(time.time()) > 0:
            return  # Locust runs a task before the first wait; nothing is due yet
        scheduled = self.schedule.take()
        if self.pool.free_count() == 0:
            self._report(route, scheduled, [], "dropped", None)
            return
        self.pool.spawn(work, scheduled)

    def exchange(self, scheduled: float, method: str, path: str, body: object, key: str | None) -> list[Exchange]:
        """Send until answered for good: full jitter between tries, the same body and key, patience since it was due."""
        exchanges: list[Exchange] = []
        while True:
            began = time.time()
            token = self.fleet.credentials.token_for(self.role, self.connections)
            if token is None:
                exchanges.append(Exchange(began, (time.time() - began) * 1000, 0, None, None, "no token"))
            else:
                exchanges.append(self.connections.send(method, path, body, token=token, key=key))
            last = exchanges[-1]
            if last.http == 401:
                self.fleet.credentials.forget(self.role, token)
            elif not is_retryable(last.http):
                return exchanges
            if self.retry.gives_up(len(exchanges), time.time() - scheduled):
                return exchanges
            time.sleep(self.retry.pause_seconds(len(exchanges), self.rng, last.retry_after))

    def _report(
        self, route: str, scheduled: float, exchanges: list[Exchange], outcome: Outcome, command: Command | None
    ) -> None:
        finished = time.time()
        tries = tuple(Try(e.at, round(e.ms, 2), e.http, e.region, e.address, e.error) for e in exchanges)
        self.fleet.write(
            Arrival(
                user=self.name,
                kind="command" if self.writes else "read",
                route=route,
                scheduled=scheduled,
                finished=finished,
                outcome=outcome,
                command_id=command.command_id if command else None,
                tries=tries,
            )
        )
        error = None
        if outcome != "ok":
            last = exchanges[-1] if exchanges else None
            error = UnservedError(outcome if last is None else f"{last.http} {last.error or ''}".strip())
        self.environment.events.request.fire(
            request_type=route.partition(" ")[0],
            name=route,
            response_time=(finished - scheduled) * 1000,
            response_length=exchanges[-1].length if exchanges else 0,
            exception=error,
            context={"user": self.name, "location": self.location},
        )
        if outcome == "dropped":
            self.fleet.note_dropped(self.name)


class Writer(RelevoUser):
    """Sends commands and keeps the ledger of them."""

    abstract = True
    writes = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        subject = self.fleet.credentials.username_for(self.role)
        self.source = self.command_source(subject)

    def command_source(self, subject: str) -> CourierRound | DeliveryDesk:
        return CourierRound(self.fleet.run, self.name, subject, self.rng)

    def send_next(self, scheduled: float) -> None:
        command = self.source.next_command(datetime.now(UTC))
        self._send(command, scheduled)

    def on_stop(self) -> None:
        """Send what could not be sent before: no command stays in doubt if the platform can take it."""
        self.pool.join(timeout=STOP_SECONDS)
        for _ in range(self.source.leftovers()):
            self.pool.spawn(self.send_next, time.time())
        super().on_stop()

    def _send(self, command: Command, scheduled: float) -> None:
        self.fleet.write(
            SentCommand(
                command_id=command.command_id,
                order_id=command.order_id,
                status=command.status,
                route=command.route,
                body=command.body,
                key=command.key,
                subject=command.subject,
                sequence=command.sequence,
                at=time.time(),
            )
        )
        exchanges = self.exchange(scheduled, "POST", command.path, command.body, command.key)
        last = exchanges[-1]
        if last.ok:
            order_id = str(last.body.get("order_id") or last.body.get("pedido_id") or command.order_id)
            event_id = last.body.get("event_id")
            event = event_id if isinstance(event_id, str) else None
            self.fleet.write(Ack(command.command_id, order_id, event, last.region, last.http, last.at + last.ms / 1000))
            self.source.acknowledged(command, order_id)
            if event is not None:
                self.fleet.recent.append((order_id, event))
        elif is_retryable(last.http) or last.http == 401:
            self.source.not_acknowledged(command)
        else:
            log.warning("%s refused: %s %s", command.command_id, last.http, last.error)
            self.source.refused(command)
        self._report(command.route, scheduled, exchanges, "ok" if last.ok else "failed", command)
