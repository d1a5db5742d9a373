"""`relevo readmit`: let a drained Region take traffic again. Written in the other, healthy Region's replica."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from runbooks.target import current_target
from shared.adapters.control import RegisterTakenError
from shared.topology import TOPOLOGY


def readmit(
    region: Annotated[str, typer.Argument(help="The drained Region, such as us-east-1.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "readmitted by hand",
    yes: Annotated[bool, typer.Option("--yes", help="Act; without it the plan is only printed.")] = False,
) -> None:
    """Clear the drain register, so that Route 53 sends a Region traffic again."""
    if region not in TOPOLOGY.region_names:
        raise typer.BadParameter(f"expected one of {', '.join(TOPOLOGY.region_names)}", param_hint="REGION")
    healthy, target = TOPOLOGY.peer_of(region), current_target()
    control = target.control(healthy)
    register = control.register()
    if not register.drains(region):
        typer.echo(f"{target.name}: {region} is not drained (register: {register.draining}); nothing to do")
        return
    typer.echo(f"{target.name}: {region} was drained by {register.by} because: {register.reason}")
    typer.echo(f"plan: write draining=none into {TOPOLOGY.control_table} in {healthy}; nothing is called in {region}")
    if not yes:
        typer.echo("nothing done; add --yes to act")
        return
    try:
        control.readmit(region, by=getpass.getuser(), reason=reason, now=datetime.now(UTC))
    except RegisterTakenError as error:
        typer.echo(f"relevo: {error}; look at `relevo status` first", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{target.name}: {region} readmitted; health checks see it within their interval x threshold")
