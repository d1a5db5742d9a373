"""Runs a file of Node's tests and gives each its outcome, so that pytest can name them one by one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent


def names(file: str) -> list[str]:
    """The names of a file's tests, in their order."""
    return re.findall(r'^ *test\("([^"]+)"', (HERE / file).read_text(), re.MULTILINE)


def troubles(file: str, folder: Path, *, seconds: float, environment: Mapping[str, str]) -> dict[str, str]:
    """What went wrong in each test, empty where nothing did; ``folder`` takes the report."""
    report = folder / "report.jsonl"
    node = Path(sys.executable).with_name("node")
    reporter = ("--test-reporter=./reporter.mjs", f"--test-reporter-destination={report}")
    ended = subprocess.run(
        [str(node), "--test", *reporter, file], cwd=HERE, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    found = {case["name"]: case["trouble"] for case in map(json.loads, report.read_text().splitlines())}
    return {name: found.get(name, f"was not run\n{ended.stdout}\n{ended.stderr}") for name in names(file)}
