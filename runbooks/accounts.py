"""`relevo account`: who may log in. A password is asked for or read from standard input, never taken as an argument."""

from __future__ import annotations

import getpass
import json
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from runbooks.account_plans import NONE, PLANS_TEXT, give, one_plan
from runbooks.account_plans import plan as put_on_plan
from runbooks.acting import acting
from runbooks.asking import AsJson, Yes, one_line_errors, one_region, refuse
from runbooks.target import current_target
from shared.adapters.accounts import AccountExistsError
from shared.domain.auth import MAX_PASSWORD, MIN_PASSWORD, Account, Role, hash_password
from shared.domain.commands import text_of
from shared.topology import TOPOLOGY

WriteRegion = Annotated[
    str, typer.Option(help="Region to write in; the others get it by replication.", callback=one_region)
]
# Functions look at an account once a minute, and API Gateway remembers the authorizer's answer for five.
LOCK_SEEN: Final = "log-in is refused at once, tokens that it has within 6 minutes"

app = typer.Typer(help="Accounts that may log in.", no_args_is_help=True)
app.command("plan")(put_on_plan)


def read_password() -> str:
    """Ask twice on a terminal, or read one line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@app.command()
def add(
    username: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[Role, typer.Option(help="What the account may do.")] = "client",
    region: WriteRegion = TOPOLOGY.owner_region,
    plan: Annotated[
        str | None, typer.Option(help=f"Usage plan of a client system: {PLANS_TEXT}.", callback=one_plan)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an account. The password is prompted for, or read from standard input."""
    try:
        text_of(username)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="USERNAME") from error
    password = read_password()
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        refuse(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters", 2)
    target = current_target()
    with acting(as_json, username=username, role=role) as act:
        try:
            target.accounts(region).add(Account(username, role, hash_password(password)), now=datetime.now(UTC))
        except AccountExistsError:
            refuse(f"there is an account {username!r} already; choose another name")
        act.document["acted"] = True
        act.say(f"{target.name}: account {username!r} made, role {role}")
        if plan not in (None, NONE):
            give(act, target, username, plan)
        act.undo(f"relevo account lock {shlex.quote(username)} --yes")


@app.command()
def lock(
    username: Annotated[str, typer.Argument(help="The account that may not be used any more.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "locked by hand",
    region: WriteRegion = TOPOLOGY.owner_region,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Lock an account: it cannot log in, and tokens that it has are refused."""
    _set_lock(username, locked=True, reason=reason, region=region, yes=yes, as_json=as_json)


@app.command()
def unlock(
    username: Annotated[str, typer.Argument(help="The account that may be used again.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "unlocked by hand",
    region: WriteRegion = TOPOLOGY.owner_region,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Unlock an account, with the password that it had."""
    _set_lock(username, locked=False, reason=reason, region=region, yes=yes, as_json=as_json)


def _set_lock(username: str, *, locked: bool, reason: str, region: str, yes: bool, as_json: bool) -> None:
    word, opposite = ("lock", "unlock") if locked else ("unlock", "lock")
    target = current_target()
    with acting(as_json, username=username) as act:
        accounts = target.accounts(region)
        account = accounts.account(username)
        if account is None:
            refuse(f"{region} knows no account {username!r}; see `relevo account list`")
        if account.locked == locked:
            act.say(f"{target.name}: account {username!r} is {word}ed already; nothing to do")
            return
        act.say(f"{target.name}: plan: {word} account {username!r}, role {account.role}, written in {region}")
        act.undo(f"relevo account {opposite} {shlex.quote(username)} --yes")
        if not act.may_begin(yes):
            return
        accounts.set_lock(username, locked=locked, by=getpass.getuser(), reason=reason, now=datetime.now(UTC))
        act.say(f"{target.name}: account {username!r} {word}ed; {LOCK_SEEN if locked else 'it may log in at once'}")


@app.command("list")
def list_accounts(
    region: Annotated[str, typer.Option(help="Whose replica to read.", callback=one_region)] = TOPOLOGY.owner_region,
    as_json: AsJson = False,
) -> None:
    """List accounts with role and lock, never a password's hash. Nothing is written."""
    target = current_target()
    with one_line_errors():
        found = target.accounts(region).every()
    if as_json:
        typer.echo(json.dumps([asdict(account) for account in found], indent=2))
        return
    for account in found:
        lock_text = ""
        if account.locked:
            lock_text = f", LOCKED since {account.lock_changed_at} by {account.lock_changed_by}: {account.lock_reason}"
        plans = sorted({f", plan {plan} in {region}" for region, plan in account.plans.items()})
        typer.echo(f"{account.username}: {account.role}, made {account.created_at}{''.join(plans)}{lock_text}")
    typer.echo(f"{len(found)} accounts in {region}")
