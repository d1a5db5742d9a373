"""Parsing requests: every limit at its edge and beyond, and nothing a client may send raises anything but a problem."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.commands import (
    MAX_BODY_BYTES,
    Command,
    event_command,
    idempotency_key_of,
    legacy_delivery_command,
    order_command,
    parse_json,
)
from shared.domain.instants import to_text
from shared.domain.problems import ProblemError
from tests.unit.orders import NOW

LINE = {"product": "p", "price": 1}
DELIVERY: dict[str, Any] = {"pedido_id": "P-1", "repartidor": "Ana", "productos": [{"producto": "p", "precio": 1}]}


def order(key: str | None = None, **body: Any) -> Command:
    return order_command({"order_id": "o", **body}, idempotency_key=key, now=NOW)


def delivery(**body: Any) -> Command:
    return legacy_delivery_command({**DELIVERY, **body}, idempotency_key=None, now=NOW)


def pointers(raised: pytest.ExceptionInfo[ProblemError]) -> list[str]:
    assert raised.value.status == 422
    return [fault["pointer"] for fault in raised.value.errors]


def price(value: object) -> Decimal:
    return order(items=[{"product": "p", "price": value}]).items[0].price


AT_THE_EDGE: list[dict[str, Any]] = [
    {"order_id": "x" * 64}, {"order_id": "🚚" * 64}, {"courier": "x" * 200}, {"city": "ñ" * 200}, {"note": "x"},
    {"items": [LINE] * 100}, {"items": [{**LINE, "quantity": 1}]}, {"items": [{**LINE, "quantity": 10_000}]},
    {"items": [{**LINE, "price": 0}]}, {"items": [{**LINE, "price": 10**9}]}, {"items": [{**LINE, "price": "0"}]},
    {"items": [{**LINE, "price": Decimal("0.01")}]}, {"items": [{**LINE, "product": "x" * 200}]}, {"attempt": 1},
    {"attempt": 99}, {"occurred_at": to_text(NOW + timedelta(minutes=10))},
    {"occurred_at": to_text(NOW - timedelta(days=30))},
    {"occurred_at": "2026-11-21T12:00:00-05:00"}, {"occurred_at": "2026-11-21t17:00:00.123456789z"},
]  # fmt: skip
BEYOND: list[tuple[dict[str, Any], str]] = [
    ({"order_id": "x" * 65}, "/order_id"), ({"order_id": ""}, "/order_id"), ({"order_id": " \t"}, "/order_id"),
    ({"order_id": 7}, "/order_id"), ({"order_id": None}, "/order_id"), ({"courier": "x" * 201}, "/courier"),
    ({"city": "a\x00b"}, "/city"), ({"city": "a\x9f"}, "/city"), ({"city": "\ud800"}, "/city"),
    ({"note": "a\nb"}, "/note"),
    ({"note": []}, "/note"), ({"city": None}, "/city"), ({"items": []}, "/items"), ({"items": [LINE] * 101}, "/items"),
    ({"items": None}, "/items"), ({"items": "p"}, "/items"), ({"items": ["p"]}, "/items/0"),
    ({"items": [{**LINE, "quantity": 0}]}, "/items/0/quantity"),
    ({"items": [{**LINE, "quantity": 10_001}]}, "/items/0/quantity"),
    ({"items": [{**LINE, "quantity": True}]}, "/items/0/quantity"),
    ({"items": [{**LINE, "quantity": None}]}, "/items/0/quantity"),
    ({"items": [{**LINE, "quantity": Decimal("1.0")}]}, "/items/0/quantity"),
    ({"items": [LINE, {**LINE, "tax": 1}]}, "/items/1/tax"),
    ({"items": [{"price": 1}]}, "/items/0/product"), ({"items": [{"product": "p"}]}, "/items/0/price"),
    ({"attempt": 0}, "/attempt"), ({"attempt": 100}, "/attempt"), ({"attempt": "1"}, "/attempt"),
    ({"attempt": False}, "/attempt"),
    ({"status": "lost"}, "/status"), ({"status": None}, "/status"), ({"status": ["created"]}, "/status"),
    ({"status": "failed"}, "/attempt"), ({"surprise": 1}, "/surprise"), ({"a/b~c": 1}, "/a~1b~0c"),
    ({"occurred_at": to_text(NOW + timedelta(minutes=10, milliseconds=1))}, "/occurred_at"),
    ({"occurred_at": to_text(NOW - timedelta(days=30, milliseconds=1))}, "/occurred_at"),
    ({"occurred_at": "2026-11-21T12:00:00"}, "/occurred_at"), ({"occurred_at": "2026-11-21"}, "/occurred_at"),
    ({"occurred_at": "2026-11-31T12:00:00Z"}, "/occurred_at"),
    ({"occurred_at": "2026-11-21T12:00:60Z"}, "/occurred_at"),
    ({"occurred_at": "9999-12-31T23:59:59-23:59"}, "/occurred_at"),
    ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "/occurred_at"),
    ({"occurred_at": "2026-11-21T12:00:00+99:99"}, "/occurred_at"), ({"occurred_at": 1795236753}, "/occurred_at"),
    ({"occurred_at": "٢٠٢٦-11-21T12:00:00Z"}, "/occurred_at"),
]  # fmt: skip


@pytest.mark.parametrize("body", AT_THE_EDGE)
def test_what_is_within_the_limits_is_taken(body: dict[str, Any]) -> None:
    assert order(**body).status == "created"


@pytest.mark.parametrize(("body", "pointer"), BEYOND)
def test_what_is_beyond_a_limit_is_refused_by_name(body: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        order(**body)
    assert pointer in pointers(raised)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5.00"), ("5", "5.00"), ("05.5", "5.50"), (Decimal("5.10"), "5.10"), (Decimal("1E+3"), "1000.00"),
        (Decimal("2.5000"), "2.50"), (Decimal("-0.0"), "0.00"), (Decimal("0E-99"), "0.00"),
        ("1000000000.00", "1000000000.00"),
    ],
)  # fmt: skip
def test_a_price_is_exact(value: object, expected: str) -> None:
    assert f"{price(value):f}" == expected


@pytest.mark.parametrize(
    "value",
    [
        -1, Decimal("-0.01"), Decimal("0.001"), Decimal("1." + "0" * 40 + "1"), 10**9 + 1, Decimal("1000000000.01"),
        Decimal("1E+400"),
        Decimal("1E-400"), Decimal("1E+999999999999"), Decimal("NaN"), Decimal("Infinity"), "NaN", "1e3", "1_000",
        " 1", "1 ",
        "+1", "-1", ".5", "5.", "1,5", "", "٣", "1" * 100, True, None, [], {}, "1\n",
    ],
)  # fmt: skip
def test_a_bad_price_is_refused(value: object) -> None:
    with pytest.raises(ProblemError) as raised:
        price(value)
    assert pointers(raised) == ["/items/0/price"]


def test_without_an_order_id_a_key_is_needed() -> None:
    assert order_command({}, idempotency_key="k", now=NOW).order_id is None
    with pytest.raises(ProblemError) as raised:
        order_command({}, idempotency_key=None, now=NOW)
    assert pointers(raised) == ["/order_id"]


def test_a_failed_attempt_with_a_key_needs_no_number() -> None:
    assert order("k", status="failed").attempt is None


@pytest.mark.parametrize("body", [None, [], "x", 5, True])
def test_a_body_is_an_object(body: object) -> None:
    with pytest.raises(ProblemError) as raised:
        event_command(body, order_id="o", idempotency_key=None, now=NOW)
    assert pointers(raised)[0] == ""


def test_an_event_has_a_status_and_no_order_id_or_city_of_its_own() -> None:
    with pytest.raises(ProblemError) as raised:
        event_command({"order_id": "o", "city": "Cali"}, order_id="o", idempotency_key=None, now=NOW)
    assert sorted(pointers(raised)) == ["/city", "/order_id", "/status"]
    with pytest.raises(ProblemError, match="order_id"):
        event_command({"status": "created"}, order_id="x" * 65, idempotency_key=None, now=NOW)


@pytest.mark.parametrize("key", ["k", "x" * 200, " ~!"])
def test_a_key_is_printable_ascii(key: str) -> None:
    assert idempotency_key_of(key) == key
    assert idempotency_key_of(None) is None


@pytest.mark.parametrize("key", ["", "x" * 201, "ñ", "a\nb", "\x7f"])
def test_another_key_is_refused(key: str) -> None:
    with pytest.raises(ProblemError) as raised:
        idempotency_key_of(key)
    assert raised.value.status == 400


def test_equal_bodies_are_equal_commands_and_defaults_do_not_count() -> None:
    one = order(items=[{"product": "p", "price": Decimal("1.0")}])
    assert one.body_hash == order(items=[{"price": 1, "product": "p"}]).body_hash
    assert order().body_hash != order(status="created").body_hash


# The old monitor.


@pytest.mark.parametrize(
    ("timestamp", "instant"),
    [
        ("2026-11-21T10:15:00", "2026-11-21T15:15:00.000Z"), ("2026-11-21T10:15:00.123456", "2026-11-21T15:15:00.123Z"),
        ("2026-11-21 10:15:00", "2026-11-21T15:15:00.000Z"), ("2026-11-21", "2026-11-21T05:00:00.000Z"),
        ("2026-11-21T10:15:00-05:00", "2026-11-21T15:15:00.000Z"), ("2026-11-21T15:15:00Z", "2026-11-21T15:15:00.000Z"),
    ],
)  # fmt: skip
def test_the_old_monitors_times_without_an_offset_are_local(timestamp: str, instant: str) -> None:
    found = delivery(timestamp=timestamp).occurred_at
    assert found is not None
    assert to_text(found) == instant


def test_the_old_monitors_bodies_mean_a_delivery() -> None:
    command = delivery(pedido_id=1003, timestamp=None)
    assert (command.order_id, command.status, command.courier, command.occurred_at) == (
        "1003",
        "delivered",
        "Ana",
        None,
    )


@pytest.mark.parametrize("name", DELIVERY)
def test_the_old_monitors_fields_are_all_needed(name: str) -> None:
    body = {field: value for field, value in DELIVERY.items() if field != name}
    with pytest.raises(ProblemError) as raised:
        legacy_delivery_command(body, idempotency_key=None, now=NOW)
    assert pointers(raised) == [f"/{name}"]


@pytest.mark.parametrize("timestamp", ["ayer", 5, "0001-01-01", "2026-11-21T13:00:00", "9999-12-31T23:59:59.999999"])
def test_the_old_monitors_bad_times_are_refused(timestamp: object) -> None:
    with pytest.raises(ProblemError) as raised:
        delivery(timestamp=timestamp)
    assert pointers(raised) == ["/timestamp"]


# JSON.


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400), ("{", 400), ("NaN", 400), ("[Infinity]", 400), ('{"a":1,"a":1}', 400), ("[" * 100_000, 413),
        ("[" * 60_000, 400), ("9" * 5_000, 400), ('"\\x"', 400), ("{'a':1}", 400),
        ('"' + "ñ" * (MAX_BODY_BYTES // 2) + '"', 413),
        ("\ufeff{}", 400),
    ],
)  # fmt: skip
def test_text_that_is_not_acceptable_json_is_a_problem(text: str, status: int) -> None:
    with pytest.raises(ProblemError) as raised:
        parse_json(text)
    assert raised.value.status == status


def test_numbers_are_exact() -> None:
    assert parse_json("[0.1, 1, 1e400]") == [Decimal("0.1"), 1, Decimal("1e400")]


def test_a_body_may_have_64_kib() -> None:
    assert parse_json('"' + "x" * (MAX_BODY_BYTES - 2) + '"')
    with pytest.raises(ProblemError):
        parse_json('"' + "x" * (MAX_BODY_BYTES - 1) + '"')


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["items", "status"]), inner)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    ["order_id", "status", "courier", "items", "occurred_at", "city", "note", "attempt", "pedido_id"]
)


@given(st.dictionaries(fields, anything) | anything, st.none() | st.just("k"))
def test_no_body_raises_anything_but_a_problem(body: object, key: str | None) -> None:
    for parse in (
        lambda: order_command(body, idempotency_key=key, now=NOW),
        lambda: event_command(body, order_id="o", idempotency_key=key, now=NOW),
        lambda: legacy_delivery_command(body, idempotency_key=key, now=NOW),
    ):
        try:
            parse()
        except ProblemError as problem:
            json.dumps(problem.body()).encode()


@given(st.text())
def test_no_text_raises_anything_but_a_problem(text: str) -> None:
    with contextlib.suppress(ProblemError):
        parse_json(text)
