"""`relevo simulate`, by which a history that failed is played again: what it prints, and its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from loadtests.commands import register
from loadtests.simulation import judging
from loadtests.simulation.history import generate
from tests.simulation.test_the_checker_finds import inserts_overwrite

GOOD = "2x1 send:0:3 relay:0:7 replicate:0:1"


def simulate(*arguments: str) -> Result:
    app = typer.Typer()
    register(app)
    done: Result = CliRunner().invoke(app, ["simulate", *arguments])
    return done


def document(*arguments: str) -> Any:
    """What a run prints with `--json`: one document, and nothing else."""
    return json.loads(simulate(*arguments, "--json").stdout)


def test_a_history_that_holds_is_played_again_from_its_text() -> None:
    done = simulate("--replay", GOOD)
    assert (done.exit_code, done.stdout) == (0, "1 histories, 3 steps, no invariant broken\n")
    found = document("--replay", GOOD)
    assert (found["histories"], found["steps"], found["failures"]) == (1, 3, [])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_processes_play_what_one_plays(monkeypatch: pytest.MonkeyPatch, jobs: str) -> None:
    monkeypatch.setattr(judging, "IN_ONE_PIECE", 3)
    seeds = range(40, 48)
    found = document("--histories", str(len(seeds)), "--seed", str(seeds.start), "--jobs", jobs)
    assert (found["histories"], found["failures"]) == (len(seeds), [])
    assert found["steps"] == sum(len(generate(seed).steps) for seed in seeds)


def test_a_broken_invariant_is_exit_code_1_and_its_own_text_shows_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    inserts_overwrite(monkeypatch)
    done = simulate("--histories", "60", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)["failures"][0]
    again = simulate("--replay", found["smallest"])
    assert again.exit_code == 1
    assert all(fault in again.stdout for fault in found["faults"][:5])
    assert f"--replay '{found['smallest']}'" in again.stdout


@pytest.mark.parametrize("arguments", [("--replay", "2x1 dance:0:1"), ("--replay", "x"), ("--speed", "slow")])
def test_what_is_no_history_or_no_speed_is_refused(arguments: tuple[str, ...]) -> None:
    assert simulate(*arguments).exit_code == 2
