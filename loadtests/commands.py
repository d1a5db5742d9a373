"""What load tests add to `relevo`: the lab, and what rehearses and measures. Every command's place in the help."""

from __future__ import annotations

from typing import Final

import typer

from loadtests.bench.command import bench
from loadtests.capacity.commands import capacity, cost
from loadtests.client_commands import app as client
from loadtests.drills.commands import drill
from loadtests.lab.commands import down, faults, up
from loadtests.simulation.commands import simulate

LAB: Final = "Lab"
REHEARSE: Final = "Rehearse and measure"


def register(app: typer.Typer) -> None:
    """Add them to the root command."""
    for command in (up, down):
        app.command(rich_help_panel=LAB)(command)
    app.add_typer(faults, name="fault", rich_help_panel=LAB)
    app.add_typer(client, name="client", rich_help_panel=LAB)
    app.add_typer(drill, name="drill", rich_help_panel=REHEARSE)
    for measure in (bench, capacity, cost, simulate):
        app.command(rich_help_panel=REHEARSE)(measure)
