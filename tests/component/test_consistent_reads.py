"""Reads that a decision rests on. Moto has no lag, so what is asked of DynamoDB is looked at, not what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.component.region import RegionUnderTest

READS: dict[str, Callable[[Any], object]] = {
    # A record of the stream is gone once it was projected: a log that is read without its event loses it in the view.
    "the order's log": lambda runtime: runtime.order_log().order("o"),
    "an effect that may be there": lambda runtime: runtime.order_log().effect("o", "e"),
    "the row that is replaced": lambda runtime: runtime.order_view().row("o"),
    "the rows of a batch": lambda runtime: runtime.order_view().rows(["o"]),
    "the lane that is opened": lambda runtime: runtime.order_work().unblock("o", "created"),
    "the drain register": lambda runtime: runtime.control().register(),
    "a webhook that is to be called": lambda runtime: runtime.webhooks().of("ana"),
    "an account and its lock": lambda runtime: runtime.accounts().account("ana"),
}


@pytest.mark.parametrize("what", READS)
def test_what_a_decision_rests_on_is_read_consistently(region: RegionUnderTest, what: str) -> None:
    runtime = region.module("runtime")
    asked: list[bool] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        requests = params.get("RequestItems", {"only": params}).values()
        asked.extend(request.get("ConsistentRead", False) for request in requests)

    events = runtime.clients.dynamodb().meta.events
    events.register("before-parameter-build.dynamodb", note)
    try:
        READS[what](runtime)
    finally:
        events.unregister("before-parameter-build.dynamodb", note)
    assert asked == [True]
