"""Effects: each a pure function of its event, exact, and the same whoever computes it whenever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.effects import RULES, ItemsUnknownError, effect_of
from shared.domain.orders import Event, Item, total_of
from shared.topology import STATUSES
from tests.unit.orders import NOW, event, events, lines

ITEMS = (Item("p", Decimal("0.10"), 3), Item("q", Decimal("999999999.99"), 10_000))


def content(found: Event) -> dict[str, Any]:
    return dict(effect_of(found, origin_region="us-east-1", recorded_at=NOW).content)


def test_every_status_has_an_effect_of_its_own_kind() -> None:
    assert tuple(RULES) == STATUSES
    assert len({kind for kind, _ in RULES.values()}) == len(STATUSES)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (event("created", city="Cali"), {"within_hours": 24, "city": "Cali"}),
        (
            event("created", occurred_at=NOW),
            {"within_hours": 24, "at": "2026-11-22T17:00:00.000Z", "city": "unknown"},
        ),
        (event("assigned", courier="Luis", attempt=2), {"courier": "Luis", "attempt": 2}),
        (event("assigned"), {"courier": "unassigned", "attempt": 1}),
        (event("in_transit", occurred_at=NOW), {"within_hours": 6, "at": "2026-11-21T23:00:00.000Z", "attempt": 1}),
        (event("failed", attempt=2), {"attempt": 2, "planned": True, "next_attempt": 3, "within_hours": 18}),
        (event("failed", attempt=3), {"attempt": 3, "planned": False, "return_to_sender": True}),
        (
            event("delivered", items=ITEMS),
            {"total": "9999999999900.30", "currency": "COP", "lines": 2, "units": 10_003},
        ),
        (event("cancelled", note="cambio de planes"), {"withdrawn": True, "reason": "cambio de planes"}),
        (event("cancelled"), {"withdrawn": True, "reason": "not given"}),
    ],
)
def test_the_content_of_an_effect(found: Event, expected: dict[str, Any]) -> None:
    assert content(found) == expected


@given(events(), st.sampled_from(["us-east-1", "us-east-2"]), st.integers(0, 10**6))
def test_an_effect_does_not_depend_on_who_took_the_event_or_computes_it_when(
    found: Event, region: str, seconds: int
) -> None:
    if found.status == "delivered" and not found.items:
        return
    one = effect_of(found, origin_region="us-east-1", recorded_at=NOW)
    elsewhere = replace(found, origin_region=region, recorded_at=NOW + timedelta(seconds=seconds), subject="x")
    other = effect_of(elsewhere, origin_region=region, recorded_at=NOW + timedelta(seconds=seconds))
    assert (one.kind, one.content, one.content_hash) == (other.kind, other.content, other.content_hash)


@given(st.lists(lines, min_size=1, max_size=100))
def test_a_receipt_is_exact(found: list[Item]) -> None:
    cents = sum(int(item.price * 100) * item.quantity for item in found)
    assert Decimal(content(event("delivered", items=tuple(found)))["total"]) * 100 == cents
    assert total_of(found) * 100 == cents


def test_a_delivered_without_items_has_no_effect_yet() -> None:
    with pytest.raises(ItemsUnknownError):
        content(event("delivered"))


def test_the_content_hash_tells_contents_apart() -> None:
    effect = effect_of(event("created", city="Cali"), origin_region="us-east-1", recorded_at=NOW)
    same = replace(effect, origin_region="us-east-2", recorded_at=NOW + timedelta(days=1))
    assert effect.content_hash == same.content_hash
    assert effect.content_hash != replace(effect, content={**effect.content, "city": "Pasto"}).content_hash
    assert effect.content_hash != replace(effect, kind="other").content_hash
