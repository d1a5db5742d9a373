"""Runbooks as texts: one for each alarm, all in one form, and every command in them is one that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name
from typer.main import get_command

from runbooks.commands import register
from runbooks.release_judgement import STEPS
from runbooks.release_run import CDK
from shared.alarms import ALARM, ALARMS
from shared.topology import TOPOLOGY
from tests.runbooks.texts import (
    FIELDS,
    FOLDER,
    HEADINGS,
    INDEX,
    SITUATIONS,
    Command,
    Runbook,
    index,
    relevo,
    runbooks,
    understood,
)

ROOT = FOLDER.parent
RUNBOOKS = runbooks()
# Every text of the repository, not the runbooks alone.
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted(FOLDER.glob("*.md"))]
PROCEDURES = {
    "key-rotation",
    "evacuate",
    "readmit",
    "release",
    "restore-from-pitr",
    "capacity-request",
    "drill-day",
    "drills-on-aws",
    "usage-plans",
    "imports",
}
MOST_LINES = 110  # two screens
# They act without being asked twice, so they may not stand where nothing is to be changed.
ACT_AT_ONCE = ("account add", "import", "client register", "client report", "up", "down", "fault", "drill")
# They need no `--yes` either: they look, count and measure.
LOOK_ONLY = {
    "account list", "bench", "capacity", "client show", "conflicts list", "cost", "keys status", "simulate", "status",
    "takeover status",
}  # fmt: skip
# They ask and write in the healthy side alone: test_leaving_a_region.py holds them to it.
FROM_THE_HEALTHY_SIDE = {"drain", "evacuate", "takeover status"}
AWS_READS = ("describe-", "list-", "get-", "lookup-", "tail")
AWS_OPTIONS = {"region", "query", "output"}  # of the CLI itself
# What the CLI has beside the services' own operations.
AWS_EXTRAS = {("logs", "tail"): {"since", "follow", "filter-pattern", "format"}, ("dynamodb", "wait"): {"table-name"}}


def path_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(params=RUNBOOKS, ids=lambda found: found.name)
def runbook(request: pytest.FixtureRequest) -> Runbook:
    found: Runbook = request.param
    return found


def relevo_commands(runbook: Runbook) -> list[tuple[str, str, Command, dict[str, Any]]]:
    """Heading, name, command and parsed arguments of every `relevo` line."""
    found = []
    for block, command in runbook.commands("sh", "sh drill"):
        name, values = understood(command.words)
        found.append((block.heading, name, command, values))
    return found


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that runs something, by its name."""
    if (commands := getattr(command, "commands", None)) is None:
        yield path, command
        return
    for name, below in commands.items():
        yield from leaves(below, f"{path} {name}".strip())


def section(runbook: Runbook, heading: str) -> str:
    return runbook.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_alarm_has_its_runbook_and_every_other_file_is_a_procedure() -> None:
    names = {found.name for found in RUNBOOKS}
    assert names == {alarm.name for alarm in ALARMS} | PROCEDURES
    assert all((ROOT / alarm.runbook).is_file() for alarm in ALARMS)


def test_front_matter_is_complete_and_says_what_the_alarm_says(runbook: Runbook) -> None:
    assert tuple(runbook.front) == FIELDS
    alarm = ALARM.get(runbook.name)
    assert runbook.front["alarm"] == (alarm.name if alarm else "none")
    assert runbook.front["severity"] == (alarm.severity if alarm else "none")


def test_what_was_drilled_names_a_drill_that_exists_and_what_was_not_claims_nothing(runbook: Runbook) -> None:
    drill, when, achieved = (runbook.front[name] for name in ("drill", "last_drilled", "achieved"))
    if drill == "none":
        assert (when, achieved) == ("none", "none")
        return
    assert date.fromisoformat(when)
    assert achieved != "none"
    if drill.startswith("relevo "):
        name, _ = understood(drill.split())
        assert name.startswith("drill ")
        assert ("--quick" in drill) is not ("real timing" in achieved)
    else:
        assert Path(drill).parts[0] == "tests"
        assert (ROOT / drill).is_file()


def test_headings_are_the_fixed_ones_in_order_and_none_is_empty(runbook: Runbook) -> None:
    assert runbook.headings == HEADINGS
    assert all(section(runbook, heading).strip() for heading in HEADINGS)


def test_the_summary_tells_the_impact_and_when_it_is_done(runbook: Runbook) -> None:
    assert runbook.summary.lstrip().startswith("# ")
    impact, done = runbook.summary.find("*Impact:*"), runbook.summary.find("*Done when:*")
    assert 0 < impact < done


def test_a_runbook_is_two_screens_at_most(runbook: Runbook) -> None:
    assert len(runbook.path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", TEXTS, ids=path_name)
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        assert "://" in target or (path.parent / target.partition("#")[0]).is_file(), target


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=path_name)
def test_nothing_is_left_to_fill_in(path: Path) -> None:
    open_ends = r"<[^>\n]+>|\bTODO\b|\bTBD\b|\bFIXME\b|(?i:\bxxx+\b)|\.\.\.|\$[A-Z_]+|\{[a-z_]+\}"
    assert not re.findall(open_ends, path.read_text())


def test_every_relevo_command_is_one_that_exists_with_these_options(runbook: Runbook) -> None:
    commands = relevo_commands(runbook)
    assert commands
    assert all(command.words[0] == "relevo" for _, _, command, _ in commands)


