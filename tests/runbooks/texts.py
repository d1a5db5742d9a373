"""Reads runbooks: front matter, headings, and the commands in their fenced blocks, with what each must print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from typer.main import get_command

from runbooks.cli import build

FOLDER: Final = Path(__file__).parents[2] / "runbooks"
INDEX: Final = "README.md"
HEADINGS: Final = ("Symptoms", "Diagnose (read-only)", "Mitigate", "Verify", "Roll back", "Escalate")
FIELDS: Final = ("alarm", "severity", "drill", "last_drilled", "achieved")

# What the lab test can bring about; `nothing` is a healthy lab without faults.
NOTHING: Final = "nothing"
SITUATIONS: Final = (
    NOTHING,
    "a dead letter waits in us-east-1",
    "a key rotation is under way",
    "account courier-ana exists",
    "an order is missing in the view of us-east-1",
    "us-east-1 is drained",
    "us-east-2 is drained",
    "replication is cut",
    "us-east-1 is frozen",
)

# `sh` is run in the lab; `sh drill` acts for long, `sh aws` needs an account: their form is checked.
Kind = Literal["sh", "sh drill", "sh aws"]
KINDS: Final[dict[str, Kind]] = {"sh": "sh", "sh drill": "sh drill", "sh aws": "sh aws"}


class RunbookError(Exception):
    """A runbook is not written as runbooks are."""


@dataclass
class Command:
    """One line of a block, and what must come of it."""

    where: str  # file and line
    line: str
    prints: list[str] = field(default_factory=list)
    exits: int = 0

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line)


@dataclass
class Block:
    """One fenced block of commands, under its heading."""

    where: str
    heading: str
    kind: Kind
    given: str = NOTHING
    commands: list[Command] = field(default_factory=list)


@dataclass(frozen=True)
class Runbook:
    """One file."""

    path: Path
    front: dict[str, str]
    text: str  # below the front matter
    headings: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def summary(self) -> str:
        """What stands before the first heading."""
        return self.text.partition("\n## ")[0]

    def commands(self, *kinds: Kind) -> Iterator[tuple[Block, Command]]:
        for block in self.blocks:
            if not kinds or block.kind in kinds:
                for command in block.commands:
                    yield block, command


def read(path: Path) -> Runbook:
    """Read one runbook; raises ``RunbookError`` where it has no front matter or an odd block."""
    content = path.read_text(encoding="utf-8")
    found = re.match(r"---\n(.*?)\n---\n(.*)\Z", content, re.DOTALL)
    if found is None:
        raise RunbookError(f"{path.name}: no front matter")
    text = found[2]
    first_line = content.count("\n", 0, found.start(2)) + 1
    headings, blocks = _parts(path.name, text, first_line)
    front = dict(line.split(": ", 1) for line in found[1].splitlines())
    return Runbook(path, front, text, headings, blocks)


def runbooks() -> list[Runbook]:
    return [read(path) for path in sorted(FOLDER.glob("*.md")) if path.name != INDEX]


def index() -> str:
    return (FOLDER / INDEX).read_text(encoding="utf-8")


def _parts(name: str, text: str, first_line: int) -> tuple[tuple[str, ...], tuple[Block, ...]]:
    headings: list[str] = []
    blocks: list[Block] = []
    block: Block | None = None
    for number, line in enumerate(text.splitlines(), first_line):
        where = f"{name}:{number}"
        if line.startswith("```") and block is None:
            kind = KINDS.get(line.removeprefix("```"))
            if kind is None:
                raise RunbookError(f"{where}: expected a block of {', '.join(KINDS)}, not {line!r}")
            block = Block(where, headings[-1] if headings else "", kind)
            blocks.append(block)
        elif line == "```":
            block = None
        elif block is not None:
            _add(block, where, line)
        elif line.startswith("## "):
            headings.append(line.removeprefix("## "))
    if block is not None:
        raise RunbookError(f"{block.where}: the block has no end")
    return tuple(headings), tuple(blocks)


def _add(block: Block, where: str, line: str) -> None:
    """Take a line of a block: a situation before the commands, an expectation after one, or a command."""
    if not line.startswith("#"):
        block.commands.append(Command(where, line))
        return
    found = re.fullmatch(r"# (given|prints|exits): (.+)", line)
    match (found[1], found[2]) if found else None:
        case ("given", situation) if situation in SITUATIONS and not block.commands:
            block.given = situation
        case ("prints", text) if block.commands:
            block.commands[-1].prints.append(text)
        case ("exits", code) if block.commands and code.isdigit():
            block.commands[-1].exits = int(code)
        case _:
            raise RunbookError(f"{where}: not understood: {line!r}")


@cache
def relevo() -> Any:  # Typer brings its own click, which has no name outside of it
    """The tree of all `relevo` commands."""
    return get_command(build())


def understood(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Find a `relevo` command and parse its arguments without running it: its name, and the values by parameter."""
    command, path, rest = relevo(), [], words[1:]
    while commands := getattr(command, "commands", None):
        if not rest or rest[0] not in commands:
            raise RunbookError(f"there is no command `{' '.join(words)}`")
        path.append(rest[0])
        command, rest = commands[rest[0]], rest[1:]
    name = " ".join(path)
    try:
        return name, dict(command.make_context(name, list(rest)).params)
    except Exception as error:
        raise RunbookError(f"`{' '.join(words)}` is not understood: {error}") from error
