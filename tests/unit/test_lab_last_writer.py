"""The replication link's decisions against a model of two stores with streams: any order of events must converge."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.lab.replication.last_writer import Conditions, Replication, Transfer
from loadtests.lab.replication.versions import ABSENT, Item, Key, Version

EAST, WEST = "us-east-1", "us-east-2"
TABLE = "log"


def fingerprint(item: Item | None) -> bytes:
    return ABSENT if item is None else str(item["value"]).encode()


@dataclass
class Store:
    """One Region: items, and a stream that has no record for a write that changes nothing."""

    region: str
    items: dict[Key, Item] = field(default_factory=dict)
    stream: list[Version] = field(default_factory=list)
    read: int = 0

    def write(self, key: Key, item: Item | None, now: float) -> None:
        old = self.items.get(key)
        if item == old:
            return
        if item is None:
            del self.items[key]
        else:
            self.items[key] = item
        self.stream.append(Version(key, self.region, now, item, fingerprint(item), fingerprint(old)))


class Lab:
    """Two stores, a link, one true clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stores = {region: Store(region) for region in (EAST, WEST)}
        self.link = Replication((EAST, WEST), Conditions())
        self.stale: list[tuple[str, list[Transfer]]] = []
        self.last: dict[Key, Item | None] = {}
        self.sends = 0

    def tick(self, seconds: float = 0.01) -> None:
        self.now += seconds

    def client_writes(self, region: str, name: str, value: object | None) -> None:
        self.tick()
        key = Key(TABLE, name, "x")
        item = None if value is None else {"value": value}
        before = len(self.stores[region].stream)
        self.stores[region].write(key, item, self.now)
        if len(self.stores[region].stream) > before:
            self.last[key] = item

    def poll(self, region: str, limit: int = 1000) -> None:
        self.tick()
        store = self.stores[region]
        for version in store.stream[store.read : store.read + limit]:
            self.link.observe(version)
        store.read = min(len(store.stream), store.read + limit)
        if store.read == len(store.stream):
            self.link.read_to_end(region, TABLE, self.now)

    def deliver(self) -> None:
        self.tick()
        self.link.deliver(self.now)

    def execute(self, region: str, transfers: list[Transfer]) -> None:
        for key, version, _ in transfers:
            self.tick()
            self.stores[region].write(key, version.item, self.now)

    def send(self, region: str, outcome: str = "ok", limit: int = 25) -> int:
        self.tick()
        transfers = self.link.next_transfers(region, self.now, limit)
        if not transfers:
            return 0
        self.sends += len(transfers)
        if outcome in ("ok", "executed, answer lost", "echo read before answer"):
            self.execute(region, transfers)
        if outcome == "echo read before answer":
            self.poll(region)
        self.tick()
        match outcome:
            case "ok" | "echo read before answer":
                self.link.confirm(region, transfers, self.now)
            case "refused":
                self.link.refuse(region, transfers)
            case _:
                self.link.doubt(region, transfers)
                if outcome == "executed late":
                    self.stale.append((region, transfers))
        return len(transfers)

    def execute_stale(self) -> None:
        for region, transfers in self.stale:
            self.execute(region, transfers)
        self.stale.clear()

    def settle(self) -> None:
        self.link.conditions.partitioned = False
        self.link.conditions.lag_seconds = 0.0
        self.execute_stale()
        for _ in range(12):
            for region in self.stores:
                self.poll(region)
            self.deliver()
            moved = sum(self.send(region) for region in self.stores)
            if not moved and all(store.read == len(store.stream) for store in self.stores.values()):
                return
        pytest.fail("writes keep bouncing between the Regions")


regions = st.sampled_from((EAST, WEST))
names = st.sampled_from(("a", "b"))
outcomes = st.sampled_from(
    ("ok", "ok", "echo read before answer", "refused", "executed, answer lost", "never executed", "executed late")
)


