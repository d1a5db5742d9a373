"""Route 53's latency routing as pure functions: which record a client at some place gets.

Where a client is comes from its EDNS Client Subnet, as with Route 53; documentation prefixes stand for places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Location:
    """A place that clients call from: the prefix that stands for it, and how far each Region is."""

    name: str
    prefix: Network
    latency_ms: Mapping[str, float] = field(hash=False)


LOCATIONS: Final[tuple[Location, ...]] = (
    Location("bogota", ip_network("192.0.2.0/24"), {"us-east-1": 62.0, "us-east-2": 71.0}),
    Location("barranquilla", ip_network("198.51.100.0/24"), {"us-east-1": 51.0, "us-east-2": 63.0}),
    # Nearer to Ohio by the table, not by the map: half of the simulated clients have to go there.
    Location("cali", ip_network("203.0.113.0/24"), {"us-east-1": 78.0, "us-east-2": 69.0}),
)
DEFAULT_LOCATION: Final = LOCATIONS[0]  # of a client whose resolver sends no subnet


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One record of a latency-routed name."""

    name: str
    region: str
    set_identifier: str
    health_check_id: str | None


def locate(subnet: Network | None, locations: Iterable[Location] = LOCATIONS) -> Location:
    """The place of a client subnet; the default one when it is unknown or not told."""
    if subnet is not None:
        for location in locations:
            if subnet.version == location.prefix.version and subnet.subnet_of(location.prefix):  # type: ignore[arg-type]
                return location
    return DEFAULT_LOCATION


def location_for(region: str) -> Location:
    """A place whose nearest Region is this one."""
    for location in LOCATIONS[1:]:
        if min(location.latency_ms, key=lambda name: location.latency_ms[name]) == region:
            return location
    raise ValueError(f"no location is nearest to {region!r}")


def choose(records: Iterable[LatencyRecord], verdicts: Mapping[str, bool], location: Location) -> LatencyRecord | None:
    """The record a client gets: the nearest healthy one, and with none healthy the nearest of all (fail-open)."""
    records = tuple(records)
    healthy = [
        record for record in records if record.health_check_id is None or verdicts.get(record.health_check_id, True)
    ]
    return min(
        healthy or records,
        key=lambda record: (location.latency_ms.get(record.region, float("inf")), record.set_identifier),
        default=None,
    )
