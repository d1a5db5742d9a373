"""What must hold before a lab starts: no other lab here, and addresses and ports that are there and free."""

from __future__ import annotations

import errno
import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.lab.layout import Layout


class StartError(Exception):
    """The lab cannot start or went wrong; one line that says what to do."""


@contextmanager
def only_lab(layout: Layout) -> Iterator[None]:
    """Hold the lab's lock: it is free again the moment its holder dies, however it dies."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    with layout.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError("a lab is running already: see `relevo status`, or end it with `relevo down`") from None
        yield


def check_listeners(layout: Layout, *, strong: bool = False) -> None:
    """Raise ``StartError`` for an address that is not there or a port that is taken."""
    for what, address, port in layout.listeners(strong=strong):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free enough
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise StartError(f"{address} is not an address of this machine: {alias_hint(layout)}") from None
                if error.errno == errno.EADDRINUSE:
                    raise StartError(
                        f"port {port} on {address} ({what}) is in use: end what listens there, or `relevo down`"
                    ) from None
                raise StartError(f"cannot listen on {address}:{port} ({what}): {error.strerror}") from None


def alias_hint(layout: Layout) -> str:
    """How to make the Regions' addresses on a system that has only 127.0.0.1."""
    commands = [f"sudo ifconfig lo0 alias {seat.address} up" for seat in layout.seats.values()]
    return f"run {' and '.join(commands)}"
