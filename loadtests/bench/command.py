"""`relevo bench`: figures that survive a noisy machine, as ratios and counts; into `out/bench.json` and a table."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import psutil  # type: ignore[import-untyped]  # ships no types
import typer
from rich.console import Console
from rich.table import Table

from loadtests.bench.cold_start import ImportFailedError, measure_cold_import
from loadtests.bench.figures import figures, markdown
from loadtests.bench.run import SIZES, BenchError, measure_functions
from loadtests.drills.lab_access import LabError
from loadtests.drills.programs import ensure_lab, relevo, running_lab
from loadtests.lab.deploy import DeployError
from loadtests.lab.emulator.ministack import ProcessFailedError
from loadtests.lab.layout import ROOT
from loadtests.last_drill import OUTPUT
from runbooks.asking import AsJson, refuse

OUT: Final = OUTPUT / "bench.json"
VERDICT: Final = OUTPUT / "drill" / "verdict.json"
MEMORY_GB: Final = 1024**3

Out = Annotated[Path, typer.Option("--out", help="The file for all figures.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown, for the README.")]
WithLab = Annotated[bool, typer.Option("--lab", help="Measure a lab too: starts one with real timing, ends it.")]
Drill = Annotated[Path, typer.Option("--drill", help="The verdict that recovery is taken from.")]


def bench(
    out: Out = OUT,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    lab: WithLab = False,
    drill: Drill = VERDICT,
) -> None:
    """Measure calls, units, processor time, reading and cold import; with a lab also rates and freshness."""
    told = Console(stderr=True, highlight=False)
    try:
        found = measure(told, with_lab=lab)
    except (BenchError, ImportFailedError, DeployError, ProcessFailedError, LabError) as error:
        refuse(str(error))
    kept = _read(out)
    if "lab" in kept and not lab:
        found["lab"] = kept["lab"]  # with its own day; the rest is fresh
    if verdict := _read(drill):
        found["drill"] = {name: verdict[name] for name in ("drill", "timing", "started", "promises")}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif as_markdown:
        typer.echo(markdown(found))
    else:
        show(Console(highlight=False), found)


def measure(told: Console, *, with_lab: bool) -> dict[str, Any]:
    """All figures; tells on the way what is being measured."""
    if with_lab and running_lab() is not None:
        raise LabError("a lab is running, and the bench would lose one of its Regions: `relevo down` first")
    found: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / MEMORY_GB)},
        "commit": _commit(),
    }
    told.print(f"calls, units and times, with {', '.join(f'{size:,}' for size in SIZES)} orders in the view")
    found |= measure_functions()
    told.print("cold import, against FastAPI + Mangum")
    cold = measure_cold_import()
    found["cold_import"] = {
        "ours_ms": round(cold.ours * 1000, 1), "theirs_ms": round(cold.theirs * 1000, 1), "share": round(cold.share, 3),
    }  # fmt: skip
    if with_lab:
        from loadtests.bench.lab_rates import measure_lab  # noqa: PLC0415  # only with a lab

        told.print("a lab, with real timing")
        ensure_lab(quick=False)
        try:
            found["lab"] = {"measured_at": found["measured_at"], **measure_lab(told.print)}
        finally:
            relevo("down")
    return found


def show(console: Console, found: dict[str, Any]) -> None:
    """Print the table."""
    machine = found["machine"]
    title = f"Relevo on {machine['cores']} cores and {machine['memory_gb']} GB, {found['measured_at'][:10]}"
    table = Table("figure", "value", "how", title=title, title_justify="left", box=None, pad_edge=False)
    for it in figures(found):
        table.add_row(it.name, it.value, f"[dim]{it.how}[/dim]")
    console.print(table)


def _read(path: Path) -> dict[str, Any]:
    """A document that an earlier run left, or nothing."""
    if not path.is_file():
        return {}
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _commit() -> str | None:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
