"""The operators' commands of `relevo`."""

from __future__ import annotations

import typer

from runbooks.accounts import app as accounts
from runbooks.conflicts import app as conflicts
from runbooks.evacuate import drain, evacuate
from runbooks.imports import import_file
from runbooks.keys import app as keys
from runbooks.readmit import readmit
from runbooks.reconcile import reconcile
from runbooks.redrive import redrive
from runbooks.release import release
from runbooks.status import status
from runbooks.takeover import app as takeover
from runbooks.unpark import unpark


def register(app: typer.Typer) -> None:
    """Add the operators' commands to the root command."""
    app.add_typer(accounts, name="account")
    app.add_typer(conflicts, name="conflicts")
    app.add_typer(keys, name="keys")
    app.add_typer(takeover, name="takeover")
    app.command()(drain)
    app.command()(evacuate)
    app.command("import")(import_file)
    app.command()(readmit)
    app.command()(reconcile)
    app.command()(redrive)
    app.command()(release)
    app.command()(status)
    app.command()(unpark)
