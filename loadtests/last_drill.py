"""Tells people which drill was the last one: a report in the control table, which `/v1/status` and the page show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from shared.adapters.reports import DrillReport

OUTPUT: Final = Path(__file__).resolve().parents[1] / "out"


def report_of(verdict: Mapping[str, Any]) -> DrillReport:
    """What a drill's verdict says, in short."""
    return DrillReport(
        name=verdict["drill"],
        timing=verdict["timing"],
        region=verdict.get("region") or None,
        passed=verdict["passed"],
        started_at=datetime.fromisoformat(verdict["started"]),
    )


def newest(output: Path = OUTPUT) -> DrillReport | None:
    """The newest of the verdicts in the folders of ``out``: a lab that starts has no other memory."""
    return max(_reports(output), key=lambda report: report.started_at, default=None)


def _reports(output: Path) -> Iterator[DrillReport]:
    for file in output.glob("*/verdict.json"):
        try:
            yield report_of(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written, or of another version: no reason not to start a lab
