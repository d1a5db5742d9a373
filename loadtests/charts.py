"""Small SVG charts over one shared time axis: lines with phases behind and events across, and strips of states. Pure.

Hand-written because a drill's report must be one light file; it draws and knows nothing of what the numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Final

WIDTH: Final = 1000
LEFT: Final = 56
RIGHT: Final = 14
PLOT_WIDTH: Final = WIDTH - LEFT - RIGHT
TOP: Final = 8
AXIS_HEIGHT: Final = 20


@dataclass(frozen=True)
class Band:
    """A phase: shown as a stripe behind every chart."""

    name: str
    start: float
    end: float
    kind: str = "plain"  # plain, steady or lost


@dataclass(frozen=True)
class Event:
    """A moment: shown as a line across every chart."""

    at: float
    label: str
    kind: str = "note"  # note, fault or heal


@dataclass(frozen=True)
class TimeAxis:
    """Seconds since the start of the drill, with what happened on the way."""

    seconds: float
    bands: Sequence[Band] = ()
    events: Sequence[Event] = ()

    def x(self, at: float) -> float:
        return round(LEFT + PLOT_WIDTH * min(max(at / self.seconds, 0.0), 1.0), 1)


@dataclass(frozen=True)
class Line:
    """One line of a chart; ``None`` breaks it."""

    name: str
    colour: str
    points: Sequence[tuple[float, float | None]]
    area: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class LineChart:
    """Lines over time. ``limit`` is drawn as an objective; ``log`` needs positive values."""

    unit: str
    lines: Sequence[Line]
    height: int = 170
    log: bool = False
    limit: float | None = None
    minimum_top: float = 1.0


@dataclass(frozen=True)
class Segment:
    start: float
    end: float
    label: str
    colour: str


@dataclass(frozen=True)
class Strip:
    """States of one thing over time, as coloured bars in a row."""

    name: str
    segments: Sequence[Segment]


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 2.0, 2.5, 5.0, 10.0):
        if value <= step * power * 1.0001:
            return step * power
    return 10.0 * power


def number_text(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.3g}"


def clock_text(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def tick_step(seconds: float) -> float:
    """A step that gives at most ten ticks."""
    for step in (5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0):
        if seconds / step <= 10:
            return step
    return 600.0


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    height: int
    log: bool

    def y(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = value / self.high
        return round(TOP + self.height * (1 - min(max(share, 0.0), 1.0)), 1)

    def ticks(self) -> list[float]:
        if not self.log:
            return [0.0, self.high / 2, self.high]
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


def _scale_of(chart: LineChart) -> _Scale:
    values = [value for line in chart.lines for _, value in line.points if value is not None]
    top = max([*values, chart.limit or 0.0, chart.minimum_top])
    if not chart.log:
        return _Scale(0.0, nice_ceiling(top), chart.height, log=False)
    positive = [value for value in values if value > 0]
    low = 10.0 ** math.floor(math.log10(min(positive, default=1.0)))
    high = 10.0 ** math.ceil(math.log10(max(top, low * 10)) - 1e-9)
    return _Scale(low, high, chart.height, log=True)


def line_chart(chart: LineChart, axis: TimeAxis) -> str:
    """Draw a chart as one SVG element; its data stand in attributes for the pointer's readout."""
    scale = _scale_of(chart)
    bottom = TOP + chart.height
    parts = [_open_svg(bottom + AXIS_HEIGHT, chart, axis), _background(axis, bottom)]
    for tick in scale.ticks():
        y = scale.y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5}" text-anchor="end">{number_text(tick)}</text>')
    if chart.limit is not None:
        y = scale.y(chart.limit)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        label = f"objective {number_text(chart.limit)} {chart.unit}"
        text_y = y - 4 if y > TOP + 14 else y + 12
        parts.append(f'<text class="limit-text" x="{WIDTH - RIGHT - 4}" y="{text_y}" text-anchor="end">{label}</text>')
    for line in chart.lines:
        parts.extend(_draw_line(line, axis, scale, bottom))
    parts.append(_events(axis, bottom))
    parts.append(_time_ticks(axis, bottom))
    parts.append("</svg>")
    return "".join(parts)


def _draw_line(line: Line, axis: TimeAxis, scale: _Scale, bottom: int) -> list[str]:
    drawn: list[str] = []
    for piece in _pieces(line.points):
        path = " ".join(f"{axis.x(at)},{scale.y(value)}" for at, value in piece)
        if line.area:
            first, last = axis.x(piece[0][0]), axis.x(piece[-1][0])
            points = f"{first},{bottom} {path} {last},{bottom}"
            drawn.append(f'<polygon fill="{line.colour}" fill-opacity=".16" points="{points}"/>')
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        if len(piece) == 1:
            at, value = piece[0]
            drawn.append(f'<circle cx="{axis.x(at)}" cy="{scale.y(value)}" r="2" fill="{line.colour}"/>')
        else:
            drawn.append(f'<polyline class="line" stroke="{line.colour}"{dash} points="{path}"/>')
    return drawn


