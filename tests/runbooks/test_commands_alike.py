"""What holds for every `relevo` command: a document for programs stands alone on standard output, plans included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runbooks.texts import RunbookError, relevo, understood
from tests.runbooks.two_regions import HERE, TwoRegions

PROCESSES = {"up", "down"}  # they start and end something that runs: they have nothing to tell a program
PLANS = (
    ("drain", HERE, "--reason", "a test"),
    ("evacuate", HERE, "--reason", "a test"),
    ("readmit", HERE),
    ("unpark", HERE),
    ("keys", "rotate"),
    ("account", "lock", "ana"),
    ("account", "unlock", "ana"),
    ("account", "plan", "ana", "small"),
    ("redrive", HERE, "created"),
    ("reconcile", HERE, "--rebuild"),
    ("release",),
    ("release", "--back", HERE),
)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, part in getattr(command, "commands", {}).items():
        yield from leaves(part, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), command


COMMANDS = dict(leaves(relevo()))


def test_the_help_groups_commands_by_who_needs_them_when() -> None:
    groups = {command.rich_help_panel for command in relevo().commands.values()}
    assert groups == {"Lab", "On call", "Rehearse and measure"}


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - PROCESSES))
def test_every_command_has_a_document_for_programs(name: str) -> None:
    assert any("--json" in option.opts for option in COMMANDS[name].params)


@pytest.mark.parametrize("arguments", PLANS, ids=" ".join)
def test_a_plan_is_one_document_alone_on_standard_output(regions: TwoRegions, arguments: tuple[str, ...]) -> None:
    regions.make_keyring()
    regions.make_queues()
    regions.run("account", "add", "ana", given="correct horse\n")
    done = regions.run(*arguments, "--json")
    assert (done.exit_code, type(json.loads(done.stdout))) == (0, dict), done.output
    assert "nothing" in done.stderr or "no difference" in done.stderr, "people are told besides"


def test_every_command_that_asks_to_be_told_yes_is_among_the_plans() -> None:
    asking = {name for name, command in COMMANDS.items() if any("--yes" in option.opts for option in command.params)}
    planned = {name for name in asking for words in PLANS if " ".join(words).startswith(name)}
    assert {name for name in asking - planned if not name.startswith("drill ")} == set()


def test_what_was_done_and_how_to_undo_it_stand_in_the_document(regions: TwoRegions) -> None:
    made = json.loads(regions.run("account", "add", "ana", "--json", given="correct horse\n").stdout)
    assert (made["acted"], made["undo"]) == (True, "relevo account lock ana --yes")
    for word, opposite in (("lock", "unlock"), ("unlock", "lock")):
        planned = json.loads(regions.run("account", word, "ana", "--json").stdout)
        done = json.loads(regions.run("account", word, "ana", "--yes", "--json").stdout)
        assert (planned["acted"], done["acted"]) == (False, True)
        assert planned["undo"] == done["undo"] == f"relevo account {opposite} ana --yes"
        assert planned["said"] == [*done["said"][:-1], "nothing done; add --yes to act"]


@pytest.mark.parametrize(
    "line",
    [
        "fault region-loss eu-west-1",
        f"fault region-loss {HERE} --mode explode",
        "account add ana --role emperor",
        "simulate --speed slow",
        "drill growth --region eu-west-1",
        "drain eu-west-1 --reason x",
    ],
)
def test_a_word_outside_of_a_closed_set_is_refused_before_anything_is_done(line: str) -> None:
    with pytest.raises(RunbookError, match="one of"):
        understood(["relevo", *line.split()])


def test_what_is_refused_leaves_standard_output_empty(regions: TwoRegions) -> None:
    done = regions.run("account", "lock", "nobody", "--yes", "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("relevo: ")
