"""Where the lab keeps its files and on which loopback addresses its processes listen.

One folder holds all state of a lab. Two labs can run side by side only with different folders and ports, which tests
use: ``RELEVO_LAB_DIR`` and ``RELEVO_LAB_PORT_SHIFT``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from runbooks.lab_folder import lab_file, lab_folder
from shared.topology import TOPOLOGY, Region

ROOT: Final = Path(__file__).resolve().parents[2]
SITE_FOLDER: Final = ROOT / ".build" / "site"
SHIFT_VARIABLE: Final = "RELEVO_LAB_PORT_SHIFT"
ACCOUNT: Final = "000000000000"
LOOPBACK: Final = "127.0.0.1"


class LayoutError(Exception):
    """The environment asks for a lab that cannot be."""


@dataclass(frozen=True)
class Seat:
    """One Region's place in the lab: its address and the ports of what runs there."""

    region: str
    address: str
    gateway_port: int
    own_path_port: int
    peer_path_port: int
    microburst_port: int

    @property
    def endpoint(self) -> str:
        """MiniStack itself: for tools with the lab's root credentials, and for clients of the API."""
        return f"http://{self.address}:{self.gateway_port}"

    @property
    def own_path(self) -> str:
        """The way of the Region's functions to their own Region's services: through microburst while it has a fault."""
        return f"http://{self.address}:{self.own_path_port}"

    @property
    def microburst(self) -> str:
        """Where service faults are set and injected."""
        return f"http://{self.address}:{self.microburst_port}"

    @property
    def peer_path(self) -> str:
        """The way of the Region's functions to the peer's DynamoDB."""
        return f"http://{self.address}:{self.peer_path_port}"


@dataclass(frozen=True)
class Layout:
    """Files and addresses of one lab."""

    folder: Path
    shift: int
    seats: dict[str, Seat]
    store: Seat  # of the strong tables, which survive any Region; it answers as the owner Region's DynamoDB
    dns_port: int
    control_port: int
    link_control_port: int
    dns_control_port: int
    edge_port: int

    @classmethod
    def from_environment(cls) -> Self:
        """The lab of this checkout, unless the environment names another folder or shifts the ports."""
        shift = os.environ.get(SHIFT_VARIABLE, "0")
        if not shift.lstrip("-").isdigit():
            raise LayoutError(f"{SHIFT_VARIABLE} must be a whole number, not {shift!r}")
        return cls.at(lab_folder(), int(shift))

    @classmethod
    def at(cls, folder: Path, shift: int = 0) -> Self:
        """A lab in a folder, with every port moved by ``shift``."""

        def seat(region: Region) -> Seat:
            return Seat(region.name, region.lab_address, 4566 + shift, 4577 + shift, 4578 + shift, 4579 + shift)

        return cls(
            folder=folder,
            shift=shift,
            seats={region.name: seat(region) for region in TOPOLOGY.regions},
            store=seat(Region(TOPOLOGY.owner_region, LOOPBACK)),
            dns_port=5354 + shift,
            control_port=5355 + shift,
            link_control_port=5356 + shift,
            dns_control_port=5357 + shift,
            edge_port=8080 + shift,
        )

    @property
    def lab_file(self) -> Path:
        return lab_file(self.folder)

    @property
    def process_file(self) -> Path:
        return self.folder / "processes.json"

    @property
    def lock_file(self) -> Path:
        return self.folder / "lock"

    @property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    @property
    def asset_folder(self) -> Path:
        """Zipped Lambda packages by content hash; the one thing that outlives a lab."""
        return self.folder / "assets"

    @property
    def temporary_folder(self) -> Path:
        return self.folder / "tmp"

    @property
    def control(self) -> str:
        return f"http://{LOOPBACK}:{self.control_port}"

    @property
    def link_control(self) -> str:
        return f"http://{LOOPBACK}:{self.link_control_port}"

    @property
    def dns_control(self) -> str:
        return f"http://{LOOPBACK}:{self.dns_control_port}"

    @property
    def edge(self) -> str:
        return f"http://localhost:{self.edge_port}"

    def peer_seat(self, region: str) -> Seat:
        return self.seats[TOPOLOGY.peer_of(region)]

    def listeners(self, *, strong: bool = False) -> list[tuple[str, str, int]]:
        """Every (what, address, port) that the lab listens on."""
        found = [("store of strong tables", self.store.address, self.store.gateway_port)] if strong else []
        for seat in self.seats.values():
            found += [
                (f"API and services of {seat.region}", seat.address, seat.gateway_port),
                (f"own path of {seat.region}", seat.address, seat.own_path_port),
                (f"peer path of {seat.region}", seat.address, seat.peer_path_port),
                (f"microburst of {seat.region}", seat.address, seat.microburst_port),
            ]
        return [
            *found,
            ("DNS", LOOPBACK, self.dns_port),
            ("control API", LOOPBACK, self.control_port),
            ("link control", LOOPBACK, self.link_control_port),
            ("DNS control", LOOPBACK, self.dns_control_port),
            ("edge", LOOPBACK, self.edge_port),
        ]
