"""Tells people which drill was the last one: a report in the control table, which `/v1/status` and the page show."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.adapters.reports import DrillReport, Reports
from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

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


def tell(verdict: Mapping[str, Any], clients: Iterable[DynamoDBClient]) -> None:
    """Report a drill in the first Region that takes it; the drill itself stands whether or not one does."""
    for client in clients:
        with contextlib.suppress(BotoCoreError, ClientError):
            Reports(client, TOPOLOGY.control_table).note_drill(report_of(verdict))
            return


def newest(output: Path = OUTPUT) -> DrillReport | None:
    """The newest of the verdicts in the folders of ``out``: a lab that starts has no other memory."""
    return max(_reports(output), key=lambda report: report.started_at, default=None)


def _reports(output: Path) -> Iterator[DrillReport]:
    for file in output.glob("*/verdict.json"):
        try:
            yield report_of(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written, or of another version: no reason not to start a lab
