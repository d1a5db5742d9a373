"""The lab that the suite shares: one quick lab for the session, brought up and down by the real commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.running_lab import RunningLab

PORT_SHIFT = 1000  # beside a lab that somebody works with


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
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
