"""One MiniStack process with one Region's stacks, for measurements: nothing polls, so nothing happens by itself.

It listens on a port of its own and is no lab: benches and labs do not disturb each other.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadtests.lab import deploy
from loadtests.lab.emulator.ministack import clean_environment, start_ministack, wait_until_ready
from loadtests.lab.layout import ACCOUNT, ROOT, Layout, Seat
from loadtests.lab.processes import ProcessBook, end_all
from shared.topology import TOPOLOGY

APP: Final = ROOT / "cdk.out"
# The functions whose environment a measuring process takes: together they know every name.
PARTS: Final = ("relevo-api", "relevo-relay", "relevo-processor-created")


@dataclass(frozen=True)
class OneRegion:
    """Where it answers, and the environment in which its functions' code runs outside of it."""

    seat: Seat
    environment: dict[str, str]


@contextmanager
def one_region(folder: Path, *, app: Path = APP) -> Iterator[OneRegion]:
    """Start a Region, deploy its synthesized stacks, and end it whatever happens."""
    deploy.check_app(app)
    layout = Layout.at(folder)
    seat = layout.seats[TOPOLOGY.region_names[0]]
    port = _free_port(seat.address)
    seat = replace(seat, gateway_port=port, own_path_port=port)
    book = ProcessBook.new(layout.process_file)
    try:
        started = start_ministack(book, layout, seat, 1.0)
        log = layout.log_folder / f"{started.name}.log"
        wait_until_ready(started, f"{seat.endpoint}/_ministack/ready", log)
        deploy.deploy_region(layout, seat, app, 1.0, deploy.new_keyring())
        yield OneRegion(seat, _environment(seat))
    finally:
        end_all(book.started, book.lab)


def _environment(seat: Seat) -> dict[str, str]:
    functions = deploy.client(seat, "lambda")
    found: dict[str, str] = {}
    for name in PARTS:
        found |= functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    return {
        **clean_environment(),
        **found,
        "AWS_ENDPOINT_URL": seat.endpoint,
        "AWS_REGION": seat.region,
        "AWS_DEFAULT_REGION": seat.region,
        "AWS_ACCOUNT_ID": ACCOUNT,
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join([str(ROOT)]),
    }


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port
