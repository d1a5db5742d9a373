"""Topologies that differ from the deployed one in what a test is about."""

from __future__ import annotations

import dataclasses
from typing import Any

from shared.topology import TOPOLOGY, Growth, Topology


def with_load(orders: float, reads: float = 1.0) -> Topology:
    """Another load of today, per second."""
    return dataclasses.replace(TOPOLOGY, baseline=Growth(orders_per_second=orders, reads_per_second=reads))


def with_reserved(**functions: int) -> Topology:
    """Other reserved concurrency of some functions."""
    sizes: dict[str, Any] = {
        name: dataclasses.replace(getattr(TOPOLOGY, name), reserved_concurrency=reserved)
        for name, reserved in functions.items()
    }
    return dataclasses.replace(TOPOLOGY, **sizes)
