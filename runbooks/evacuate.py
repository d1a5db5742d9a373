"""`relevo drain` and `relevo evacuate`: take traffic off a Region from its healthy peer, and confirm that it is empty.

Nothing is called in the Region that is being left: it may be ill in a way that makes every call hang.
"""

from __future__ import annotations

import getpass
import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from runbooks.acting import Act, acting
from runbooks.asking import AsJson, RegionArgument, Yes, refuse
from runbooks.healthy_side import CLOCK_MARGIN, HealthySide, wait_for
from runbooks.target import current_target
from shared.adapters.control import RegisterTakenError
from shared.domain.takeover import NOBODY

# Before TimeScale. Register caches live for two seconds, heartbeats come every five from a drained Region.
SEEN_SECONDS: Final = 30.0
REPLICATED_SECONDS: Final = 60.0
IN_FLIGHT_SECONDS: Final = 60.0
LEAST_SECONDS: Final = 10.0  # a quick lab has short waits, but no faster machine

Reason = Annotated[str, typer.Option("--reason", help="Why, for the record and for whoever is on call next.")]


def drain(region: RegionArgument, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
    """Take new traffic off a Region; it keeps what it has, and comes back only by `relevo readmit`."""
    side = HealthySide(current_target(), region)
    with acting(as_json, region=region) as act:
        _say_plan(
            act, side, reason,
            ["health checks see it within their interval x threshold, clients leave within the DNS TTL"],
        )  # fmt: skip
        if not act.may_begin(yes):
            return
        _drain(side, reason)
        act.say(f"{side.target.name}: {region} is drained; {side.region} says so to Route 53's health checks")


def evacuate(region: RegionArgument, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
    """Drain a Region, wait until its clients have left and all its work has come over, and confirm it."""
    side = HealthySide(current_target(), region)
    leaves_seconds = side.target.detection_seconds + side.target.dns_ttl_seconds
    with acting(as_json, region=region) as act:
        _say_plan(
            act,
            side,
            reason,
            [
                f"wait {leaves_seconds:.0f} s: health checks see it, and every DNS answer that names it expires",
                f"wait until all that {region} has written by then is in {side.region} (heartbeats of the log)",
                f"wait until no event of {region} is without its effect in {side.region}",
            ],
        )
        if not act.may_begin(yes):
            return
        began = time.monotonic()
        _drain(side, reason)
        time.sleep(leaves_seconds)
        through = _replicated(side, datetime.now(UTC))
        in_flight_seconds = max(IN_FLIGHT_SECONDS * side.target.time_scale, LEAST_SECONDS)
        if not wait_for(lambda: side.in_flight() == 0, in_flight_seconds):
            refuse(f"{region} is drained, but {side.in_flight()} events wait for their effect: `takeover status`")
        seconds = round(time.monotonic() - began, 1)
        act.document |= {"seconds": seconds, "replicated_through": through.isoformat()}
        act.say(f"{side.target.name}: {region} is empty after {seconds:.0f} s: no clients, no work, all replicated")


def _say_plan(act: Act, side: HealthySide, reason: str, then: list[str]) -> None:
    register = side.register()
    act.say(f"{side.target.name}: leave {side.left} because: {reason}")
    if register.drains(side.left):
        act.say(f"  it is drained already, by {register.by}: {register.reason}")
    for number, step in enumerate([f"write draining={side.left} in {side.region}, nothing in {side.left}", *then], 1):
        act.say(f"  {number}. {step}")
    act.undo(f"relevo readmit {side.left} --yes")


def _drain(side: HealthySide, reason: str) -> None:
    """Write the register and wait until health checks can see it; refuses what would leave no Region serving (I7)."""
    register = side.register()
    if register.draining not in (NOBODY, side.left):
        refuse(f"{register.draining} is drained ({register.reason}); at most one Region may be: readmit it first")
    if not side.serves():
        refuse(f"{side.region} does not say that it serves: {side.left} may be the only healthy Region; nothing done")
    if not register.drains(side.left):
        try:
            side.drain(by=getpass.getuser(), reason=reason)
        except RegisterTakenError as error:
            refuse(f"{error}; look at `relevo takeover status`")
    if not wait_for(side.says_drained, SEEN_SECONDS * side.target.time_scale + 5.0):
        refuse(f"{side.region} does not show the register to health checks; see the runbook region-impaired")


def _replicated(side: HealthySide, quiet_at: datetime) -> datetime:
    """Wait until everything written before a moment has come over; raises ``typer.Exit`` if that cannot be seen."""
    through: list[datetime] = []

    def caught_up() -> bool:
        found = side.replicated_through()
        through.extend([found] if found else [])
        return found is not None and found >= quiet_at - CLOCK_MARGIN

    if not wait_for(caught_up, max(REPLICATED_SECONDS * side.target.time_scale, LEAST_SECONDS)):
        last = f"since {through[-1].isoformat()}" if through else "at all"
        refuse(
            f"{side.left} is drained, but its writes have not come over {last}: it does not beat, or replication "
            "stands; the rest comes when it returns, see `relevo takeover status`"
        )
    return through[-1]