def steps(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[tuple[object, ...]]]:
    return st.lists(
        st.one_of(
            st.tuples(st.just("write"), regions, names, values),
            st.tuples(st.just("poll"), regions, st.integers(1, 3)),
            st.tuples(st.just("deliver")),
            st.tuples(st.just("send"), regions, outcomes, st.integers(1, 3)),
            st.tuples(st.just("round"), regions, outcomes),
            st.tuples(st.just("stale")),
            st.tuples(st.just("partition"), st.booleans()),
            st.tuples(st.just("lag"), st.sampled_from((0.0, 0.05))),
            st.tuples(st.just("wait")),
        ),
        min_size=3,
        max_size=40,
    )


def play(lab: Lab, history: list[tuple[object, ...]]) -> None:
    waits = 0
    for number, step in enumerate(history):
        match step:
            case ("write", str(region), str(name), value):
                lab.client_writes(region, name, f"{region}-{number}" if value == "unique" else value)
            case ("poll", str(region), int(limit)):
                lab.poll(region, limit)
            case ("deliver",):
                lab.deliver()
            case ("send", str(region), str(outcome), int(limit)):
                lab.send(region, outcome, limit)
            case ("round", str(region), str(outcome)):
                for each in lab.stores:
                    lab.poll(each)
                lab.deliver()
                lab.send(region, outcome)
            case ("stale",):
                lab.execute_stale()
            case ("partition", bool(on)):
                lab.link.conditions.partitioned = on
            case ("lag", float(seconds)):
                lab.link.conditions.lag_seconds = seconds
            case ("ahead", str(region), float(seconds)):
                lab.link.conditions.ahead_seconds[region] = seconds
            case ("wait",) if waits < 4:  # a write turns up late within seconds of the Region's return, not minutes
                waits += 1
                lab.tick(6.0)


def assert_regions_agree(lab: Lab) -> None:
    assert lab.stores[EAST].items == lab.stores[WEST].items


@given(steps(st.sampled_from(("unique", None))))
@settings(max_examples=400, deadline=None)
def test_both_regions_end_with_the_last_write_whatever_happened_on_the_way(history: list[tuple[object, ...]]) -> None:
    lab = Lab()
    play(lab, history)
    lab.settle()
    assert_regions_agree(lab)
    assert lab.stores[EAST].items == {key: item for key, item in lab.last.items() if item is not None}


