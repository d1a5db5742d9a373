"""Measures all that needs no lab: starts one Region, lets a process of its own run the functions against it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtests.bench.one_region import one_region
from loadtests.lab.layout import ROOT

SIZES: Final = (100, 10_000, 100_000)
CHANGES: Final = 300  # requests and events of each kind whose time is taken
PATIENCE_SECONDS: Final = 900.0


class BenchError(Exception):
    """A measurement could not be made; the text says why."""


def measure_functions(sizes: Sequence[int] = SIZES, changes: int = CHANGES) -> dict[str, Any]:
    """Calls, units and times of the functions' own code, with more and more orders in the view."""
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as name:
        folder = Path(name)
        out, log = folder / "found.json", folder / "functions.log"
        with one_region(folder / "region") as region, log.open("wb") as output:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "loadtests.bench.functions", "--out", str(out)),
                    *("--changes", str(changes), "--sizes", *map(str, sizes)),
                ],
                env=region.environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False,
                timeout=PATIENCE_SECONDS,
            )  # fmt: skip
        if done.returncode:
            raise BenchError(f"the functions could not be measured: {log.read_text(errors='replace')[-2000:]}")
        found: dict[str, Any] = json.loads(out.read_text())
        return found
