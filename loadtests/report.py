"""The report of a drill: one self-contained HTML file that says in ten seconds whether it held. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from loadtests.charts import LineChart, Strip, TimeAxis, line_chart, phase_ruler, strips
from loadtests.gate import Promise
from shared.slo import BY_NAME

STYLE_FILE: Final = Path(__file__).with_name("report.css")
SCRIPT_FILE: Final = Path(__file__).with_name("report.js")

MEANING: Final = {
    "lost_orders": "acknowledged commands missing or altered in a Region",
    "duplicate_effects": "events with other than one effect, effects that changed",
    "announcements_missing": "effects that no Region announced",
    "sales_differ_from_ledger": "COP between the dashboard's sales and the clients' own sums",
    "view_differs_from_log": "orders shown otherwise than their log adds up to",
    "replicas_differ": "log items that are not the same in both Regions",
    "freshness_p99_seconds": "from a client's 2xx until a reader in either Region sees the order",
    "error_rate_steady": "arrivals that failed in the end, before the fault",
    "p95_ms_steady": "latency from the scheduled time, before the fault",
    "achieved_rto_p95_seconds": "per client of the lost Region: fault to first success",
    "detection_seconds": "fault until DNS stopped naming the lost Region",
    "survivor_carries_10x": "share of the offered load that one Region served alone",
    "takeover_seconds": "fault until the lost Region's replicated work was done by the other",
    "failed_requests": "requests without an answer, from clients that honour the TTL, from its beginning on",
    "regions_drained": "though both Regions worked",
    "regions_in_dns": "named by DNS while every health check was red",
    "rejected_tokens": "refused though they had not expired, of clients and of the drill's own witness",
    "steps_taken_early": "of the rotation, done when asked for before their wait was over",
    "retired_key_accepted": "signed with the retired key and not expired, accepted after the last step",
    "items_not_understood": "put into quarantine by one version or the other",
    "versions_side_by_side_seconds": "both Regions served, each with another version",
    "cell_converged_seconds": "of the slowest cell: from its faults' end until all was complete in both Regions",
    "evacuation_seconds": "from the command until the Region was found empty",
    "rpo_commands": "acknowledged before the loss, not readable in the survivor right after it",
    "rpo_seconds": "from the oldest of those until the loss",
    "converged_seconds": "until both Regions were equal again",
}


@dataclass(frozen=True)
class ChartSection:
    """A chart with its words."""

    title: str
    words: str
    chart: LineChart


@dataclass(frozen=True)
class PhaseRow:
    name: str
    seconds: float
    offered_per_second: float
    error_rate: float | None
    first_try_error_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class Tile:
    """One figure of the headline."""

    label: str
    value: str
    good: bool | None = None


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    title: str
    headline: str
    started: str
    timing: str
    passed: bool
    axis: TimeAxis
    charts: Sequence[ChartSection]
    dns: Sequence[Strip]
    promises: Sequence[Promise]
    phases: Sequence[PhaseRow]
    tiles: Sequence[Tile] = ()
    broken: Sequence[str] = field(default_factory=tuple)  # examples of what the judge found
    notes: Sequence[str] = field(default_factory=tuple)
    not_proved: Sequence[str] = field(default_factory=tuple)


PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>$title: $word</title><style>$style</style></head><body>
<header class="$state"><div class="word">$word</div>
<div><h1>$title</h1><p>$headline</p><p class="small">$started</p></div></header><main>
<section class="tiles">$tiles</section>
$broken
<section><h2>What happened</h2>$ruler$charts</section>
<section><h2>DNS answers</h2>
<p>Where a client near each Region was sent, second by second.</p><figure>$dns</figure></section>
<section><h2>Promises</h2>$promises</section>
<section><h2>Phases</h2>$phases</section>
<section class="columns"><div><h2>What the lab does not prove</h2><ul>$not_proved</ul></div>
<div><h2>Notes</h2><ul>$notes</ul></div></section>
</main><div id="readout" hidden></div><script>$script</script></body></html>
""")


