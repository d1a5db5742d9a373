"""Shared by every suite: hypothesis runs the same examples each time in CI, so that a red build can be repeated.

And by the suites that need it: the lab.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.lab.running_lab import RunningLab

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40)
settings.register_profile(
    "search", derandomize=False, deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# Whoever ends a run, say CI, ends what its fixtures started too, as with Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)

PORT_SHIFT = 1000  # beside a lab that somebody works with


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One quick lab for the session, brought up and down by the real commands."""
    from tests.lab.running_lab import RunningLab  # here: other suites need not pay for the lab's imports

    running = RunningLab(tmp_path_factory.mktemp("lab") / ".lab", PORT_SHIFT)
    try:
        up = running.relevo_apart("up", "--quick", "--detach")
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        yield running
    finally:
        down = running.relevo_apart("down")
        assert down.returncode == 0, down.stderr


@pytest.fixture
def calm_lab(lab: RunningLab) -> Iterator[RunningLab]:
    """The shared lab for a test that injects faults: everything is healed after it."""
    yield lab
    lab.heal()
