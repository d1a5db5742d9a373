"""The `relevo` command. Its parts register as entry points, so that runbooks need not know the load tests."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import entry_points

import typer

GROUP = "relevo.commands"


def build() -> typer.Typer:
    """Collect the commands of every installed part."""
    app = typer.Typer(
        name="relevo",
        help="Run, look after and rehearse Relevo.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
    )
    app.callback()(lambda: None)  # a single command would otherwise lose its name
    for part in sorted(entry_points(group=GROUP), key=lambda part: part.name):
        part.load()(app)
    return app


def main() -> None:
    # So that a command that is ended, say by CI, stops what it started, as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    build()()


if __name__ == "__main__":
    main()