def _pieces(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Split at gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((at, value))
    return [piece for piece in pieces if piece]


def strips(rows: Sequence[Strip], axis: TimeAxis) -> str:
    """Draw rows of states as one SVG element."""
    row_height, gap = 22, 24
    bottom = TOP + len(rows) * (row_height + gap)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {bottom + AXIS_HEIGHT}" data-seconds="{axis.seconds}">',
        _background(axis, bottom),
    ]
    for number, row in enumerate(rows):
        y = TOP + number * (row_height + gap) + gap - 4
        parts.append(f'<text class="row" x="{LEFT}" y="{y - 5}">{escape(row.name)}</text>')
        for segment in row.segments:
            x, end = axis.x(segment.start), axis.x(segment.end)
            width = max(1.0, round(end - x, 1))
            title = f"{row.name}: {segment.label}, {clock_text(segment.start)} to {clock_text(segment.end)}"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{width}" height="{row_height}" rx="3" fill="{segment.colour}">'
                f"<title>{escape(title)}</title></rect>"
            )
            if width > 9 * len(segment.label):
                parts.append(f'<text class="on" x="{x + 6}" y="{y + 15}">{escape(segment.label)}</text>')
    parts += [_events(axis, bottom), _time_ticks(axis, bottom), "</svg>"]
    return "".join(parts)


def _open_svg(height: int, chart: LineChart, axis: TimeAxis) -> str:
    data = "|".join(
        f"{escape(line.name)}~{line.colour}~"
        + ";".join(f"{at:.1f},{value:.4g}" for at, value in line.points if value is not None)
        for line in chart.lines
    )
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" data-seconds="{axis.seconds}" '
        f'data-unit="{escape(chart.unit)}" data-lines="{data}">'
    )


def _background(axis: TimeAxis, bottom: int) -> str:
    bands = [
        f'<rect class="band {band.kind}" x="{axis.x(band.start)}" y="{TOP}" '
        f'width="{max(0.0, round(axis.x(band.end) - axis.x(band.start), 1))}" height="{bottom - TOP}"/>'
        for band in axis.bands
    ]
    return "".join(bands)


def _events(axis: TimeAxis, bottom: int) -> str:
    return "".join(
        f'<line class="event {event.kind}" x1="{axis.x(event.at)}" x2="{axis.x(event.at)}" y1="{TOP}" y2="{bottom}">'
        f"<title>{escape(event.label)} at {clock_text(event.at)}</title></line>"
        for event in axis.events
    )


def _time_ticks(axis: TimeAxis, bottom: int) -> str:
    step = tick_step(axis.seconds)
    ticks = [step * number for number in range(int(axis.seconds / step) + 1)]
    return "".join(
        f'<text class="tick" x="{axis.x(tick)}" y="{bottom + 14}" text-anchor="middle">{clock_text(tick)}</text>'
        for tick in ticks
    )


def phase_ruler(axis: TimeAxis) -> str:
    """Names of the phases and of the events, as a header over the charts."""
    parts = [f'<svg class="chart ruler" viewBox="0 0 {WIDTH} 46">']
    for band in axis.bands:
        x, end = axis.x(band.start), axis.x(band.end)
        parts.append(
            f'<rect class="ruler-band {band.kind}" x="{x}" y="24" width="{max(0.0, end - x):.1f}" height="18" rx="3"/>'
        )
        if end - x > 6.2 * len(band.name) + 4:
            parts.append(f'<text class="ruler-text" x="{(x + end) / 2:.1f}" y="37">{escape(band.name)}</text>')
    labelled = [event for event in axis.events if event.kind != "note"]
    for event, following in zip_longest(labelled, labelled[1:]):
        x = axis.x(event.at)
        crowded = following is not None and axis.x(following.at) - x < 7 * len(event.label)
        side, shift = ("end", -4) if crowded or x > WIDTH - 7 * len(event.label) else ("start", 4)
        parts.append(f'<line class="event {event.kind}" x1="{x}" x2="{x}" y1="4" y2="46"/>')
        parts.append(
            f'<text class="event-text {event.kind}" x="{x + shift}" y="15" text-anchor="{side}">'
            f"{escape(event.label)}</text>"
        )
    parts.append("</svg>")
    return "".join(parts)
