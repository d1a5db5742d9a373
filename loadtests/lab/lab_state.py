"""Writes `lab.json`, by which everything else finds the running lab, and reads it back for the commands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.lab.layout import LOOPBACK, Layout
from loadtests.lab.processes import ProcessBook, is_alive
from loadtests.lab.templates import LeftOut
from loadtests.lab.warming import LabAccount
from shared.slo import ClockScale
from shared.topology import Consistency


@dataclass
class LabState:
    """What is known of a lab while it starts and runs."""

    app: Path
    quick: bool
    consistency: Consistency
    clock: ClockScale
    account: LabAccount
    left_out: list[LeftOut]
    ready_seconds: float | None = None
    spares_ready: bool = False  # further workers stand ready: a measurement starts after that

    def write(self, layout: Layout, book: ProcessBook) -> None:
        """Write the lab file; a reader never sees half of it."""
        content = {
            "pid": None if book.supervisor is None else book.supervisor.pid,
            "ready": self.ready_seconds is not None,
            "ready_seconds": self.ready_seconds,
            "spares_ready": self.spares_ready,
            "quick": self.quick,
            "consistency": self.consistency,
            "time_scale": self.clock.time_scale,
            "ttl_seconds": self.clock.dns_ttl_seconds,
            "check_interval_seconds": self.clock.health_check_interval_seconds,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "template_dir": str(self.app),
            "account": asdict(self.account),
            "left_out": [asdict(kind) for kind in self.left_out],
            "processes": [
                {"name": started.name, "pid": started.pid, "region": started.region, "role": started.role}
                for started in book.started
            ],
            "regions": {
                region: {
                    "endpoint": seat.endpoint,
                    "address": seat.address,
                    "port": seat.gateway_port,
                    "microburst": seat.microburst,
                    "own_path": seat.own_path,
                    "peer_path": seat.peer_path,
                    "api_url": seat.endpoint,
                }
                for region, seat in layout.seats.items()
            },
            "dns": f"{LOOPBACK}:{layout.dns_port}",
            "edge": layout.edge,
            "control": layout.control,
            "link_control": layout.link_control,
            "dns_control": layout.dns_control,
        }
        layout.folder.mkdir(parents=True, exist_ok=True)
        fresh = layout.lab_file.with_suffix(".fresh")
        fresh.write_text(json.dumps(content, indent=2))
        fresh.replace(layout.lab_file)


def read_running(layout: Layout) -> dict[str, Any] | None:
    """The lab file of a lab whose supervisor lives, else None."""
    book = ProcessBook.read(layout.process_file)
    if book is None or book.supervisor is None or not is_alive(book.supervisor):
        return None
    try:
        content: dict[str, Any] = json.loads(layout.lab_file.read_text())
    except FileNotFoundError:
        return None
    return content
