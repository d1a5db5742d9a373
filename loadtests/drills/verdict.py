"""Writes down what a drill proved: verdict.json, findings.json and the report. Nothing is measured here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from loadtests import gate
from loadtests.drills.course import Course, utc_text
from loadtests.drills.judge import Finding
from loadtests.drills.plan import DrillPlan
from loadtests.drills.series import Seen, phase_row, report_of
from loadtests.last_drill import OUTPUT
from loadtests.ledger import Ledger
from loadtests.report import write_report
from shared.topology import TOPOLOGY

FILES: Final = ("ledger.jsonl", "verdict.json", "report.html", "locust.log", "steering.json", "findings.json")


@dataclass(frozen=True)
class Verdict:
    """What became of a drill."""

    passed: bool
    folder: Path
    document: dict[str, object]
    promises: list[gate.Promise]
    findings: list[Finding]


def output_folder(out: Path | None) -> Path:
    """The folder that a drill writes to, emptied of an earlier drill's files."""
    folder = out or OUTPUT / "drill"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    return folder


def verdict_document(
    plan: DrillPlan,
    course: Course,
    ledger: Ledger,
    promises: Sequence[gate.Promise],
    *,
    notes: Sequence[str],
    began: float,
) -> dict[str, object]:
    """The machine-readable verdict; it passes only if there are promises and all of them held."""
    baseline = TOPOLOGY.baseline
    return {
        "drill": plan.name,
        "passed": bool(promises) and all(promise.passed for promise in promises),
        "started": utc_text(began),
        "baseline_rps": {"orders": baseline.orders_per_second, "reads": baseline.reads_per_second},
        "timing": plan.timing,
        "consistency": plan.consistency,
        "region": plan.region,
        "mode": plan.mode,
        "promises": [promise.as_json() for promise in promises],
        "phases": [_phase_document(phase, ledger) for phase in course.phases],
        "notes": list(notes),
    }


def _phase_document(phase: gate.Phase, ledger: Ledger) -> dict[str, object]:
    row = asdict(phase_row(phase, ledger))
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    return {**rounded, "multiple": phase.multiple, "started": utc_text(phase.started), "steady": phase.steady}


def write_verdict(
    plan: DrillPlan, course: Course, seen: Seen, promises: list[gate.Promise], *, findings: list[Finding],
    notes: list[str], folder: Path, began: float, not_proved: Sequence[str],
) -> Verdict:  # fmt: skip
    """Write all files of a drill that has ended."""
    document = verdict_document(plan, course, seen.ledger, promises, notes=notes, began=began)
    _write_json(folder / "verdict.json", document)
    found = {finding.name: {"count": float(finding.count), "examples": finding.examples} for finding in findings}
    _write_json(folder / "findings.json", found)
    report = report_of(plan, course, seen, promises, findings=findings, notes=notes, not_proved=not_proved)
    write_report(report, folder / "report.html")
    return Verdict(document["passed"] is True, folder, document, promises, findings)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
