"""Removes one guard at a time in a copy of the tree, never in the tree itself, and runs the test that must notice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.mutants.mutant import ROOT, Mutant

SIDE_BY_SIDE: Final = 2
RUN_SECONDS: Final = 600  # a synthesis takes 20 s alone; a busy machine is no verdict
LAST_LINES: Final = 15
# Installed once by `make synth` and only read here: the Lambda package of a copy takes its third-party code from it.
THIRD_PARTY: Final = (".build/third-party", ".build/third-party.stamp")
SUITES_BY_LENGTH: Final = ("infra", "runbooks", "component")  # the longest first, so that the last one is short

Verdict = Literal["killed", "survived", "broken"]


class NotGreenError(Exception):
    """A named test fails, or is not there, without any mutant: it could not tell anything."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pytest: how each test ended (the worst of its parameters) and what was printed last."""

    outcomes: dict[str, str]
    said: dict[str, str]
    printed: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant; ``detail`` is what the killer said, or why there is no verdict."""

    mutant: Mutant
    verdict: Verdict
    detail: str
    seconds: float


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """A copy of what git knows or would take, deleted afterwards."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    with tempfile.TemporaryDirectory(prefix="relevo-mutant-") as folder:
        tree = Path(folder)
        for name in filter(None, names):
            if (root / name).is_file():  # a deleted file is listed until it is committed
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, tree / name)
        for name in THIRD_PARTY:
            if (root / name).exists():
                (tree / name).parent.mkdir(exist_ok=True)
                (tree / name).symlink_to(root / name)
        yield tree


def run_tests(tree: Path, tests: Sequence[str], *, stop_at_first: bool = True) -> Run:
    """Run tests in a tree, in a process of their own, importing nothing from elsewhere."""
    witness = tree / "witness.jsonl"
    command = [sys.executable, "-m", "pytest", "-q", *(["-x"] if stop_at_first else []), "-p", "no:cacheprovider"]
    command += ["-p", "no:randomly", "-p", "tests.mutants.witness", "--witness", str(witness), *tests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
        )
        printed = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        printed = f"no end in {RUN_SECONDS} s"
    outcomes: dict[str, str] = {}
    said: dict[str, str] = {}
    for note in map(json.loads, witness.read_text().splitlines() if witness.is_file() else []):
        if outcomes.get(note["test"], "passed") == "passed":
            outcomes[note["test"]], said[note["test"]] = note["outcome"], note["said"]
    return Run(outcomes, said, "\n".join(printed.splitlines()[-LAST_LINES:]))


def verdict_of(run: Run, test: str) -> tuple[Verdict, str]:
    """Whether a test noticed; one that did not run, or ran into something else, says nothing."""
    match run.outcomes.get(test):
        case "failed":
            return "killed", run.said[test]
        case "passed":
            return "survived", ""
        case "error":
            return "broken", run.said[test]
    return "broken", f"{test} did not run:\n{run.printed}"


def try_mutant(mutant: Mutant, root: Path = ROOT) -> Result:
    """Remove one guard in a copy and run its killer there."""
    started = time.monotonic()
    with copy_of(root) as tree:
        (tree / mutant.file).write_text(mutant.patched(root))
        verdict, detail = verdict_of(run_tests(tree, [mutant.killed_by]), mutant.killed_by)
    return Result(mutant, verdict, detail, time.monotonic() - started)


def check_green(mutants: Iterable[Mutant], told: Callable[[str], None], root: Path = ROOT) -> None:
    """Raise ``NotGreenError`` unless every named test passes as the code is; ``told`` gets each suite that does."""
    suites: dict[str, dict[str, None]] = defaultdict(dict)
    for mutant in mutants:
        suites[mutant.suite][mutant.killed_by] = None

    def run(tests: Sequence[str]) -> Run:
        with copy_of(root) as tree:
            return run_tests(tree, tests, stop_at_first=False)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        runs = {pool.submit(run, list(tests)): suite for suite, tests in suites.items()}
        for done in as_completed(runs):
            for test in suites[runs[done]]:
                if done.result().outcomes.get(test) != "passed":
                    raise NotGreenError(f"{test} is not green without a mutant:\n{done.result().printed}")
            told(runs[done])


def try_all(mutants: Sequence[Mutant], told: Callable[[Result], None]) -> list[Result]:
    """Try every mutant, two side by side; the results stand in the order of the list."""
    waits = {suite: place for place, suite in enumerate(SUITES_BY_LENGTH)}
    queue = sorted(mutants, key=lambda mutant: waits.get(mutant.suite, len(waits)))
    found: dict[str, Result] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for done in as_completed([pool.submit(try_mutant, mutant) for mutant in queue]):
            found[done.result().mutant.name] = done.result()
            told(done.result())
    return [found[mutant.name] for mutant in mutants]
