"""README.md as a text that people copy from: its commands and links exist, and what it counts is so many."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.fleet import Account, read_accounts
from loadtests.lab.layout import Layout
from runbooks.release_judgement import STEPS
from runbooks.release_run import CDK
from shared.topology import TOPOLOGY
from tests.mutants.guards import EVERY
from tests.runbooks.test_runbook_texts import ACT_AT_ONCE
from tests.runbooks.texts import FOLDER, understood

ROOT = FOLDER.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# What a tour of the lab needs beside the project; their words are those of other people's manuals.
OTHERS = {"curl", "dig", "echo", "python3", "source"}


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a shell's line, without what it assigns."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("();<>|&"):
            words.append(word)
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        if words:
            yield words
        words = []


def commands() -> list[list[str]]:
    """Every command in a block, and those that stand in sentences from their program to their last option."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block_lines(block)]
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    spoken = re.findall(r"`((?:[A-Z_]+=\S* )*(?:relevo|make|npx|locust) [^`]+)`", prose)
    assert lines
    assert spoken
    return [words for line in [*lines, *spoken] for words in simple_commands(line)]


def block_lines(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]


def of(program: str) -> list[list[str]]:
    found = [words for words in commands() if words[0] == program]
    assert found
    return found


def test_every_command_is_one_that_is_checked_here_or_comes_from_elsewhere() -> None:
    assert {words[0] for words in commands()} == {"relevo", "make", "npx", "locust"} | OTHERS


def test_every_relevo_command_exists_with_these_options_and_acts() -> None:
    for words in of("relevo"):
        if words == ["relevo", "--help"]:
            continue
        _, values = understood([word.replace("REGION", TOPOLOGY.region_names[0]) for word in words])
        assert values.get("yes", True) or values.get("target") == "lab", words


def test_every_make_target_exists() -> None:
    for words in of("make"):
        assert words[1] in TARGETS, words


def test_the_cdk_is_the_one_that_a_release_runs_and_deploys_its_stacks() -> None:
    stacks = {step.stack for step in STEPS}
    for words in of("npx"):
        assert words[1:3] == ["--yes", CDK]
        assert {word for word in words if word.startswith("relevo-")} <= stacks
    bootstrapped = {word.rpartition("/")[2] for words in of("npx") for word in words if word.startswith("aws://")}
    assert bootstrapped == set(TOPOLOGY.region_names)


def test_the_load_finds_its_file_and_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    (words,) = of("locust")
    assert words[1] == "-f"
    assert (ROOT / words[2]).is_file()
    for variable in re.findall(r"(RELEVO_\w+)=", TEXT):
        monkeypatch.setenv(variable, "ana")
    assert read_accounts(None) == [Account("ana", "ana", "any")]


def test_the_table_names_the_folders_that_there_are() -> None:
    folders = re.findall(r"^\| `(\w+)/` \|(.*)$", TEXT, re.MULTILINE)
    tracked = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {name for name, _ in folders} == tracked
    for name, text in folders:
        for inside in re.findall(r"`([\w./]+/|[\w./]+\.py)`", text):
            assert inside.startswith("out/") or (ROOT / name / inside).exists(), inside


def test_it_counts_the_guards_that_are_removed() -> None:
    assert re.findall(r"(\d+) guards", TEXT) == [str(len(EVERY))]


def test_it_names_what_acts_without_being_asked_twice() -> None:
    (sentence,) = re.findall(r"[^.]* act at once\.", TEXT)
    assert {name.partition(" ")[0] for name in ACT_AT_ONCE} == {
        name.partition(" ")[0] for name in re.findall(r"`([^`]+)`", sentence)
    }
    (in_runbooks,) = re.findall(r"[^.]* act at once\.", (FOLDER / "README.md").read_text())
    assert re.findall(r"`([^`]+)`", in_runbooks.replace("`relevo ", "`")) == re.findall(r"`([^`]+)`", sentence)


def test_the_lab_that_it_shows_is_the_one_that_starts() -> None:
    layout = Layout.at(Path(".lab"))
    assert set(re.findall(r"localhost:(\d+)", TEXT)) == {layout.edge.rpartition(":")[2]}
    assert f"dig @127.0.0.1 -p {layout.dns_port} {TOPOLOGY.api_name}" in TEXT
