"""The figures of a day: moved by each projection, always equal to what counting everything again would give."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.instants import day_in_bogota
from shared.domain.kpis import Contribution, contribution_of, day_kpis, movements, shard_of
from shared.domain.orders import Event, Item, OrderState, fold
from shared.topology import TOPOLOGY, KpiItems
from tests.unit.orders import NOW, event, events

KPI_ITEMS = KpiItems(orders=3, products=4, couriers=2, product_spread=2)
Table = dict[tuple[date, int], dict[str, Decimal]]


def apply(table: Table, old: OrderState | None, new: OrderState) -> None:
    before: Contribution | None = contribution_of(old, KPI_ITEMS) if old else None
    for key, figures in movements(before, contribution_of(new, KPI_ITEMS)).items():
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
    contribution = contribution_of(state, KPI_ITEMS)
    assert movements(contribution, contribution) == {}


def test_the_top_is_by_units_then_by_name() -> None:
    figures = {"product:a": Decimal(2), "product:c": Decimal(5), "product:b": Decimal(2), "product:gone": Decimal(0)}
    assert day_kpis([figures]).top_products == (("c", 5), ("a", 2), ("b", 2))
    assert day_kpis([figures], most=1).top_products == (("c", 5),)


def test_a_sale_counts_in_the_hour_in_bogota_in_which_it_was_delivered() -> None:
    late = datetime(2026, 11, 22, 4, 59, tzinfo=UTC)
    state = fold([event("delivered", items=(Item("p", Decimal("12.50"), 2),), occurred_at=late)])
    assert state is not None
    kpis = day_kpis(contribution_of(state, KPI_ITEMS).parts.values())
    assert (state.day, len(kpis.sales_by_hour)) == (date(2026, 11, 21), 24)
    assert {hour: amount for hour, amount in enumerate(kpis.sales_by_hour) if amount} == {23: Decimal("25.00")}


def test_an_average_of_nothing_is_nothing() -> None:
    assert day_kpis([]).average_per_order == 0
    assert day_kpis([{"status:delivered": Decimal(3), "sales": Decimal("10.00")}]).average_per_order == Decimal("3.33")


def delivered(order_id: str, product: str = "p", courier: str = "Luis") -> OrderState:
    items = (Item(product, Decimal(1)),)
    state = fold([replace(event("delivered", items=items, courier=courier), order_id=order_id)])
    assert state is not None
    return state


def test_a_product_in_every_order_is_counted_in_several_items_and_nothing_of_it_is_missing() -> None:
    spread = TOPOLOGY.kpi_items
    parts = [contribution_of(delivered(f"o{n}", courier=f"c{n}"), spread).parts for n in range(400)]
    holding = Counter(number for part in parts for number, figures in part.items() if "product:p" in figures)
    assert len(holding) == spread.product_spread
    assert max(holding.values()) < 2 * 400 / spread.product_spread
    assert day_kpis(figures for part in parts for figures in part.values()).top_products == (("p", 400),)


def test_items_that_every_change_writes_hold_no_names_and_a_courier_stands_in_one_item() -> None:
    spread = TOPOLOGY.kpi_items
    where: dict[str, set[int]] = defaultdict(set)
    for n in range(2000):
        for number, figures in contribution_of(delivered(f"o{n}", courier=f"c{n % 300}"), spread).parts.items():
            has_names = any(name.startswith(("product:", "courier:")) for name in figures)
            assert has_names == (number >= spread.orders)
            for name in figures:
                where[name].add(number)
    couriers = [numbers for name, numbers in where.items() if name.startswith("courier:")]
    assert len(couriers) == 300
    assert {len(numbers) for numbers in couriers} == {1}
    held = Counter(next(iter(numbers)) for numbers in couriers)
    assert len(held) == spread.couriers
    assert max(held.values()) < 3 * 300 / spread.couriers


@given(st.lists(st.sampled_from(["a", "b", "c"]).flatmap(events), min_size=1, max_size=15))
def test_more_items_than_before_lose_nothing_that_was_counted(arrivals: list[Event]) -> None:
    """A topology with more items than that of the projections before: what they added is taken out elsewhere."""
    fewer, more = KpiItems(1, 1, 1, 1), KpiItems(3, 4, 2, 2)
    known: list[Event] = []
    table: Table = defaultdict(dict)
    old = None
    for number, arrival in enumerate(arrivals):
        known.append(replace(arrival, order_id="o"))
        new = fold(known)
        assert new is not None
        spread = fewer if number < len(arrivals) // 2 else more
        before = contribution_of(old, spread) if old else None
        for key, figures in movements(before, contribution_of(new, spread)).items():
            for name, amount in figures.items():
                table[key][name] = table[key].get(name, Decimal(0)) + amount
        old = new
        assert {number for _, number in table} <= set(more.all)
        for day in {day for day, _ in table}:
            found = day_kpis(figures for (other, _), figures in table.items() if other == day)
            alone = contribution_of(new, more)
            assert found == (day_kpis(alone.parts.values()) if alone.day == day else day_kpis([]))


def test_orders_spread_over_the_items() -> None:
    found = [shard_of(f"order-{number}", 8) for number in range(800)]
    assert set(found) == set(range(8))
    assert max(found.count(shard) for shard in range(8)) < 160
    assert day_in_bogota(NOW) == date(2026, 11, 21)