@pytest.mark.parametrize("path", TEXTS, ids=path_name)
def test_commands_named_in_sentences_exist_too(path: Path) -> None:
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for named in re.findall(r"`relevo ([^`]+)`", prose):
        command = relevo()
        for word in named.removesuffix("--help").split():
            if commands := getattr(command, "commands", None):
                assert word in commands, named
                command = commands[word]
            elif word.startswith("-"):
                assert any(word in option.opts for option in command.params), named


def test_what_changes_something_is_confirmed_and_stands_where_things_are_changed(runbook: Runbook) -> None:
    for heading, name, command, values in relevo_commands(runbook):
        acts = values.get("yes") or name.startswith(ACT_AT_ONCE)
        assert not acts or heading in ("Mitigate", "Roll back"), command.where
        if "yes" in values and heading == "Roll back":
            assert values["yes"], f"{command.where}: what is rolled back must act"


def test_every_command_asks_before_it_acts_or_is_known_not_to() -> None:
    at_once = {name for name, command in leaves(relevo()) if not any(option.name == "yes" for option in command.params)}
    assert {name for name in at_once if not name.startswith(ACT_AT_ONCE)} == LOOK_ONLY


def test_every_step_that_is_run_says_what_it_prints(runbook: Runbook) -> None:
    for _, command in runbook.commands("sh"):
        assert command.prints, command.where
    for block, command in runbook.commands("sh aws", "sh drill"):
        assert not command.prints, command.where
        assert block.given == SITUATIONS[0], block.where


@pytest.mark.parametrize("name", ["region-impaired", "evacuate"])
def test_leaving_a_region_calls_nothing_in_it(name: str) -> None:
    (found,) = (runbook for runbook in RUNBOOKS if runbook.name == name)
    blocks = [block for block in found.blocks if block.heading == "Mitigate"]
    assert blocks
    assert all(block.kind == "sh" for block in blocks)
    names = {understood(command.words)[0] for block in blocks for command in block.commands}
    assert names <= FROM_THE_HEALTHY_SIDE


def test_no_alarms_mitigation_calls_aws_in_a_region_that_it_leaves() -> None:
    leaving = 0
    for runbook in RUNBOOKS:
        steps = [(name, values) for heading, name, _, values in relevo_commands(runbook) if heading == "Mitigate"]
        left = {values["region"] for name, values in steps if name in ("drain", "evacuate")}
        leaving += len(left)
        called = [command for block, command in runbook.commands("sh aws") if block.heading == "Mitigate"]
        if runbook.front["alarm"] != "none":
            assert not [command.where for command in called if left & set(command.words)]
    assert leaving


def operations(service: str) -> dict[str, set[str]]:
    """A service's operations as the CLI calls them, with their options."""
    model = botocore.session.get_session().get_service_model("s3" if service == "s3api" else service)
    found = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        found[xform_name(name, "-")] = {xform_name(member, "-") for member in shape.members} if shape else set()
    return found


def test_aws_commands_name_operations_and_options_that_exist_and_a_region(runbook: Runbook) -> None:
    for block, command in runbook.commands("sh aws"):
        words = command.words
        if words[0] != "aws":
            continue
        service, operation = words[1], words[2]
        known = AWS_EXTRAS.get((service, operation)) or operations(service)[operation]
        options = {word.removeprefix("--") for word in words if word.startswith("--")}
        assert options <= known | AWS_OPTIONS, command.where
        assert words[words.index("--region") + 1] in TOPOLOGY.region_names, command.where
        if block.heading not in ("Mitigate", "Roll back"):
            assert operation.startswith(AWS_READS), command.where


def test_other_commands_for_aws_are_make_git_and_the_cdk_as_a_release_runs_it(runbook: Runbook) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for _, command in runbook.commands("sh aws"):
        match command.words:
            case ["aws", *_]:
                pass
            case ["make", target]:
                assert target in targets, command.where
            case ["npx", "--yes", package, "diff" | "deploy", *_]:
                assert package == CDK, command.where
            case ["git", "revert", *_]:
                pass
            case other:
                pytest.fail(f"{command.where}: {other[0]} is not known here")


def test_stacks_that_are_deployed_are_those_of_a_release() -> None:
    for runbook in RUNBOOKS:
        for _, command in runbook.commands("sh aws"):
            if command.words[0] == "npx":
                stacks = {word for word in command.words if word.startswith("relevo-")}
                assert stacks, command.where
                assert stacks <= {step.stack for step in STEPS}, command.where


def test_the_index_lists_every_command_and_every_runbook_as_its_alarm_says_it() -> None:
    text = index()
    for runbook in RUNBOOKS:
        assert f"[{runbook.name}]({runbook.path.name})" in text
    for alarm in ALARMS:
        assert f"\n| [{alarm.name}]({alarm.name}.md) | {alarm.severity} | {alarm.summary} |\n" in text
    app = typer.Typer()
    register(app)
    for name, command in vars(get_command(app))["commands"].items():
        for part in getattr(command, "commands", None) or [""]:
            assert f"| `relevo {name} {part}".rstrip() + "` |" in text
    assert INDEX not in {runbook.path.name for runbook in RUNBOOKS}


def test_every_situation_is_needed_by_some_block() -> None:
    needed = {block.given for runbook in RUNBOOKS for block in runbook.blocks}
    assert needed == set(SITUATIONS)
