"""The fault of slow functions: a file says how much longer each takes, and MiniStack's gateway reads it.

The time is spent while the invocation holds its worker, so slow functions use up concurrency, as on AWS.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from loadtests.lab.layout import Layout

FILE: Final = "slow.json"  # in the Region's temporary folder: seconds by function name


def slow_down(layout: Layout, region: str, function: str, seconds: float) -> None:
    """Make a function take longer, beside those that do already."""
    file = _file(layout, region)
    fresh = file.with_suffix(".fresh")
    fresh.write_text(json.dumps({**seconds_by_function(file), function: seconds}))
    fresh.replace(file)


def speed_up(layout: Layout, region: str) -> None:
    """Let all functions of a Region take the time that they need."""
    _file(layout, region).unlink(missing_ok=True)


def seconds_by_function(file: Path) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    return found


def heed_slowness(lambda_svc: Any, folder: Path) -> None:
    """Let each invocation take as much longer as the file in this folder says."""
    acquire = lambda_svc.acquire_worker

    def acquire_and_dawdle(name: str, *arguments: Any, **more: Any) -> Any:
        worker, how = acquire(name, *arguments, **more)
        if worker is not None and (seconds := seconds_by_function(folder / FILE).get(name)):
            time.sleep(seconds)
        return worker, how

    lambda_svc.acquire_worker = acquire_and_dawdle


def _file(layout: Layout, region: str) -> Path:
    return layout.temporary_folder / region / FILE
