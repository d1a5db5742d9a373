"""Decisions need nothing from outside: sockets are off."""

from __future__ import annotations

from tests.sockets import no_network  # noqa: F401  # for every test of this folder
