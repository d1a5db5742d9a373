"""`relevo account`: who may log in. A password is asked for or read from standard input, never taken as an argument."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from runbooks.target import current_target
from shared.adapters.accounts import AccountExistsError
from shared.domain.auth import MAX_PASSWORD, MIN_PASSWORD, ROLES, Account, hash_password
from shared.domain.commands import text_of
from shared.topology import TOPOLOGY

app = typer.Typer(help="Accounts that may log in.", no_args_is_help=True)


def read_password() -> str:
    """Ask twice on a terminal, or read one line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@app.command()
def add(
    username: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "client",
    region: Annotated[
        str, typer.Option(help="Region to write in; the others get it by replication.")
    ] = TOPOLOGY.owner_region,
) -> None:
    """Make an account. The password is prompted for, or read from standard input."""
    if role not in ROLES:
        raise typer.BadParameter(f"expected one of {', '.join(ROLES)}", param_hint="--role")
    if region not in TOPOLOGY.region_names:
        raise typer.BadParameter(f"expected one of {', '.join(TOPOLOGY.region_names)}", param_hint="--region")
    try:
        text_of(username)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="USERNAME") from error
    password = read_password()
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        typer.echo(f"relevo: a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters", err=True)
        raise typer.Exit(2)
    target = current_target()
    try:
        target.accounts(region).add(Account(username, role, hash_password(password)), now=datetime.now(UTC))
    except AccountExistsError:
        typer.echo(f"relevo: there is an account {username!r} already; choose another name", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{target.name}: account {username!r} made, role {role}")
