"""`relevo account plan`: which usage plan an account is on, Region by Region, each without the other.

A key is made before anything names it, and deleted when nothing names it any more. So a Region that is lost, or a run
that ended half-way, leaves an account on the plan that it had there; running the same command again does the rest.
"""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from runbooks.acting import Act, acting
from runbooks.asking import AsJson, NoAnswer, Yes, ask, refuse
from runbooks.target import Target, current_target
from runbooks.usage_plans import NoSuchPlanError, PlanKeys
from shared.domain.instants import to_text
from shared.domain.plans import KEY_FORGOTTEN_AFTER, KEY_KNOWN_AFTER, NO_PLAN, PlanInRegion
from shared.topology import TOPOLOGY

NONE: Final = "none"
PLANS: Final = {plan.name: plan for plan in TOPOLOGY.usage_plans}
PLANS_TEXT: Final = ", ".join((*PLANS, NONE))


@dataclass(frozen=True, slots=True)
class Standing:
    """An account in one Region, as that Region tells it."""

    is_known: bool
    noted: PlanInRegion | None
    keys: dict[str, str]  # ids, by plan

    @property
    def plan(self) -> str:
        return self.noted.plan if self.noted else NO_PLAN


def one_plan(value: str | None) -> str | None:
    """A plan of the topology, or none; for Typer's ``callback``."""
    if value is not None and value not in (*PLANS, NONE):
        raise typer.BadParameter(f"expected one of {PLANS_TEXT}")
    return value


def plan(
    username: Annotated[str, typer.Argument(help="The account of a client system.")],
    plan: Annotated[str, typer.Argument(help=f"One of {PLANS_TEXT}.", callback=one_plan)],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put an account on a usage plan in every Region, move it to another, or take it off. May be repeated."""
    target = current_target()
    wanted = NO_PLAN if plan == NONE else plan
    with acting(as_json, username=username, plan=plan) as act:
        seen = ask(TOPOLOGY.region_names, lambda region: standing(target.brief(), region, username))
        answers = [found for found in seen.values() if isinstance(found, Standing)]
        if answers and not any(found.is_known for found in answers):
            refuse(f"no Region knows an account {username!r}; see `relevo account list`")
        act.say(f"{target.name}: plan: {username!r} on {_words(wanted)}")
        for region, found in seen.items():
            act.say(f"  {region}: {_now(found)}")
        before = next((found.plan for found in answers if found.plan != wanted), wanted)
        act.undo(f"relevo account plan {shlex.quote(username)} {before or NONE} --yes")
        if act.may_begin(yes):
            give(act, target, username, wanted)


def give(act: Act, target: Target, username: str, wanted: str) -> None:
    """Bring every Region to the wanted plan; ends the command with code 1 where one did not answer."""
    done = ask(TOPOLOGY.region_names, lambda region: _settle(target, region, username, wanted))
    missing = []
    for region, found in done.items():
        if isinstance(found, NoAnswer):
            missing.append(f"{region} ({found.reason})")
            continue
        for line in found:
            act.say(f"{target.name}: {region}: {line}")
    if missing:
        again = f"relevo account plan {shlex.quote(username)} {wanted or NONE} --yes"
        refuse(f"not done in {', '.join(missing)}: there it stays as it was; run `{again}` when it answers")


def standing(target: Target, region: str, username: str) -> Standing:
    """Look at an account in one Region. Nothing is written."""
    account = target.accounts(region).account(username)
    keys = PlanKeys(target.client("apigateway", region)).of(username)
    return Standing(account is not None, account.plans.get(region) if account else None, keys)


def _settle(target: Target, region: str, username: str, wanted: str) -> list[str]:
    """Make the key, note the plan, delete what is left over: in this order, and in this Region alone."""
    return list(_steps(target, region, username, wanted))


def _steps(target: Target, region: str, username: str, wanted: str) -> Iterator[str]:
    keys = PlanKeys(target.client("apigateway", region))
    found, now = standing(target, region, username), datetime.now(UTC)
    noted = found.noted
    if found.plan != wanted or (wanted and wanted not in found.keys):
        starts_at = now
        if wanted:
            try:
                keys.admit(username, wanted)
            except NoSuchPlanError as error:
                yield f"nothing done: it has no usage plan {error} yet; `relevo release` makes it"
                return
            starts_at = now + KEY_KNOWN_AFTER * target.time_scale
        noted = PlanInRegion(wanted, starts_at, noted.at(now) if noted else NO_PLAN)
        target.accounts(region).set_plan(username, region, noted, by=getpass.getuser(), now=now)
        yield f"on {_words(wanted)} from {to_text(starts_at)} on; tokens in use within 6 minutes of that"
    else:
        yield f"on {_words(wanted)} already"
    left_over = {old: key for old, key in found.keys.items() if old != wanted}
    free_at = noted.starts_at + KEY_FORGOTTEN_AFTER if noted else now
    for old, key in left_over.items():
        if now < free_at:
            yield f"its key of {old} may still be named: run this again after {to_text(free_at)} to delete it"
        else:
            keys.remove(key)
            yield f"its key of {old} deleted"


def _words(name: str) -> str:
    if not name:
        return "no plan"
    found = PLANS[name]
    return (
        f"plan {name} ({found.requests_per_second}/s, {found.burst} at once, {found.requests_a_day:,} a day, in each "
        "Region; the old systems' routes refuse it)"
    )


def _now(found: Standing | NoAnswer) -> str:
    if isinstance(found, NoAnswer):
        return f"does not answer ({found.reason}); run this again when it does"
    return f"on plan {found.plan}" if found.plan else "on no plan"
