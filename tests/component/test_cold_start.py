"""The cold start of the API function against that of the old system's stack."""

from __future__ import annotations

import pytest

from loadtests.bench.cold_start import measure_cold_import

SHARE = 0.70


@pytest.mark.enable_socket
def test_cold_import_of_the_api_stays_under_seventy_percent_of_the_old_stack() -> None:
    found = measure_cold_import()
    print(f"cold import: {found.ours:.3f} s against {found.theirs:.3f} s = {found.share:.0%}")
    assert found.share < SHARE
