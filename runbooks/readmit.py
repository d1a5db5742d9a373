"""`relevo readmit`: let a drained Region take traffic again, once it has caught up. Its peer's register is written."""

from __future__ import annotations

import getpass
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from runbooks.acting import Act, acting
from runbooks.asking import AsJson, RegionArgument, Yes, reason_of, refuse
from runbooks.healthy_side import CLOCK_MARGIN, HEARTBEATS, HealthySide, wait_for
from runbooks.target import current_target
from shared.adapters.control import RegisterTakenError
from shared.adapters.dead_letter_queues import DeadLetterQueues
from shared.adapters.peer import peer_serves
from shared.domain.instants import day_in_bogota
from shared.topology import IMPORTS, STATUSES, TOPOLOGY, WEBHOOKS

# A Region that comes back works off what it missed; before TimeScale, but never less than the lab needs for it.
CATCH_UP_SECONDS: Final = 120.0
LEAST_CATCH_UP_SECONDS: Final = 30.0
SEEN_SECONDS: Final = 30.0
DAYS: Final = 2  # whose figures are compared: today and yesterday


class Return:
    """What is looked at in a Region that is to take traffic again, against its peer that has served meanwhile."""

    def __init__(self, side: HealthySide) -> None:
        self.side = side
        self.region = side.left
        target = side.target.brief()
        self._target = side.target
        self._dead_letters = DeadLetterQueues(target.client("sqs", self.region))
        self._log = target.order_log(self.region)
        self._views = {region: target.order_queries(region) for region in TOPOLOGY.region_names}
        self._began = datetime.now(UTC)
        self._orders_there: dict[int, Decimal] | None = None

    def serves(self) -> bool:
        return peer_serves(self._target.api_url(self.region), TOPOLOGY.region_api_name(self.region))

    def log_has_caught_up(self) -> bool:
        """Whether all that the peer had written when this began has come over: its heartbeats, in every key."""
        beats = self._log.beats(region=self.side.region, numbers=HEARTBEATS)
        return len(beats) == len(HEARTBEATS) and all(beat.beat_at >= self._began - CLOCK_MARGIN for beat in beats)

    def view_has_caught_up(self) -> bool:
        """Whether its view counts as many orders as the peer's did when this was asked first."""
        if self._orders_there is None:
            self._orders_there = self._orders(self.side.region)
        here = self._orders(self.region)
        return all(here[day] >= count for day, count in self._orders_there.items())

    def _orders(self, region: str) -> dict[int, Decimal]:
        """How many orders a Region's view counts today and yesterday."""
        counts: dict[int, Decimal] = {}
        for back in range(DAYS):
            parts, _ = self._views[region].day(day_in_bogota(self._began) - timedelta(days=back))
            by_status = [part.get(f"status:{status}", Decimal(0)) for part in parts for status in STATUSES]
            counts[back] = sum(by_status, Decimal(0))
        return counts

    def dead_letters(self) -> dict[str, int]:
        """Messages in its dead-letter queues; empty ones are left out.

        A client's deaf receiver keeps no Region out, nor does a file: a drained Region imports none.
        """
        depths = self._dead_letters.depths()
        return {queue: depth for queue, depth in depths.items() if depth and queue not in (WEBHOOKS, IMPORTS)}


def readmit(
    region: RegionArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "readmitted by hand",
    accept_dead_letters: Annotated[
        bool, typer.Option("--accept-dead-letters", help="Come back although messages wait in its dead-letter queues.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let a drained Region take traffic again: it must serve, have caught up, and have no dead letters."""
    side = HealthySide(current_target(), region)
    name = side.target.name
    with acting(as_json, region=region) as act:
        register = side.register()
        if not register.drains(region):
            act.say(f"{name}: {region} is not drained (register: {register.draining}); nothing to do")
            return
        act.say(f"{name}: {region} was drained by {register.by} because: {register.reason}")
        act.say(f"  1. {region} serves, its log has all of {side.region}, its view counts the same, no dead letters")
        act.say(f"  2. write draining=none into {TOPOLOGY.control_table} in {side.region}")
        act.say(f"  3. clients come back, each when its DNS answer expires (in {side.target.dns_ttl_seconds:g} s)")
        act.undo(f"relevo drain {region} --reason {shlex.quote(register.reason)} --yes")
        if not act.may_begin(yes):
            return
        _check(act, Return(side), accept_dead_letters)
        try:
            side.readmit(by=getpass.getuser(), reason=reason)
        except RegisterTakenError as error:
            refuse(f"{error}; look at `relevo takeover status` first")
        wait_for(lambda: not side.says_drained(), SEEN_SECONDS * side.target.time_scale + 5.0)
        act.say(f"{name}: {region} readmitted; health checks see it within {side.target.detection_seconds:g} s")


def _check(act: Act, back: Return, accept_dead_letters: bool) -> None:
    """Wait until the Region has caught up; ends the command, with what to do, if it does not."""
    region, deadline = (
        back.region,
        time.monotonic() + max(CATCH_UP_SECONDS * back.side.target.time_scale, LEAST_CATCH_UP_SECONDS),
    )
    for claim, advice, holds in (
        ("serves", "see the runbook region-impaired", back.serves),
        (f"has all that {back.side.region} wrote", "see the runbook replication-stalled", back.log_has_caught_up),
        (f"counts the orders of {back.side.region}", f"try `relevo reconcile {region}`", back.view_has_caught_up),
    ):
        if not _becomes_true(holds, deadline - time.monotonic()):
            refuse(f"{region} stays drained: it is not seen that it {claim}; {advice}")
        act.say(f"  {region} {claim}")
    dead = back.dead_letters()
    if dead and not accept_dead_letters:
        depths = ", ".join(f"{depth} in {status}" for status, depth in dead.items())
        refuse(f"{region} stays drained: dead letters wait ({depths}); `relevo redrive`, or --accept-dead-letters")
    act.say(f"  {region} has {'accepted' if dead else 'no'} dead letters")


def _becomes_true(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether a claim is seen to hold in time; a Region that does not answer yet is asked again."""
    trouble = ""

    def seen() -> bool:
        nonlocal trouble
        try:
            return holds()
        except (ClientError, BotoCoreError) as error:
            trouble = reason_of(error)
            return False

    done = wait_for(seen, max(seconds, 1.0))
    if not done and trouble:
        typer.echo(f"  last trouble: {trouble}", err=True)
    return done
