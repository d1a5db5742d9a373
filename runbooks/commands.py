"""The operators' commands of `relevo`."""

from __future__ import annotations

from typing import Final

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

ON_CALL: Final = "On call"


def register(app: typer.Typer) -> None:
    """Add the operators' commands to the root command."""
    for name, group in (("account", accounts), ("conflicts", conflicts), ("keys", keys), ("takeover", takeover)):
        app.add_typer(group, name=name, rich_help_panel=ON_CALL)
    for command in (drain, evacuate, readmit, reconcile, redrive, release, status, unpark):
        app.command(rich_help_panel=ON_CALL)(command)
    app.command("import", rich_help_panel=ON_CALL)(import_file)
