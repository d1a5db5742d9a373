"""The figures of a day: moved by each projection, always equal to what counting everything again would give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.instants import day_in_bogota
from shared.domain.kpis import Contribution, contribution_of, day_kpis, movements, shard_of
from shared.domain.orders import Event, Item, OrderState, fold
from tests.unit.orders import NOW, event, events

SHARDS = 3
Table = dict[tuple[date, int], dict[str, Decimal]]


def apply(table: Table, old: OrderState | None, new: OrderState) -> None:
    before: Contribution | None = contribution_of(old, SHARDS) if old else None
    for key, figures in movements(before, contribution_of(new, SHARDS)).items():
        for name, amount in figures.items():
            table[key][name] = table[key].get(name, Decimal(0)) + amount


def recounted(states: Iterable[OrderState]) -> Table:
    table: Table = defaultdict(dict)
    for state in states:
        apply(table, None, state)
    return table


def without_zeros(table: Table) -> Table:
    cleaned = {key: {name: amount for name, amount in figures.items() if amount} for key, figures in table.items()}
    return {key: figures for key, figures in cleaned.items() if figures}


@given(st.lists(st.sampled_from(["a", "b", "c"]).flatmap(events), min_size=1, max_size=15))
def test_moving_contributions_equals_counting_again(arrivals: list[Event]) -> None:
    table: Table = defaultdict(dict)
    known: dict[str, dict[str, Event]] = defaultdict(dict)
    states: dict[str, OrderState] = {}
    for arrival in arrivals:
        known[arrival.order_id].setdefault(arrival.event_id, arrival)
        state = fold(known[arrival.order_id].values())
        assert state is not None
        apply(table, states.get(arrival.order_id), state)
        states[arrival.order_id] = state
        assert without_zeros(table) == without_zeros(recounted(states.values()))
    for day in {state.day for state in states.values()}:
        kpis = day_kpis(figures for (found, _), figures in table.items() if found == day)
        that_day = [state for state in states.values() if state.day == day]
        delivered = [state for state in that_day if state.status == "delivered"]
        assert sum(kpis.orders_by_status.values()) == len(that_day)
        assert kpis.delivered == len(delivered)
        assert kpis.sales == sum((state.total or Decimal(0) for state in delivered), Decimal(0))
        assert sum(kpis.sales_by_hour) == kpis.sales
        assert kpis.conflicts == sum(bool(state.conflicts) for state in that_day)


def test_nothing_moves_when_nothing_changed() -> None:
    state = fold([event("delivered", items=(Item("p", Decimal(1)),), courier="Luis")])
    assert state is not None
    contribution = contribution_of(state, SHARDS)
    assert movements(contribution, contribution) == {}


def test_the_top_is_by_units_then_by_name() -> None:
    figures = {"product:a": Decimal(2), "product:c": Decimal(5), "product:b": Decimal(2), "product:gone": Decimal(0)}
    assert day_kpis([figures]).top_products == (("c", 5), ("a", 2), ("b", 2))
    assert day_kpis([figures], most=1).top_products == (("c", 5),)


def test_a_sale_counts_in_the_hour_in_bogota_in_which_it_was_delivered() -> None:
    late = datetime(2026, 11, 22, 4, 59, tzinfo=UTC)
    state = fold([event("delivered", items=(Item("p", Decimal("12.50"), 2),), occurred_at=late)])
    assert state is not None
    kpis = day_kpis([contribution_of(state, SHARDS).figures])
    assert (state.day, len(kpis.sales_by_hour)) == (date(2026, 11, 21), 24)
    assert {hour: amount for hour, amount in enumerate(kpis.sales_by_hour) if amount} == {23: Decimal("25.00")}


def test_an_average_of_nothing_is_nothing() -> None:
    assert day_kpis([]).average_per_order == 0
    assert day_kpis([{"status:delivered": Decimal(3), "sales": Decimal("10.00")}]).average_per_order == Decimal("3.33")


def test_orders_spread_over_the_shards() -> None:
    found = [shard_of(f"order-{number}", 8) for number in range(800)]
    assert set(found) == set(range(8))
    assert max(found.count(shard) for shard in range(8)) < 160
    assert day_in_bogota(NOW) == date(2026, 11, 21)
