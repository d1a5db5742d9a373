"""The chaos matrix covers what it says, and a cell turns red for what went wrong in it, and for proving nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtests.drills.evidence import Evidence
from loadtests.drills.freshness import Sighting
from loadtests.drills.matrix import judge as matrix_judge
from loadtests.drills.matrix.cells import FAULTS, PHASES, Cell, all_cells, chosen_cells
from loadtests.drills.matrix.course import CellRun
from loadtests.drills.matrix.judge import CellResult, judge_cell
from loadtests.drills.matrix.report import show_matrix, words_of, write_matrix
from loadtests.drills.matrix.run import read_matrix
from loadtests.drills.tracker import Arrivals
from loadtests.lab.faults.injection import KINDS
from loadtests.ledger import Arrival, Try
from shared.slo import BY_NAME
from shared.topology import TOPOLOGY
from tests.unit.test_judge import NOON, good_evidence, item

HERE, PEER = TOPOLOGY.region_names
AT = NOON.timestamp()
FREEZE = next(fault for fault in FAULTS if fault.name == "freeze")


@pytest.fixture(autouse=True)
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_judge, "LEAST_COMMANDS", 1)


def cell_run(began: float, ended: float, **more: Any) -> CellRun:
    """A cell between two moments after noon; its fault ended a second before it."""
    fields = {"struck_at": AT + began, "healed_at": AT + ended - 1, "well_at": AT + ended - 1, "ended": AT + ended}
    return CellRun(Cell(FREEZE, "steady", HERE), AT + began, **{**fields, **more})


def judged(run: CellRun, evidence: Evidence | None = None, delay: float = 0.4) -> CellResult:
    """Judge a cell of the good evidence, every command of which was complete so long after its answer."""
    known = evidence or good_evidence()
    tracked = {
        ack.command_id: Arrivals(ack, ack.event_id, ack.at + delay, ack.at + delay)
        for ack in known.ledger.acks.values()
    }
    sightings = [Sighting("R-1", AT + 0.2, PEER, 1.5), Sighting("R-2", AT + 0.3, PEER, None)]
    return judge_cell(run, known, ledger=known.ledger, commands=[tracked, tracked], sightings=sightings, timing="quick")


# The whole of order R-2 and the beginning of R-1 are early, the delivery of R-1 is late.
def early() -> CellRun:
    return cell_run(0.0, 1.0)


def late() -> CellRun:
    return cell_run(2.0, 4.0)


def test_cells_in_which_nothing_went_wrong_hold() -> None:
    assert [judged(early()).troubles, judged(late()).troubles] == [(), ()]
    result = judged(early())
    assert result.passed
    assert (result.acknowledged, result.converged_seconds, result.freshness_p99_seconds) == (2, 0.7, 1.5)
    assert set(result.counts) == {
        "lost_orders", "duplicate_effects", "announcements_missing", "view_differs_from_log", "replicas_differ",
    }  # fmt: skip


def lose_the_old_clients_delivery(evidence: Evidence) -> None:
    for replica in evidence.replicas:
        replica.log = {key: stored for key, stored in replica.log.items() if "R-2" not in key[0]}
        del replica.rows["R-2"]


def change_an_effect_of_the_old_client(evidence: Evidence) -> None:
    item(evidence, 1, "EFFECT#e9")["content"] = {"total": "5"}


@pytest.mark.parametrize(
    ("plant", "check"),
    [(lose_the_old_clients_delivery, "lost_orders"), (change_an_effect_of_the_old_client, "duplicate_effects")],
)
def test_what_went_wrong_with_an_order_is_red_in_its_own_cells_alone(
    plant: Callable[[Evidence], None], check: str
) -> None:
    evidence = good_evidence()
    plant(evidence)
    wrong = judged(early(), evidence)
    assert not wrong.passed
    assert wrong.counts[check] > 0
    assert judged(late(), evidence).passed


def test_an_order_that_goes_on_in_the_next_cell_is_judged_in_both() -> None:
    evidence = good_evidence()
    del evidence.replicas[0].log["ORDER#R-1", "EVENT#e2"]
    assert not judged(early(), evidence).passed
    assert not judged(late(), evidence).passed


def test_a_cell_is_red_when_its_commands_were_complete_too_late_or_never() -> None:
    limit = BY_NAME["cell_converged_seconds"].quick
    assert judged(early(), delay=limit - 1).passed
    assert not judged(early(), delay=limit + 2).passed
    evidence = good_evidence()
    never = judge_cell(early(), evidence, ledger=evidence.ledger, commands=[{}], sightings=[], timing="quick")
    assert (never.passed, never.converged_seconds) == (False, None)


@pytest.mark.parametrize(
    "run",
    [
        cell_run(0.0, 1.0, struck_at=None),
        cell_run(0.0, 1.0, well_at=None),
        cell_run(0.0, 1.0, troubles=["stopped: nobody was served for 10 s"]),
        cell_run(50.0, 60.0),
    ],
    ids=["never struck", "never healed", "stopped", "nothing acknowledged"],
)
def test_a_cell_that_proves_nothing_is_red(run: CellRun) -> None:
    assert not judged(run).passed


def test_a_cell_without_evidence_is_red() -> None:
    evidence = good_evidence()
    result = judge_cell(early(), None, ledger=evidence.ledger, commands=[], sightings=[], timing="quick")
    assert not result.passed


def test_errors_are_figures_and_make_no_cell_red() -> None:
    evidence = good_evidence()
    bad, good = Try(AT, 5.0, 503, HERE, None, None), Try(AT, 5.0, 200, HERE, None, None)
    for tries, outcome in (((bad, good), "ok"), ((bad,), "failed")):
        evidence.ledger.add(Arrival("u", "read", "GET /v1/metrics", AT + 0.5, AT + 0.9, outcome, None, tries))  # type: ignore[arg-type]
    result = judged(early(), evidence)
    assert result.passed
    assert (result.failed_share, result.first_try_failed_share) == (0.5, 1.0)
    assert "failed 50.0%, at first 100.0%" in words_of(result)


def test_every_fault_is_of_a_kind_that_the_lab_knows() -> None:
    assert {kind for fault in FAULTS for kind in fault.kinds} <= set(KINDS)


def test_every_fault_meets_every_phase_in_both_regions_or_says_why_not() -> None:
    cells = list(all_cells())
    assert len(cells) == len(FAULTS) * len(PHASES) * 2
    for cell in cells:
        assert cell.absent_because is None or len(cell.absent_because) > 20
    for fault in FAULTS:
        assert {cell.phase for cell in cells if cell.fault is fault and cell.absent_because is None} >= {
            "steady",
            "10x",
            "return",
        }


def test_no_cell_that_is_run_leaves_no_region_serving() -> None:
    for cell in all_cells():
        if cell.absent_because is None and cell.fault.loses_region:
            assert cell.lost in (None, cell.region)


def test_nobody_may_be_drained_but_who_is_lost_or_whose_signs_of_life_are_hit() -> None:
    for cell in all_cells():
        is_hit = any(
            asked["kind"] == "region-loss" or asked.get("service") == "dynamodb" for asked in cell.fault.requests
        )
        assert cell.drains_nobody is (cell.lost is None and not is_hit)
    assert {fault.name for fault in FAULTS if fault.may_silence} == {
        "dynamodb-throttled", "dynamodb-errors", "lag+dynamodb-throttled",
    }  # fmt: skip


def test_a_choice_of_cells_is_what_was_asked_for() -> None:
    cells = chosen_cells(["freeze"], ["return"], [HERE])
    assert [cell.name for cell in cells] == [f"freeze / return / {HERE}"]
    assert len(chosen_cells([], [], [])) == len(list(all_cells()))
    with pytest.raises(ValueError, match="frost"):
        chosen_cells(["frost"], [], [])


def test_the_verdict_holds_only_if_every_sensible_cell_was_run_and_held(tmp_path: Path) -> None:
    cells = chosen_cells(["freeze"], ["steady", "takeover"], [])
    ran = replace(judged(early()), region=HERE), replace(judged(early()), region=PEER)
    file, sittings = tmp_path / "matrix.json", {"freeze": True}

    def verdict(*results: CellResult, sittings: dict[str, bool] = sittings) -> bool:
        return write_matrix(
            file, timing="quick", cells=cells, results={result.key: result for result in results}, sittings=sittings,
            at="now",
        )  # fmt: skip

    assert verdict(*ran)
    assert read_matrix(file, "quick") == ({result.key: result for result in ran}, sittings)
    assert read_matrix(file, "real") == ({}, {})
    assert "the only Region that serves" in (tmp_path / "matrix.html").read_text()
    assert len(json.loads(file.read_text())["absent"]) == 2
    assert not verdict(ran[0])
    assert not verdict(ran[0], replace(ran[1], passed=False))
    assert not verdict(*ran, sittings={"freeze": False})
    assert not verdict()


def test_the_terminal_shows_seconds_of_what_held_and_names_what_did_not() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    held, red = judged(early()), replace(judged(early()), region=PEER, passed=False, troubles=("it broke",))
    show_matrix(console, chosen_cells(["freeze"], [], []), {result.key: result for result in (held, red)})
    text = console.export_text()
    assert "0.7 / red" in text
    assert f"freeze / steady / {PEER}: it broke" in text
