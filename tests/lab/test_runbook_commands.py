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
def situations(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Situations]:
    """Commands find the lab by the folder that they are called in, and nothing but the lab."""
    monkeypatch.chdir(lab.layout.folder.parent)
    found = Situations(lab)
    try:
        yield found
    finally:
        found.end()


def essence(command: Command) -> tuple[object, ...]:
    """What tells a command from others: not the reason that is given with it."""
    words = command.words
    if "--reason" in words:
        words[words.index("--reason") + 1] = ""
    return (*words, *command.prints, command.exits)


def faults_of(command: Command, lab: RunningLab) -> Iterator[str]:
    done = lab.relevo(*command.words[1:])
    printed = f"{done.stdout}\n{done.stderr}"
    if done.exit_code != command.exits:
        yield f"{command.where}: {command.line}: exit code {done.exit_code}, {done.exception!r}:\n{printed}"
    # Tables wrap their cells and sentences their lines; words stay words.
    seen = " ".join(printed.split())
    for text in command.prints:
        if " ".join(text.split()) not in seen:
            yield f"{command.where}: {command.line}: prints no {text!r}:\n{printed}"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_commands_of_runbooks_do_what_they_say(situations: Situations, situation: str) -> None:
    done: set[tuple[object, ...]] = set()  # many pages ask for the same: once is enough in one situation
    faults: list[str] = []
    for runbook in runbooks():
        for block in runbook.blocks:
            commands = [command for command in block.commands if essence(command) not in done]
            if block.kind != "sh" or block.given != situation or not commands:
                continue
            situations.bring_about(situation)
            for command in commands:
                done.add(essence(command))
                faults.extend(faults_of(command, situations.lab))
    assert done
    assert not faults, "\n".join(faults)
