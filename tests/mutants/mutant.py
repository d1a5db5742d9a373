"""A guard that an invariant rests on, how to remove it, and the test that must then fail."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent


class MisplacedError(Exception):
    """A mutant's patch has no one place to go any more, or its killer is gone: the list has to follow the code."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """``find`` stands exactly once in ``file``; with ``replace`` in its place ``killed_by`` must fail."""

    name: str
    invariant: str
    file: str
    find: str
    replace: str
    killed_by: str  # path::test, all of its parameters

    @property
    def suite(self) -> str:
        """The folder of its test: suites are run apart, as some keep a mock of AWS for the whole session."""
        return self.killed_by.split("/")[1]

    def patched(self, root: Path = ROOT) -> str:
        """The file's text with the guard removed; raises ``MisplacedError`` unless ``find`` stands there once."""
        path = root / self.file
        text = path.read_text() if path.is_file() else ""
        count = text.count(self.find)
        if count != 1:
            raise MisplacedError(f"{self.name}: its text stands {count} times in {self.file}, not once:\n{self.find}")
        return text.replace(self.find, self.replace)

    def check(self, root: Path = ROOT) -> None:
        """Raise ``MisplacedError`` unless the patch has its place, leaves Python there, and the killer is there."""
        try:
            ast.parse(self.patched(root))
        except SyntaxError as error:
            raise MisplacedError(f"{self.name}: the patch leaves no Python in {self.file}: {error}") from error
        file, _, test = self.killed_by.partition("::")
        if test not in tests_in(root / file):
            raise MisplacedError(f"{self.name}: there is no test {self.killed_by}")


@cache
def tests_in(path: Path) -> frozenset[str]:
    """The names of a test module's tests."""
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return frozenset(name for name in functions if name.startswith("test_"))
