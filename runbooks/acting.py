"""How a command that acts speaks: its plan, its undo, and whether it acted; with `--json` as one document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from runbooks.asking import one_line_errors


class Act:
    """What a command says to people, line by line, and what stays of it for programs."""

    def __init__(self, as_json: bool, **about: object) -> None:
        self._as_json = as_json
        self._said: list[str] = []
        self.document: dict[str, object] = {**about, "acted": False, "undo": None, "said": self._said}

    def say(self, line: str) -> None:
        """One line, on standard error where the document is to stand alone."""
        self._said.append(line)
        typer.echo(line, err=self._as_json)

    def undo(self, how: str) -> None:
        """Say how to take it back."""
        self.document["undo"] = how
        self.say(f"undo: {how}")

    def may_begin(self, yes: bool) -> bool:
        """Whether it was told to act; otherwise says that nothing was done."""
        self.document["acted"] = yes
        if not yes:
            self.say("nothing done; add --yes to act")
        return yes

    def end(self) -> None:
        """Print the document, if one was asked for."""
        if self._as_json:
            typer.echo(json.dumps(self.document, ensure_ascii=False, indent=2))


@contextmanager
def acting(as_json: bool, **about: object) -> Iterator[Act]:
    """A command from its plan to its end. What is refused is one line and an exit code, and no document."""
    act = Act(as_json, **about)
    with one_line_errors():
        yield act
    act.end()
