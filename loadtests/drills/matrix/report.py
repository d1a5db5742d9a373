"""Writes down the chaos matrix: matrix.json, which grows with each sitting, and one table (page and terminal)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from rich.console import Console
from rich.table import Table

from loadtests.drills.matrix.cells import PHASES, Cell
from loadtests.drills.matrix.judge import CellResult
from loadtests.report import STYLE_FILE
from shared.slo import Timing
from shared.topology import TOPOLOGY

Key = tuple[str, str, str]

PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Relevo chaos matrix: $word</title><style>$style
main{max-width:none} .wide{overflow-x:auto} td.cell{font-size:12px;line-height:1.4;white-space:nowrap}
td.good b{color:var(--good)} td.bad b{color:var(--bad)} td.absent{color:var(--soft);white-space:normal;min-width:11em}
</style></head><body>
<header class="$state"><div class="word">$word</div>
<div><h1>Relevo chaos matrix</h1><p>$headline</p><p class="small">$at · $timing timing</p></div></header><main>
<section><h2>Cells</h2><p>Each held if nothing was lost, nothing done twice, and both Regions were equal
again. The figures are what clients saw meanwhile.</p><div class="wide">$table</div></section>
<section><h2>Hypotheses and stop conditions</h2><ul>$hypotheses</ul></section>
<section><h2>What did not hold</h2><ul>$troubles</ul></section>
</main></body></html>
""")


def write_matrix(
    file: Path, *, timing: Timing, cells: list[Cell], results: Mapping[Key, CellResult], sittings: Mapping[str, bool],
    at: str,
) -> bool:  # fmt: skip
    """Write both files beside each other; return whether everything that was to be run was run and held."""
    sensible = [cell for cell in cells if cell.absent_because is None]
    found = [results.get(cell.key) for cell in sensible]
    names = {cell.fault.name for cell in sensible}
    passed = (
        bool(found)
        and all(result is not None and result.passed for result in found)
        and all(sittings.get(name, False) for name in names)
    )
    document = {
        "drill": "matrix",
        "passed": passed,
        "timing": timing,
        "at": at,
        "sittings": dict(sittings),
        "cells": [result.as_json() for result in results.values()],
        "absent": [
            {"fault": cell.fault.name, "phase": cell.phase, "region": cell.region, "because": cell.absent_because}
            for cell in cells
            if cell.absent_because is not None
        ],
    }
    fresh = file.with_suffix(".fresh")
    fresh.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(file)
    file.with_suffix(".html").write_text(_page(cells, results, passed, timing, at), encoding="utf-8")
    return passed


def words_of(result: CellResult) -> str:
    """A cell's figures in a line."""
    lost, doubled = result.counts.get("lost_orders"), result.counts.get("duplicate_effects")
    return (
        f"{_text(lost)} lost, {_text(doubled)} doubled of {result.acknowledged}; equal after "
        f"{_text(result.converged_seconds, ' s')}; fresh in {_text(result.freshness_p99_seconds, ' s')}; "
        f"failed {_share(result.failed_share)}, at first {_share(result.first_try_failed_share)}"
    )


def _text(value: float | None, unit: str = "") -> str:
    return "?" if value is None else f"{value:.3g}{unit}"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:.1%}"


def headline_of(results: Iterable[CellResult]) -> str:
    found = list(results)
    red = [result for result in found if not result.passed]
    return f"{len(found)} cells run, {len(red)} of them red." if found else "Nothing has been run yet."


def show_matrix(console: Console, cells: list[Cell], results: Mapping[Key, CellResult]) -> None:
    """Print the table, and what did not hold."""
    table = Table(title=f"chaos matrix: seconds until equal, {' / '.join(TOPOLOGY.region_names)}")
    table.add_column("fault", no_wrap=True)
    for phase in PHASES:
        table.add_column(phase, justify="right", no_wrap=True)
    for fault in dict.fromkeys(cell.fault.name for cell in cells):
        pairs = [[results.get((fault, phase, region)) for region in TOPOLOGY.region_names] for phase in PHASES]
        table.add_row(fault, *(" / ".join(_in_short(result) for result in pair) for pair in pairs))
    console.print(table)
    for result in results.values():
        for trouble in result.troubles:
            console.print(
                f"  {result.fault} / {result.phase} / {result.region}: {trouble}", soft_wrap=True, markup=False
            )


def _in_short(result: CellResult | None) -> str:
    if result is None:
        return "[dim]-[/dim]"
    if result.passed and result.converged_seconds is not None:
        return f"[green]{result.converged_seconds:.1f}[/green]"
    return f"[bold red]{sum(result.counts.values()) or 'red'}[/bold red]"


def _page(cells: list[Cell], results: Mapping[Key, CellResult], passed: bool, timing: Timing, at: str) -> str:
    by_key = {cell.key: cell for cell in cells}
    columns = [(phase, region) for phase in PHASES for region in TOPOLOGY.region_names]
    faults = list({cell.fault.name: cell.fault for cell in cells}.values())
    rows = []
    for fault in faults:
        tds = [_td(by_key.get((fault.name, *column)), results.get((fault.name, *column))) for column in columns]
        rows.append(f"<tr><td><b>{escape(fault.name)}</b></td>{''.join(tds)}</tr>")
    head = "".join(f"<th>{phase}<br>{region}</th>" for phase, region in columns)
    troubles = [
        f"<li><b>{escape(' / '.join(result.key))}</b>: {escape(trouble)}</li>"
        for result in results.values()
        for trouble in result.troubles
    ]
    return PAGE.substitute(
        word="HELD" if passed else "BROKEN",
        state="held" if passed else "broken",
        style=STYLE_FILE.read_text(encoding="utf-8"),
        headline=escape(headline_of(results.values())),
        at=escape(at),
        timing=timing,
        table=f"<table><tr><th>Fault</th>{head}</tr>{''.join(rows)}</table>",
        hypotheses="".join(
            f"<li><b>{escape(fault.name)}</b>: {escape(fault.hypothesis)}. Stops at once if {escape(fault.stop)}.</li>"
            for fault in faults
        ),
        troubles="".join(troubles) or "<li>nothing</li>",
    )


def _td(cell: Cell | None, result: CellResult | None) -> str:
    if cell is not None and cell.absent_because is not None:
        return f'<td class="cell absent">{escape(cell.absent_because)}</td>'
    if result is None:
        return '<td class="cell absent">not run</td>'
    sign = "✓" if result.passed else "✗"
    lines = escape(words_of(result)).replace("; ", "<br>")
    return f'<td class="cell {"good" if result.passed else "bad"}"><b>{sign}</b> {lines}</td>'
