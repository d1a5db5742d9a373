"""Every command that a runbook tells people to run is run here, in the situation that it is written for.

What acts for long or needs an AWS account (`sh drill`, `sh aws`) is checked by its form, in tests/runbooks.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.running_lab import RunningLab
from tests.lab.situations import Situations
from tests.runbooks.texts import SITUATIONS, Command, runbooks

pytestmark = pytest.mark.lab


@pytest.fixture
def situations(lab: RunningLab) -> Iterator[Situations]:
    found = Situations(lab)
    try:
        yield found
    finally:
        found.end()


def essence(command: Command) -> tuple[object, ...]:
    """What tells a command from others: not the reason that is given with it, nor what it is run for."""
    words = command.words
    if "--reason" in words:
        words[words.index("--reason") + 1] = ""
    return (*words, command.exits)


def faults_of(command: Command, everyone: list[Command], lab: RunningLab) -> Iterator[str]:
    """Run a command once, for everyone who expects something of it."""
    done = lab.relevo(*command.words[1:])
    printed = f"{done.stdout}\n{done.stderr}"
    if done.exit_code != command.exits:
        yield f"{command.where}: {command.line}: exit code {done.exit_code}, {done.exception!r}:\n{printed}"
    # Tables wrap their cells and sentences their lines; words stay words.
    seen = " ".join(printed.split())
    for one in everyone:
        for text in one.prints:
            if " ".join(text.split()) not in seen:
                yield f"{one.where}: {one.line}: prints no {text!r}:\n{printed}"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_commands_of_runbooks_do_what_they_say(situations: Situations, situation: str) -> None:
    found = [block for runbook in runbooks() for block in runbook.blocks]
    blocks = [block for block in found if block.kind == "sh" and block.given == situation]
    # Many pages ask for the same: it is run where it stands first, and must print what all of them say.
    waiting: dict[tuple[object, ...], list[Command]] = {}
    for block in blocks:
        for command in block.commands:
            waiting.setdefault(essence(command), []).append(command)
    assert waiting
    faults: list[str] = []
    for block in blocks:
        if any(essence(command) in waiting for command in block.commands):
            situations.bring_about(situation)
        for command in block.commands:
            if everyone := waiting.pop(essence(command), None):
                faults.extend(faults_of(command, everyone, situations.lab))
    assert not waiting
    assert not faults, "\n".join(faults)
