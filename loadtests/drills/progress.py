"""Shows a drill while it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from loadtests.drills.probe import Probe

if TYPE_CHECKING:
    from loadtests.drills.observers import Observers

WINDOW_SECONDS = 5.0
PLAIN_EVERY_SECONDS = 5.0


class Progress(Probe):
    """Phase, rate, errors per Region and what DNS answers, once a second."""

    def __init__(self, console: Console, observers: Observers, title: str) -> None:
        super().__init__("progress", 1.0)
        self._console = console
        self._observers = observers
        self._title = title
        self._phase = "starting"
        self._began = time.time()
        self._printed = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def tell(self, phase: str) -> None:
        """Note a new phase."""
        self._phase = phase
        self._printed = 0.0

    def start(self) -> None:
        if self._live is not None:
            self._live.start()
        super().start()

    def stop(self, timeout: float = 5.0) -> None:
        super().stop(timeout)
        if self._live is not None:
            self._live.stop()

    def look(self) -> None:
        rows = self._rows()
        if self._live is not None:
            self._live.update(self._panel(rows), refresh=True)
        elif time.time() - self._printed >= PLAIN_EVERY_SECONDS:
            self._printed = time.time()
            regions = "  ".join(f"{name} {ok:5.1f}/s ok {bad:4.1f}/s err" for name, ok, bad in rows)
            self._console.print(
                f"{self._elapsed():4.0f} s  {self._phase:<16} {regions}  dns: {self._dns()}", soft_wrap=True
            )

    def _elapsed(self) -> float:
        return time.time() - self._began

    def _dns(self) -> str:
        return ", ".join(
            f"{location}->{region or '?'}" for location, region in sorted(self._observers.dns.latest().items())
        )

    def _rows(self) -> list[tuple[str, float, float]]:
        """Rate of good and bad tries per Region over the last seconds; unanswered ones under the address's Region."""
        since = time.time() - WINDOW_SECONDS
        good: Counter[str] = Counter()
        bad: Counter[str] = Counter()
        for arrival in reversed(self._observers.ledger.arrivals):
            if arrival.finished < since:
                break
            for attempt in arrival.tries:
                region = attempt.region or self._observers.lab.region_at(attempt.address) or "no answer"
                (good if attempt.ok else bad)[region] += 1
        names = [*self._observers.lab.regions, *sorted((set(good) | set(bad)) - set(self._observers.lab.regions))]
        return [(name, good[name] / WINDOW_SECONDS, bad[name] / WINDOW_SECONDS) for name in names]

    def _panel(self, rows: list[tuple[str, float, float]]) -> Table:
        table = Table(title=f"{self._title}   {self._elapsed():.0f} s   [bold]{self._phase}[/bold]", min_width=60)
        for heading in ("Region", "served/s", "errors/s", "DNS sends clients near it to"):
            table.add_column(
                heading, justify="left" if heading in ("Region", "DNS sends clients near it to") else "right"
            )
        dns = self._observers.dns.latest()
        for name, ok, bad in rows:
            colour = "red" if bad > 0 else "green"
            table.add_row(name, f"{ok:.1f}", f"[{colour}]{bad:.1f}[/{colour}]", dns.get(name) or "-")
        return table