def write_report(report: Report, path: Path) -> None:
    """Write the page; nothing in it is fetched from anywhere."""
    path.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    return PAGE.substitute(
        title=escape(report.title),
        word="HELD" if report.passed else "BROKEN",
        state="held" if report.passed else "broken",
        headline=escape(report.headline),
        started=escape(f"{report.started} · {report.timing} timing"),
        style=STYLE_FILE.read_text(encoding="utf-8"),
        script=SCRIPT_FILE.read_text(encoding="utf-8"),
        tiles="".join(_tile(tile) for tile in report.tiles),
        broken=_broken(report),
        ruler=phase_ruler(report.axis),
        charts="".join(_chart(section, report.axis) for section in report.charts),
        dns=strips(report.dns, report.axis),
        promises=_promises(report.promises),
        phases=_phases(report.phases),
        not_proved=_list(report.not_proved),
        notes=_list(report.notes),
    )


def _tile(tile: Tile) -> str:
    state = "" if tile.good is None else " good" if tile.good else " bad"
    return f'<div class="tile{state}"><b>{escape(tile.value)}</b><span>{escape(tile.label)}</span></div>'


def _broken(report: Report) -> str:
    if report.passed:
        return ""
    failed = [promise for promise in report.promises if not promise.passed]
    lines = [
        f"<b>{escape(promise.name)}</b>: {_achieved(promise)}, objective {_objective(promise)}" for promise in failed
    ]
    lines += [escape(example) for example in report.broken]
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<section class="alert"><h2>What did not hold</h2><ul>{items}</ul></section>'


def _chart(section: ChartSection, axis: TimeAxis) -> str:
    legend = "".join(
        f'<span class="key"><i style="background:{line.colour}"></i>{escape(line.name)}</span>'
        for line in section.chart.lines
    )
    return (
        f'<figure><figcaption><b>{escape(section.title)}</b> <span class="unit">{escape(section.chart.unit)}</span>'
        f'<span class="words">{escape(section.words)}</span>{legend}</figcaption>'
        f"{line_chart(section.chart, axis)}</figure>"
    )


def _objective(promise: Promise) -> str:
    if promise.objective is None:
        return "a figure, not promised"
    sign = "≤" if BY_NAME[promise.name].bound == "at_most" else "≥"
    return f"{sign} {promise.objective:g} {escape(promise.unit)}"


def _achieved(promise: Promise) -> str:
    if promise.achieved is None:
        return "not measured"
    form = ",.0f" if promise.achieved == int(promise.achieved) else ",.4g"
    return f"{promise.achieved:{form}} {escape(promise.unit)}"


def _promises(promises: Sequence[Promise]) -> str:
    rows = "".join(
        f'<tr class="{"good" if promise.passed else "bad"}"><td class="sign">{"✓" if promise.passed else "✗"}</td>'
        f"<td><b>{escape(promise.name)}</b><br><span>{escape(MEANING.get(promise.name, ''))}</span></td>"
        f'<td class="number">{_objective(promise)}</td><td class="number achieved">{_achieved(promise)}</td></tr>'
        for promise in promises
    )
    return f"<table><tr><th></th><th>Promise</th><th>Objective</th><th>Achieved</th></tr>{rows}</table>"


def _phases(phases: Sequence[PhaseRow]) -> str:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.2%}"

    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:,.0f}"

    rows = "".join(
        f"<tr><td>{escape(row.name)}</td><td class=number>{row.seconds:.0f}</td>"
        f"<td class=number>{row.offered_per_second:.1f}</td><td class=number>{share(row.error_rate)}</td>"
        f"<td class=number>{share(row.first_try_error_rate)}</td><td class=number>{ms(row.p50_ms)}</td>"
        f"<td class=number>{ms(row.p95_ms)}</td><td class=number>{ms(row.p99_ms)}</td></tr>"
        for row in phases
    )
    heads = ("Phase", "seconds", "offered/s", "failed in the end", "failed at first", "p50 ms", "p95 ms", "p99 ms")
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table>"


def _list(lines: Sequence[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines) or "<li>none</li>"