@given(
    st.lists(
        st.one_of(
            steps(st.sampled_from((None, 1, 2))).map(lambda some: some[:8]),
            st.tuples(st.just("ahead"), regions, st.sampled_from((0.0, 30.0))).map(lambda one: [one]),
        ),
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_regions_converge_with_equal_contents_and_changing_clocks(parts: list[list[tuple[object, ...]]]) -> None:
    lab = Lab()
    play(lab, [step for part in parts for step in part])
    lab.settle()
    assert_regions_agree(lab)


@given(steps(st.sampled_from(("unique", None))))
@settings(max_examples=100, deadline=None)
def test_nothing_is_remembered_of_items_that_are_settled(history: list[tuple[object, ...]]) -> None:
    lab = Lab()
    play(lab, history)
    lab.settle()
    lab.client_writes(EAST, "c", 1)  # so that every Region has answered since its last doubtful write
    lab.client_writes(WEST, "d", 1)
    lab.settle()
    for _ in range(12):
        lab.tick(10.0)
        for region in lab.stores:
            lab.poll(region)
    assert lab.link.remembered() == 0


def test_an_echo_does_not_bounce() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", 1)
    lab.settle()
    assert lab.sends == 1
    assert_regions_agree(lab)


def test_a_write_that_turns_up_late_in_a_frozen_region_does_not_come_back_to_life() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", "old")
    lab.poll(EAST)
    lab.deliver()
    lab.send(WEST, "executed late")
    lab.client_writes(EAST, "a", "new")
    lab.poll(EAST)
    lab.deliver()
    lab.send(WEST)
    lab.poll(WEST)
    lab.settle()
    assert [store.items[Key(TABLE, "a", "x")] for store in lab.stores.values()] == [{"value": "new"}] * 2


def test_a_late_write_is_known_also_when_its_repetition_has_been_seen() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", "old")
    lab.poll(EAST)
    lab.deliver()
    lab.send(WEST, "executed late")
    lab.send(WEST)
    lab.client_writes(EAST, "a", "new")
    for _ in range(2):
        lab.poll(EAST)
        lab.poll(WEST)
        lab.deliver()
        lab.send(WEST)
    lab.settle()  # the late one is executed first
    assert [store.items[Key(TABLE, "a", "x")] for store in lab.stores.values()] == [{"value": "new"}] * 2


@pytest.mark.parametrize("ahead", [EAST, WEST])
def test_of_concurrent_writes_the_side_whose_clock_is_ahead_wins(ahead: str) -> None:
    lab = Lab()
    lab.link.conditions.partitioned = True
    lab.client_writes(EAST, "a", EAST)
    lab.client_writes(WEST, "a", WEST)
    lab.poll(EAST)
    lab.poll(WEST)
    lab.link.conditions.ahead_seconds[ahead] = 100.0
    lab.settle()
    assert [store.items[Key(TABLE, "a", "x")] for store in lab.stores.values()] == [{"value": ahead}] * 2


def test_a_clock_that_is_ahead_does_not_undo_what_was_written_over_its_write() -> None:
    lab = Lab()
    lab.link.conditions.ahead_seconds[EAST] = 100.0
    lab.client_writes(EAST, "a", "drained")
    lab.settle()
    lab.client_writes(WEST, "a", "readmitted")
    lab.settle()
    assert [store.items[Key(TABLE, "a", "x")] for store in lab.stores.values()] == [{"value": "readmitted"}] * 2


def test_a_region_keeps_its_own_later_write_when_an_older_one_arrives() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", "older")
    lab.client_writes(WEST, "a", "later")
    lab.poll(WEST)
    lab.link.conditions.lag_seconds = 0.035  # the older write is due, the later one not yet
    lab.poll(EAST)
    lab.deliver()
    assert lab.link.queued(EAST, WEST) + lab.link.queued(WEST, EAST) == 1
    assert lab.send(WEST) == 0
    lab.settle()
    assert [version.item for version in lab.stores[WEST].stream] == [{"value": "later"}]
    assert_regions_agree(lab)


def test_a_partition_does_not_let_a_write_through_that_had_been_delivered_before() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", 1)
    lab.poll(EAST)
    lab.deliver()
    lab.link.conditions.partitioned = True
    assert lab.link.tables_owed(WEST, 25) == []
    assert lab.send(WEST) == 0
    lab.settle()
    assert_regions_agree(lab)


def test_a_write_of_unknown_outcome_is_made_again() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", 1)
    lab.poll(EAST)
    lab.deliver()
    lab.send(WEST, "never executed")
    assert lab.send(WEST) == 1
    assert_regions_agree(lab)


def test_an_own_write_that_changed_nothing_does_not_pass_for_an_echo_later() -> None:
    lab = Lab()
    lab.client_writes(EAST, "a", 1)
    lab.poll(EAST)
    lab.client_writes(WEST, "a", 1)  # not read yet when the link writes the same
    lab.deliver()
    lab.send(WEST)
    lab.settle()
    lab.client_writes(WEST, "a", 2)
    lab.settle()
    lab.client_writes(WEST, "a", 1)
    lab.settle()
    assert [store.items[Key(TABLE, "a", "x")] for store in lab.stores.values()] == [{"value": 1}] * 2


def test_a_partition_keeps_everything_and_delivers_it_on_heal() -> None:
    lab = Lab()
    lab.link.conditions.partitioned = True
    for number in range(50):
        lab.client_writes(EAST, f"n{number}", number)
    lab.poll(EAST)
    lab.deliver()
    assert lab.send(WEST) == 0
    assert lab.link.queued(EAST, WEST) == 50
    lab.settle()
    assert lab.link.queued(EAST, WEST) == 0
    assert len(lab.stores[WEST].items) == 50
