"""The judge finds what is planted: each check has an evidence in which nothing but that one thing is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.drills.counters import metric_in
from loadtests.drills.evidence import Announcement, Evidence, Replica, canonical_text
from loadtests.drills.fold import summarize
from loadtests.drills.judge import judge
from loadtests.drills.replicas import sales_since
from loadtests.drills.tracker import takeover_of
from loadtests.journeys import COMPAT, CREATE, EVENT
from loadtests.ledger import Ack, Ledger, SentCommand
from shared.domain.orders import Event, Item, fold
from shared.topology import STATUSES

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
REGIONS = ("us-east-1", "us-east-2")
CHECKS = {
    "lost_orders", "duplicate_effects", "announcements_missing",
    "sales_differ_from_ledger", "view_differs_from_log", "replicas_differ",
}  # fmt: skip


def utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def good_evidence() -> Evidence:
    """Two orders: one followed by a courier to its delivery, one delivery of an old client system."""
    ledger = Ledger()
    items = [
        {"product": "Mochila wayúu", "price": 120000, "quantity": 2},
        {"product": "Café", "price": Decimal("30000.5")},
    ]
    bodies: list[dict[str, Any]] = [
        {
            "order_id": "R-1",
            "status": "created",
            "items": items,
            "courier": "Luz",
            "city": "Cali",
            "occurred_at": utc(NOON),
        },
        {"status": "assigned", "courier": "Luz"},
        {"status": "delivered", "occurred_at": utc(NOON + timedelta(hours=1))},
    ]
    at = NOON.timestamp()
    for number, body in enumerate(bodies):
        route = EVENT if number else CREATE
        ledger.add(
            SentCommand(f"c{number}", "R-1", body["status"], route, body, f"R-key{number}", "ana", number, at + number)
        )
        ledger.add(Ack(f"c{number}", "R-1", f"e{number}", REGIONS[number % 2], 201, at + number + 0.2))
    old = {"pedido_id": "R-2", "repartidor": "Óscar", "productos": [{"producto": "Café", "precio": "1000.50"}]}
    ledger.add(SentCommand("c9", "R-2", "delivered", COMPAT, old, None, "viejo", 0, at))
    ledger.add(Ack("c9", "R-2", None, "us-east-1", 200, at + 0.3))

    stored_items = [
        {"product": "Mochila wayúu", "price": "120000", "quantity": Decimal(2)},
        {"product": "Café", "price": "30000.5", "quantity": Decimal(1)},
    ]
    events: list[dict[str, Any]] = []
    for number, body in enumerate(bodies):
        event = {
            "entity": "event", "order_id": "R-1", "event_id": f"e{number}", "status": body["status"], "subject": "ana",
            "idempotency_key": f"R-key{number}", "origin_region": REGIONS[number % 2],
            "recorded_at": utc(NOON + timedelta(seconds=number)),
        }  # fmt: skip
        event |= {name: body[name] for name in ("courier", "city", "occurred_at") if name in body}
        if number == 0:
            event |= {"items": stored_items, "total": "270000.5"}
        if number == 2:
            event |= {"items": stored_items, "total": "270000.5", "copied_items": True}
        events.append(event)
    events.append(
        {
            "entity": "event", "order_id": "R-2", "event_id": "e9", "status": "delivered", "subject": "viejo",
            "courier": "Óscar", "items": [{"product": "Café", "price": "1000.50", "quantity": Decimal(1)}],
            "origin_region": "us-east-1", "recorded_at": utc(NOON),
        }
    )  # fmt: skip
    totals = {"e2": "270000.5", "e9": "1000.50"}
    effects = [
        {
            "entity": "effect", "order_id": event["order_id"], "event_id": event["event_id"], "status": event["status"],
            "kind": "k", "content": {"total": totals.get(event["event_id"], "0"), "lines": Decimal(1)},
            "content_hash": f"h-{event['event_id']}", "origin_region": "us-east-1", "recorded_at": utc(NOON),
        }
        for event in events
    ]  # fmt: skip
    log = {(f"ORDER#{e['order_id']}", f"EVENT#{e['event_id']}"): e for e in events}
    log |= {(f"ORDER#{e['order_id']}", f"EFFECT#{e['event_id']}"): e for e in effects}
    rows = {
        "R-1": {"status": "delivered", "total": "270000.50", "day": "2026-11-20"},
        "R-2": {"status": "delivered", "total": "1000.50", "day": "2026-11-20"},
    }
    replicas = [Replica(region, copy.deepcopy(log), copy.deepcopy(rows)) for region in REGIONS]  # type: ignore[arg-type]
    announcements = [
        Announcement("us-east-1", str(e["event_id"]), canonical_text([e["kind"], e["content"]]), at) for e in effects
    ]
    sales = {region: {DAY: Decimal("271001.00")} for region in REGIONS}
    return Evidence(ledger, replicas, announcements, sales)


def broken(evidence: Evidence) -> set[str]:
    return {finding.name for finding in judge(evidence) if finding.count}


def item(evidence: Evidence, region: int, sort_key: str) -> dict[str, Any]:
    return next(value for key, value in evidence.replicas[region].log.items() if key[1] == sort_key)  # type: ignore[return-value]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    findings = judge(good_evidence())
    assert {finding.name for finding in findings} == CHECKS
    assert [finding for finding in findings if finding.count] == []


def drop(sort_key: str, *regions: int) -> Callable[[Evidence], None]:
    def plant(evidence: Evidence) -> None:
        for region in regions:
            log = evidence.replicas[region].log
            del log[next(key for key in log if key[1] == sort_key)]

    return plant


def change(sort_key: str, *regions: int, **fields: Any) -> Callable[[Evidence], None]:
    def plant(evidence: Evidence) -> None:
        for region in regions:
            item(evidence, region, sort_key).update(fields)

    return plant


def add(key: tuple[str, str], *regions: int, **fields: Any) -> Callable[[Evidence], None]:
    def plant(evidence: Evidence) -> None:
        for region in regions:
            evidence.replicas[region].log[key] = fields

    return plant


def row(order: str, region: int, **fields: Any) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.replicas[region].rows.update(
        {order: {**evidence.replicas[region].rows[order], **fields}}
    )


def sales(region: str, **days: str) -> Callable[[Evidence], None]:
    shown = {date.fromisoformat(day[1:].replace("_", "-")): Decimal(amount) for day, amount in days.items()}
    return lambda evidence: evidence.sales.update({region: shown})


WRONG_ACK = Ack("c1", "R-1", "e-wrong", "us-east-1", 201, 0)
STRANGER: dict[str, Any] = {
    "entity": "event", "order_id": "R-1", "event_id": "e77", "status": "assigned", "subject": "ana",
    "courier": "Luz", "idempotency_key": "R-key1", "origin_region": "us-east-2", "recorded_at": utc(NOON),
}  # fmt: skip
SECOND_EFFECT: dict[str, Any] = {
    "entity": "effect", "order_id": "R-1", "event_id": "e1", "status": "assigned", "kind": "k", "content_hash": "h-e1",
    "content": {"total": "0", "lines": Decimal(1)},
}  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        # an acknowledged command is gone, or is not what was sent
        (drop("EVENT#e1", 0, 1), {"lost_orders", "duplicate_effects"}),  # its effect is then of an unknown event
        (drop("EVENT#e1", 1), {"lost_orders", "duplicate_effects", "replicas_differ"}),
        (change("EVENT#e1", 0, 1, courier="Edwin"), {"lost_orders"}),
        (change("EVENT#e9", 0, 1, courier="Edwin"), {"lost_orders"}),
        (change("EVENT#e0", 0, 1, city="Pasto"), {"lost_orders"}),
        (change("EVENT#e0", 0, 1, occurred_at=utc(NOON - timedelta(minutes=1))), {"lost_orders"}),
        (change("EVENT#e0", 0, 1, idempotency_key="other"), {"lost_orders"}),
        (change("EVENT#e0", 0, 1, subject="someone else"), {"lost_orders"}),
        (lambda e: e.ledger.acks.update(c1=WRONG_ACK), {"lost_orders", "duplicate_effects"}),
        (lambda e: e.ledger.contradictions.append("c1: e1 and e5"), {"lost_orders"}),
        # effects
        (drop("EFFECT#e1", 0, 1), {"duplicate_effects"}),
        (change("EFFECT#e1", 1, content={"total": "1"}), {"duplicate_effects", "replicas_differ"}),
        (change("EFFECT#e1", 1, content_hash="h-other"), {"duplicate_effects", "replicas_differ"}),
        (add(("ORDER#R-1", "EFFECT#e1#again"), 0, 1, **SECOND_EFFECT), {"duplicate_effects"}),
        (change("EFFECT#e2", 0, 1, content={"total": "1.00"}), {"duplicate_effects"}),
        (lambda e: setattr(e, "changed_effect_writes", 2), {"duplicate_effects"}),
        (lambda e: e.announcements.append(Announcement("us-east-2", "e1", "another", 0.0)), {"duplicate_effects"}),
        # one command stored as two events
        (add(("ORDER#R-1", "EVENT#e77"), 0, 1, **STRANGER), {"duplicate_effects"}),
        # announcements
        (lambda e: e.announcements.pop(), {"announcements_missing"}),
        (lambda e: e.announcements.clear(), {"announcements_missing"}),
        # figures
        (sales("us-east-1", d2026_11_20="271000.99"), {"sales_differ_from_ledger"}),
        (sales("us-east-2", d2026_11_20="542002.00"), {"sales_differ_from_ledger"}),
        (sales("us-east-2", d2026_11_19="271001.00"), {"sales_differ_from_ledger"}),
        (sales("us-east-2", d2026_11_20="271001.00", d2026_11_18="5"), {"sales_differ_from_ledger"}),
        (lambda e: e.sales.pop("us-east-1"), {"sales_differ_from_ledger"}),
        # the view
        (row("R-1", 0, status="assigned"), {"view_differs_from_log"}),
        (row("R-1", 1, total="270000.51"), {"view_differs_from_log"}),
        (row("R-2", 1, day="2026-11-21"), {"view_differs_from_log"}),
        (row("R-2", 1, total=None), {"view_differs_from_log"}),
        (lambda e: e.replicas[0].rows.pop("R-2"), {"view_differs_from_log"}),
        (lambda e: e.replicas[0].rows.update({"R-3": e.replicas[0].rows["R-1"]}), {"view_differs_from_log"}),
        # replicas
        (change("EVENT#e1", 0, recorded_at=utc(NOON)), {"replicas_differ"}),
        (change("EVENT#e1", 0, origin_region="us-east-9"), {"replicas_differ"}),
    ],
)  # fmt: skip
def test_each_check_finds_what_is_planted_and_no_other_does(plant: Callable[[Evidence], None], found: set[str]) -> None:
    evidence = good_evidence()
    plant(evidence)
    assert broken(evidence) == found


def test_a_lost_order_is_lost_in_the_ledgers_eyes_even_if_view_log_and_replicas_agree() -> None:
    evidence = good_evidence()
    for replica in evidence.replicas:
        replica.log = {key: value for key, value in replica.log.items() if key[0] != "ORDER#R-2"}
        del replica.rows["R-2"]
    evidence.sales = {region: {DAY: Decimal("270000.50")} for region in REGIONS}
    assert broken(evidence) == {"lost_orders", "sales_differ_from_ledger"}


def test_an_unacknowledged_command_may_be_absent_or_present_but_then_it_counts() -> None:
    absent = good_evidence()
    body = {"pedido_id": "R-5", "repartidor": "Ana", "productos": [{"producto": "Café", "precio": 500}]}
    absent.ledger.add(SentCommand("c5", "R-5", "delivered", COMPAT, body, None, "viejo", 0, NOON.timestamp()))
    assert broken(absent) == set()
    present = copy.deepcopy(absent)
    for replica in present.replicas:
        replica.log[("ORDER#R-5", "EVENT#e5")] = {
            "entity": "event", "order_id": "R-5", "event_id": "e5", "status": "delivered", "subject": "viejo",
            "courier": "Ana", "items": [{"product": "Café", "price": "500", "quantity": 1}], "recorded_at": utc(NOON),
        }  # fmt: skip
        replica.log[("ORDER#R-5", "EFFECT#e5")] = {
            "entity": "effect", "order_id": "R-5", "event_id": "e5", "kind": "k", "content": {"total": "500"},
        }  # fmt: skip
        replica.rows["R-5"] = {"status": "delivered", "total": "500.00", "day": "2026-11-20"}
    present.announcements.append(Announcement("us-east-1", "e5", canonical_text(["k", {"total": "500"}]), 0.0))
    assert broken(present) == {"sales_differ_from_ledger"}
    for region in REGIONS:
        present.sales[region] = {DAY: Decimal("271501.00")}
    assert broken(present) == set()


def test_the_amount_by_which_sales_differ_is_exact() -> None:
    evidence = good_evidence()
    sales("us-east-1", d2026_11_20="271001.01")(evidence)
    finding = next(finding for finding in judge(evidence) if finding.name == "sales_differ_from_ledger")
    assert finding.count == Decimal("0.01")


def test_sales_of_a_run_are_what_it_added() -> None:
    before = {DAY: Decimal(100), date(2026, 11, 19): Decimal(7)}
    after = {DAY: Decimal("350.50"), date(2026, 11, 19): Decimal(7), date(2026, 11, 21): Decimal(0)}
    assert sales_since(after, before) == {DAY: Decimal("250.50")}


LINES = st.lists(
    st.tuples(st.sampled_from(["Café", "Ruana"]), st.decimals(0, 10**6, places=2), st.integers(1, 9)), max_size=3
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(STATUSES), st.integers(0, 3), st.text("abcdef0123", min_size=4, max_size=4), LINES,
        st.integers(0, 4000), st.booleans(),
    ),
    min_size=1, max_size=7, unique_by=lambda event: event[2],
)  # fmt: skip


@given(EVENTS)
def test_the_judges_own_fold_agrees_with_the_products_where_both_are_right(drawn: list[Any]) -> None:
    product, stored = [], []
    for status, attempt, event_id, lines, minutes, told in drawn:
        at = NOON + timedelta(minutes=minutes)
        items = tuple(Item(name, price, quantity) for name, price, quantity in lines)
        product.append(
            Event(
                "R-1", event_id, status, "us-east-1", recorded_at=at, subject="ana", body_hash="h",
                occurred_at=at - timedelta(hours=5) if told else None, attempt=attempt or None, items=items,
            )
        )  # fmt: skip
        event: dict[str, Any] = {"event_id": event_id, "status": status, "recorded_at": utc(at)}
        event |= {"occurred_at": utc(at - timedelta(hours=5))} if told else {}
        event |= {"attempt": Decimal(attempt)} if attempt else {}
        event |= {"items": [{"product": i.product, "price": str(i.price), "quantity": i.quantity} for i in items]}
        stored.append(event)
    state, summary = fold(product), summarize(stored)
    assert state is not None
    assert (summary.status, summary.total, summary.day) == (state.status, state.total, state.day)


def test_equal_contents_have_one_text() -> None:
    assert canonical_text({"b": Decimal("1.50"), "a": [1, True]}) == canonical_text({"a": [Decimal(1), True], "b": 1.5})
    assert canonical_text({"a": 1}) != canonical_text({"a": "1"})
    assert canonical_text([True]) != canonical_text([1])


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ('{"_aws":{},"EffectContentDiffers":[1.0,1.0]}', 2.0),
        ('2026-11-20T17:00:00Z INFO {"_aws":{},"EffectContentDiffers":1}', 1.0),
        ('{"message":"processed"}', 0.0),
        ("REPORT RequestId", 0.0),
        ("{broken", 0.0),
    ],
)
def test_the_products_own_counter_is_read_from_its_log_lines(message: str, value: float) -> None:
    assert metric_in(message) == value


class FakeTracker:
    def __init__(self, *arrivals: Any) -> None:
        self.commands = {str(number): found for number, found in enumerate(arrivals)}


def arrived(region: str, acked_at: float, event_at: float | None, effect_at: float | None) -> Any:
    from loadtests.drills.tracker import Arrivals

    return Arrivals(Ack("c", "o", "e", region, 201, acked_at), "e", event_at, effect_at)


def test_takeover_is_proved_when_every_replicated_event_of_the_lost_region_has_its_effect() -> None:
    theirs = arrived("us-east-1", 99.0, 99.2, 170.0)
    early = arrived("us-east-1", 50.0, 50.2, 50.5)
    stuck = arrived("us-east-1", 99.5, 99.6, None)
    unreplicated = arrived("us-east-1", 99.9, None, None)
    ours = arrived("us-east-2", 99.0, 99.0, None)
    later = arrived("us-east-1", 100.5, 100.6, None)
    proved = takeover_of(FakeTracker(theirs, early, ours, later, unreplicated), "us-east-1", 100.0)  # type: ignore[arg-type]
    assert (proved.seconds, proved.unreplicated, proved.proved) == (70.0, 1, True)
    waiting = takeover_of(FakeTracker(theirs, stuck), "us-east-1", 100.0)  # type: ignore[arg-type]
    assert (waiting.waiting, waiting.proved) == (1, False)
    assert not takeover_of(FakeTracker(ours), "us-east-1", 100.0).proved  # type: ignore[arg-type]
