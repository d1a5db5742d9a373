"""Two Regions in moto for each test of the operators' commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runbooks.two_regions import TwoRegions, moto


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TwoRegions]:
    with moto(monkeypatch, tmp_path):
        yield TwoRegions(monkeypatch)
