"""The list of mutants follows the code, covers every invariant, and only a test that noticed counts as a kill."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.guards import EVERY
from tests.mutants.harness import Run, run_tests, verdict_of
from tests.mutants.mutant import ROOT, MisplacedError, Mutant


@pytest.mark.parametrize("mutant", EVERY, ids=lambda mutant: mutant.name)
def test_each_mutant_has_its_one_place_and_its_killer(mutant: Mutant) -> None:
    mutant.check()


def test_every_invariant_has_mutants_and_names_are_not_used_twice() -> None:
    counted = Counter(mutant.invariant for mutant in EVERY)
    assert set(counted) == {f"I{number}" for number in range(1, 11)}
    assert all(counted[name] >= 2 for name in ("I6", "I7", "I8", "I9"))
    assert len({mutant.name for mutant in EVERY}) == len(EVERY)


FILE = "guarded.py"
KILLER = "tests/test_guarded.py::test_a_guard_guards"
GUARDED = Mutant("a guard", "I1", FILE, "if wrong:", "if False:", KILLER)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_text("def guarded(wrong):\n    if wrong:\n        raise ValueError\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_guarded.py").write_text("def test_a_guard_guards():\n    pass\n")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"find": "if right:"}, "stands 0 times"),
        ({"find": "r"}, "stands 7 times"),
        ({"file": "gone.py"}, "stands 0 times"),
        ({"replace": "if :"}, "no Python"),
        ({"killed_by": "tests/test_guarded.py::test_a_guard_that_is_gone"}, "no test"),
        ({"killed_by": "guarded.py::guarded"}, "no test"),
    ],
)
def test_a_mutant_that_does_not_fit_the_code_any_more_is_refused(tree: Path, change: dict[str, str], said: str) -> None:
    GUARDED.check(tree)
    fields = {name: getattr(GUARDED, name) for name in Mutant.__slots__}
    with pytest.raises(MisplacedError, match=said):
        Mutant(**{**fields, **change}).check(tree)


ENDINGS = """
import pytest
from shared.domain.problems import not_found

def test_passes(): pass
def test_asserts(): assert 1 == 2
def test_misses_an_error():
    with pytest.raises(ValueError): pass
def test_meets_an_error_of_the_product(): raise not_found("o")
def test_meets_a_bad_patch(): undefined
@pytest.fixture
def ill(): assert False
def test_has_an_ill_fixture(ill): pass
@pytest.mark.parametrize("number", range(3))
def test_fails_for_one(number): assert number != 1
"""


def test_only_a_test_that_noticed_is_a_kill(tmp_path: Path) -> None:
    """One run of pytest over tests that end in every way; the plugin and the product come from this tree."""
    for folder in ("shared", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "test_endings.py").write_text(ENDINGS)
    run = run_tests(tmp_path, ["test_endings.py"], stop_at_first=False)
    verdicts = {test.partition("::test_")[2]: verdict_of(run, test)[0] for test in run.outcomes}
    assert verdicts == {
        "passes": "survived",
        "asserts": "killed",
        "misses_an_error": "killed",
        "meets_an_error_of_the_product": "killed",
        "meets_a_bad_patch": "broken",
        "has_an_ill_fixture": "broken",
        "fails_for_one": "killed",
    }
    assert verdict_of(run, "test_endings.py::test_was_not_collected")[0] == "broken"
    assert verdict_of(Run({}, {}, "SyntaxError"), "x")[1].endswith("SyntaxError")
