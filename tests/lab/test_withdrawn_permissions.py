"""The lab enforces the roles' policies: what needs a permission fails without it. Runs when the record was judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from loadtests.lab.emulator.call_record import read_calls
from shared.topology import TOPOLOGY
from tests.lab.policies import permissions, without
from tests.lab.running_lab import RunningLab, eventually

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("action", "table", "ask"),
    [
        ("dynamodb:PutItem", TOPOLOGY.order_log_table, lambda lab, region: lab.order(uuid4().hex, region=region)),
        ("dynamodb:BatchGetItem", TOPOLOGY.order_view_table, lambda lab, region: lab.api("/v1/metrics", region=region)),
    ],
)
def test_a_permission_that_is_taken_away_is_missed_until_it_is_back(
    lab: RunningLab, action: str, table: str, ask: Callable[[RunningLab, str], Any]
) -> None:
    region = TOPOLOGY.region_names[0]
    (taken,) = (
        one
        for one in permissions(lab, region, ["api"])
        if (one.action, one.resource.rpartition("/")[2]) == (action, table)
    )
    with without(lab, region, taken):
        eventually(lambda: ask(lab, region).status >= 500, within=10, what=f"an API that misses {action}")
        assert any(taken.allows(call) and call.allowed is False for call in read_calls(lab.layout, region))
    eventually(lambda: ask(lab, region).status < 300, within=10, what="an API that misses nothing")
