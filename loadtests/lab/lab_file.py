"""Reads what the lab's supervisor wrote about the running lab: where each Region, the DNS server and the edge are."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict
from urllib.parse import urlsplit

from shared.topology import TOPOLOGY


class _RegionEntry(TypedDict):
    endpoint: str
    address: str
    port: int


class _LabEntry(TypedDict, total=False):
    regions: dict[str, _RegionEntry]
    template_dir: str
    dns: str
    edge: str
    ttl_seconds: float
    check_interval_seconds: float
    link_control: str
    dns_control: str


@dataclass(frozen=True)
class Address:
    """A host and a port of this machine."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host:port`` or a URL; raises ``ValueError`` without a port."""
        parts = urlsplit(text if "//" in text else f"//{text}")
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"expected host:port, got {text!r}")
        return cls(parts.hostname, parts.port)


@dataclass(frozen=True)
class LabRegion:
    """Where one Region of the lab answers."""

    name: str
    address: str
    port: int
    endpoint: str


@dataclass(frozen=True)
class Lab:
    """The running lab, as far as link, DNS and edge need to know it."""

    regions: dict[str, LabRegion]
    template_dir: Path
    dns: Address
    edge: Address
    link_control: Address
    dns_control: Address
    ttl_seconds: float
    check_interval_seconds: float | None  # None: as the templates say


def read_lab(path: Path) -> Lab:
    """Read the lab file; raises ``OSError`` without one, ``KeyError`` or ``ValueError`` when it is not a lab's."""
    entry: _LabEntry = json.loads(path.read_text())
    return Lab(
        regions={
            name: LabRegion(name, region["address"], int(region["port"]), region["endpoint"])
            for name, region in entry["regions"].items()
        },
        template_dir=Path(entry.get("template_dir", "cdk.out")),
        dns=Address.parse(entry.get("dns", "127.0.0.1:5354")),
        edge=Address.parse(entry.get("edge", "http://localhost:8080")),
        link_control=Address.parse(entry.get("link_control", "127.0.0.1:5356")),
        dns_control=Address.parse(entry.get("dns_control", "127.0.0.1:5357")),
        ttl_seconds=float(entry.get("ttl_seconds", TOPOLOGY.dns_ttl_seconds)),
        check_interval_seconds=entry.get("check_interval_seconds"),
    )


def lab_from_arguments(description: str) -> Lab:
    """Read the lab file named on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--lab", type=Path, required=True, help="the lab file")
    path: Path = parser.parse_args().lab
    try:
        return read_lab(path)
    except OSError as error:
        parser.error(f"no lab is running here ({error}); start one with `relevo up`")
