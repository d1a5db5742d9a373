"""What the page decides by itself. The cases are in units.test.mjs; here each gets its name."""

from __future__ import annotations

import pytest

from tests.site.node_tests import names, troubles

FILE = "units.test.mjs"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return troubles(FILE, tmp_path_factory.mktemp("units"), seconds=60, environment={"TZ": "Asia/Tokyo"})


@pytest.mark.parametrize("name", names(FILE))
def test_units(outcome: dict[str, str], name: str) -> None:
    assert not outcome[name], outcome[name]
