"""The report is one self-contained file that says the truth about a drill, with whatever it is given."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from loadtests import gate
from loadtests.charts import Line, LineChart, TimeAxis, line_chart, nice_ceiling
from loadtests.drills.course import Course
from loadtests.drills.freshness import Sighting
from loadtests.drills.growth import growth_plan
from loadtests.drills.judge import Finding
from loadtests.drills.lab_access import DOES_NOT_PROVE
from loadtests.drills.measures import converged_seconds, freshness_of, measure
from loadtests.drills.region_loss import region_loss_plan
from loadtests.drills.series import Seen
from loadtests.drills.verdict import FILES, output_folder, write_verdict
from loadtests.ledger import Ledger
from shared.slo import OBJECTIVES
from tests.unit import synthetic_drill

COUNTS = [objective.name for objective in OBJECTIVES][:6]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, object]]:
    return drilled(tmp_path_factory.mktemp("held"))


def drilled(folder: Path, *, lost: int = 0) -> tuple[str, dict[str, object]]:
    course, seen = synthetic_drill.course(), synthetic_drill.seen()
    findings = [Finding(name) for name in COUNTS]
    for number in range(lost):
        findings[0].note(f"c{number} <script>alert(1)</script> is not in us-east-2")
    measures = measure(
        synthetic_drill.plan(), course, seen.ledger, sightings=seen.sightings, detection=24.2, findings=findings,
        converged_at=(course.stopped_at or 0) + 5,
    )  # fmt: skip
    promises = gate.judge_promises(measures.achieved, "real")
    verdict = write_verdict(
        synthetic_drill.plan(), course, seen, promises, findings=findings, notes=measures.notes, folder=folder,
        began=synthetic_drill.START, not_proved=DOES_NOT_PROVE,
    )  # fmt: skip
    assert verdict.document == json.loads((folder / "verdict.json").read_text())
    return (folder / "report.html").read_text(), verdict.document


def test_a_drill_that_held_says_so(held: tuple[str, dict[str, object]]) -> None:
    page, document = held
    assert document["passed"] is True
    assert ">HELD<" in page
    assert "BROKEN" not in page
    assert "What did not hold" not in page


def test_a_drill_that_broke_says_what_and_where(tmp_path: Path) -> None:
    page, document = drilled(tmp_path, lost=3)
    assert document["passed"] is False
    assert ">BROKEN<" in page
    assert "<b>lost_orders</b>: 3 commands" in page
    assert "is not in us-east-2" in page
    assert "<script>alert" not in page


def test_the_verdict_has_the_promised_form(held: tuple[str, dict[str, object]]) -> None:
    _, document = held
    assert set(document) >= {"drill", "passed", "started", "baseline_rps", "timing", "promises", "phases", "notes"}
    promises = document["promises"]
    assert isinstance(promises, list)
    assert [promise["name"] for promise in promises] == [objective.name for objective in OBJECTIVES]
    assert all(set(promise) == {"name", "objective", "achieved", "unit", "passed"} for promise in promises)


def test_the_page_shows_everything_and_fetches_nothing(held: tuple[str, dict[str, object]]) -> None:
    page, _ = held
    for objective in OBJECTIVES:
        assert f"<b>{objective.name}</b>" in page
    for words in ("Served", "Errors", "Latency", "Freshness", "Replication lag", "DNS answers", "one Region lost"):
        assert words in page
    for sentence in DOES_NOT_PROVE:
        assert sentence.split(":")[0] in page
    assert not re.search(r"(src|href)=", page)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert "@import" not in page
    assert page.count('class="event fault"') >= 6  # the fault stands in every chart


def test_a_figure_that_nobody_promised_says_so(tmp_path: Path) -> None:
    plan = region_loss_plan("quick", "us-east-1", "crash", "eventual")
    achieved = {objective.name: objective.quick for objective in plan.objectives} | {"rpo_commands": 7.0}
    promises = gate.judge_promises(achieved, "quick", plan.objectives, plan.unpromised)
    verdict = write_verdict(
        plan, Course(), Seen(Ledger(), [], [], [], [], {}), promises, findings=[], notes=[], folder=tmp_path,
        began=0.0, not_proved=(),
    )  # fmt: skip
    assert verdict.passed
    page = (tmp_path / "report.html").read_text()
    assert re.search(r"<b>rpo_commands</b>.*?a figure, not promised.*?7 commands", page)


def test_every_chart_is_well_formed(held: tuple[str, dict[str, object]]) -> None:
    page, _ = held
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 7
    for drawing in drawings:
        ET.fromstring(drawing)


def test_a_drill_that_measured_nothing_is_broken_and_still_has_a_report(tmp_path: Path) -> None:
    seen = Seen(Ledger(), [], [], [], [], {})
    promises = gate.judge_promises({}, "quick")
    verdict = write_verdict(
        region_loss_plan("quick", "us-east-1", "crash"), Course(), seen, promises, findings=[], notes=[],
        folder=tmp_path, began=0.0, not_proved=(),
    )  # fmt: skip
    assert not verdict.passed
    assert (tmp_path / "report.html").read_text().count("not measured") >= len(OBJECTIVES)


def test_no_promises_at_all_is_no_pass(tmp_path: Path) -> None:
    verdict = write_verdict(
        synthetic_drill.plan(), Course(), Seen(Ledger(), [], [], [], [], {}), [], findings=[], notes=[],
        folder=tmp_path, began=0.0, not_proved=(),
    )  # fmt: skip
    assert not verdict.passed


def test_an_earlier_drills_files_are_gone_before_the_next_begins(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("old")
    output_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_draws_empty_single_and_broken_lines(log: bool) -> None:
    lines = [
        Line("empty", "#000", []),
        Line("one", "#000", [(1.0, 5.0)]),
        Line("gap", "#000", [(0.0, 1.0), (1.0, None), (2.0, 3.0), (3.0, 0.0)]),
    ]
    root = ET.fromstring(line_chart(LineChart("s", lines, log=log), TimeAxis(10.0)))
    assert len(root.findall("circle")) == 2
    assert len(root.findall("polyline")) == 1


@pytest.mark.parametrize(("value", "ceiling"), [(0, 1), (0.3, 0.5), (1, 1), (1.1, 2), (2.2, 2.5), (7, 10), (640, 1000)])
def test_axes_end_at_round_numbers(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == pytest.approx(ceiling)


def test_freshness_counts_what_was_slow_and_leaves_out_only_what_the_fault_cut_off() -> None:
    phases = [gate.Phase("10x", 10, 0, 100, steady=True)]

    def seen(at: float, seconds: float | None) -> Sighting:
        return Sighting("o", at, "us-east-2", seconds)

    sightings = [seen(10, 0.5), seen(80, None), seen(70, 40.0), seen(95, None), seen(99, 3.0), seen(150, 1.0)]
    values, unjudged = freshness_of(sightings, phases, fault_at=100.0, patience_seconds=10.0)
    assert values == [0.5, 20.0, 40.0]
    assert unjudged == 2


def test_convergence_is_the_longer_of_its_two_halves_and_unknown_if_either_is() -> None:
    course = Course(readmitted_at=100.0, settled_at=104.0, stopped_at=150.0)
    assert converged_seconds(course, 152.0) == 4.0
    assert converged_seconds(course, 161.5) == 11.5
    assert converged_seconds(course, None) is None
    assert converged_seconds(Course(readmitted_at=100.0, stopped_at=150.0), 151.0) is None


@pytest.mark.parametrize("make", [growth_plan, region_loss_plan])
def test_drills_end_in_time(make: object) -> None:
    # Lab start, accounts and judging come on top: 60 s of a slow machine in real timing, 30 s in quick.
    real, quick = (make(timing, "us-east-1", "freeze") for timing in ("real", "quick"))  # type: ignore[operator]
    assert real.usual_seconds + 60 < 510
    assert quick.usual_seconds + 30 < 100
