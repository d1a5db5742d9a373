"""The clients' book: what is written is read back exactly, and its own arithmetic says what the product must show."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loadtests import colombia
from loadtests.expectations import content_of, expected_orders, expected_sales
from loadtests.journeys import COMPAT, CREATE, EVENT, price_number
from loadtests.ledger import Ack, Arrival, Ledger, LedgerTail, LedgerWriter, SentCommand, Try, User

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC).timestamp()  # noon in Bogota
MIDNIGHT = datetime(2026, 11, 21, 5, 0, tzinfo=UTC).timestamp()  # midnight in Bogota


def command(
    number: int, status: str = "created", order: str = "R-1", *, at: float = NOON, **body: object
) -> SentCommand:
    route = CREATE if number == 0 else EVENT
    return SentCommand(
        f"c{order}{number}", order, status, route, {"status": status, **body}, f"k{number}", "ana", number, at
    )


def acked(ledger: Ledger, sent: SentCommand, *, at: float | None = None) -> None:
    ledger.add(sent)
    ledger.add(
        Ack(sent.command_id, sent.order_id or "o-x", f"e-{sent.command_id}", "us-east-1", 201, at or sent.at + 0.1)
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    entries = [
        User("u1", "Courier", "us-east-1"),
        command(0, items=[{"product": "Mochila wayúu", "price": 10.5}]),
        Ack("cR-10", "R-1", "e1", "us-east-1", 201, NOON + 1),
        Arrival(
            "u1", "command", CREATE, NOON, NOON + 1.5, "ok", "cR-10", (Try(NOON, 12.5, 201, "us-east-1", "a", None),)
        ),
    ]
    path = tmp_path / "ledger.jsonl"
    writer = LedgerWriter(path)
    for entry in entries:
        writer.write(entry)
    ledger = Ledger()
    for entry in LedgerTail(path).new_entries():
        ledger.add(entry)
    writer.close()
    assert ledger.users["u1"] == entries[0]
    assert ledger.arrivals == [entries[3]]
    assert ledger.acks["cR-10"] == entries[2]
    assert content_of(ledger.commands["cR-10"]).items[0].price == Decimal("10.5")


def test_a_torn_last_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    line = '{"type":"user","user":"u1","kind":"Courier","location":"x"}\n'
    path.write_text(line + line[:20])
    tail = LedgerTail(path)
    assert len(list(tail.new_entries())) == 1
    path.write_text(line + line)
    assert len(list(tail.new_entries())) == 1
    assert list(tail.new_entries()) == []


def test_two_acknowledgements_of_one_command_must_name_one_event() -> None:
    ledger = Ledger()
    ledger.add(command(0))
    ledger.add(Ack("cR-10", "R-1", "e1", "us-east-1", 201, 1.0))
    ledger.add(Ack("cR-10", "R-1", "e1", "us-east-2", 200, 2.0))
    assert ledger.contradictions == []
    ledger.add(Ack("cR-10", "R-1", "e2", "us-east-2", 200, 3.0))
    assert len(ledger.contradictions) == 1


@given(st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False, allow_infinity=False))
def test_prices_survive_json_exactly(price: Decimal) -> None:
    import json

    text = json.dumps(price_number(price))
    assert json.loads(text, parse_float=Decimal) == price


def test_the_last_command_that_arrived_is_an_orders_final_state() -> None:
    ledger = Ledger()
    acked(ledger, command(0, items=[{"product": "Café", "price": 30000, "quantity": 2}]))
    acked(ledger, command(1, "in_transit"))
    ledger.add(command(2, "delivered"))  # never acknowledged
    assert expected_orders(ledger, ())["R-1"].status == "in_transit"
    arrived = expected_orders(ledger, {"cR-12"})["R-1"]
    assert (arrived.status, arrived.total) == ("delivered", Decimal(60000))


def test_sales_fall_on_the_day_that_the_client_named() -> None:
    ledger = Ledger()
    sent = SentCommand(
        "c", "R-9", "delivered", COMPAT,
        {"pedido_id": "R-9", "repartidor": "Luz", "productos": [{"producto": "Café", "precio": "1000.50"}],
         "timestamp": "2026-11-18T23:30:00-05:00"},
        None, "old", 0, NOON,
    )  # fmt: skip
    acked(ledger, sent)
    assert expected_sales(expected_orders(ledger, ())) == {date(2026, 11, 18): _sales("1000.50", "0", 1)}


def test_a_delivery_at_midnight_without_a_time_may_fall_on_either_day() -> None:
    ledger = Ledger()
    acked(
        ledger, command(0, "delivered", at=MIDNIGHT - 0.5, items=[{"product": "Café", "price": 700}]), at=MIDNIGHT + 0.5
    )
    sales = expected_sales(expected_orders(ledger, ()))
    assert sales == {date(2026, 11, 20): _sales("0", "700", 0), date(2026, 11, 21): _sales("0", "700", 0)}


def _sales(sure: str, unsure: str, delivered: int) -> object:
    from loadtests.expectations import DaySales

    return DaySales(Decimal(sure), Decimal(unsure), delivered)


def test_one_seed_gives_one_run_of_data() -> None:
    def some(seed: int) -> list[object]:
        rng = random.Random(seed)
        return [(colombia.an_order(rng), colombia.a_city(rng), colombia.a_courier(rng)) for _ in range(20)]

    assert some(7) == some(7)
    assert some(7) != some(8)


@given(st.integers())
def test_orders_are_what_the_contract_takes(seed: int) -> None:
    lines = colombia.an_order(random.Random(seed))
    assert 1 <= len(lines) <= 4
    for line in lines:
        assert 0 < line.price <= Decimal(10**9)
        assert line.price == line.price.quantize(Decimal("0.01"))
        assert len(line.product) <= 200
