"""SECURITY.md promises nothing that no test holds: every test that it names exists, and every risk has its row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
OWASP_2023 = (
    "Broken object level authorization", "Broken authentication", "Broken object property level authorization",
    "Unrestricted resource consumption", "Broken function level authorization",
    "Unrestricted access to sensitive business flows", "Server side request forgery", "Security misconfiguration",
    "Improper inventory management", "Unsafe consumption of APIs",
)  # fmt: skip


def names_in(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 30
    for file, test in named:
        files = list((ROOT / "tests").rglob(file))
        assert files, f"there is no {file}"
        assert any(test in names_in(path) for path in files), f"{file} has no {test}"


def test_every_row_of_a_table_names_a_test() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("|")]
    # The routes' table has one test for all of it.
    rows = [line for line in lines if not line.startswith(("|---", "| who |", "| risk |", "| route |", "| `"))]
    assert len(rows) > 20
    for row in rows:
        assert NAMED.search(row), row


def test_each_risk_of_owasps_list_has_one_row() -> None:
    rows = re.findall(r"^\| API(\d+) ([^|]+?) \|", TEXT, re.MULTILINE)
    assert rows == [(str(number), risk) for number, risk in enumerate(OWASP_2023, 1)]


def test_it_says_how_to_report() -> None:
    assert "## How to report" in TEXT
