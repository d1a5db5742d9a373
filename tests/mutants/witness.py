"""A plugin of the pytest runs in a mutated copy: notes how each test ended, so that no accident is taken for a kill.

A test kills by an assertion that fails, or by an error of the product that reaches it. Whatever else is raised (a name
that is not there, a wrong type, a fixture that fails) only says that the patch is bad.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PRODUCT = {"shared", "regions", "global_stack", "runbooks", "loadtests"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--witness", type=Path, required=True, help="File that the outcomes are appended to.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" or report.outcome != "passed":
        said = ""
        if call.excinfo is not None:
            said = f"{call.excinfo.typename}: {call.excinfo.value}".splitlines()[0]
        outcome = {"passed": "passed", "skipped": "skipped"}.get(report.outcome) or (
            "failed" if call.when == "call" and call.excinfo and is_kill(call.excinfo.value) else "error"
        )
        note: dict[str, Any] = {"test": item.nodeid.partition("[")[0], "outcome": outcome, "said": said}
        with item.config.getoption("--witness").open("a") as notes:
            notes.write(json.dumps(note) + "\n")
    return report


def is_kill(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # hypothesis found more than one way
        return all(is_kill(one) for one in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception) or type(error).__module__.split(".")[0] in PRODUCT
