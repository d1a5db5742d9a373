"""The replication link between two real MiniStack processes: nothing lost, nothing bounced, both sides equal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.topology import TOPOLOGY
from tests.lab.two_ministacks import (
    RegionProcess,
    answer_of,
    eventually,
    lab_process,
    two_ministacks,
    write_lab_file,
)

EAST, WEST = TOPOLOGY.region_names
LOG, ACCOUNTS, CONTROL = TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table


class Pair:
    """Two Regions and the link between them."""

    def __init__(self, regions: dict[str, RegionProcess], lab_file: Path) -> None:
        self.east, self.west = regions[EAST], regions[WEST]
        self.regions = (self.east, self.west)
        self.lab_file = lab_file
        self.control = f"http://{json.loads(lab_file.read_text())['link_control']}"
        self._markers = 0

    def stats(self) -> Any:
        return answer_of(f"{self.control}/stats")

    def link(self, what: str, **body: object) -> Any:
        return answer_of(f"{self.control}/{what}", body)

    def pass_markers(self) -> None:
        """Wait until something written now, after all else, has arrived on both sides: then all else has too."""
        self._markers += 1
        for source, target in ((self.east, self.west), (self.west, self.east)):
            name = f"MARKER#{source.name}#{self._markers}"
            put(source, name, value="here")
            eventually(lambda t=target, n=name: get(t, n), what=f"marker from {source.name}")
        eventually(lambda: not any(self.stats()["queued"].values()), what="an empty queue")


def put(region: RegionProcess, name: str, table: str = LOG, **attributes: str) -> None:
    item = {"pk": {"S": name}, "sk": {"S": "X"}, **{key: {"S": value} for key, value in attributes.items()}}
    region.dynamodb.put_item(TableName=table, Item=item)


def get(region: RegionProcess, name: str, table: str = LOG) -> dict[str, str] | None:
    item = region.dynamodb.get_item(TableName=table, Key={"pk": {"S": name}, "sk": {"S": "X"}}).get("Item")
    return item and {key: value["S"] for key, value in item.items() if key not in ("pk", "sk")}


def contents(region: RegionProcess, prefix: str, table: str = LOG) -> dict[str, Any]:
    pages = region.dynamodb.get_paginator("scan").paginate(TableName=table)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"] if item["pk"]["S"].startswith(prefix)}


def records_of(region: RegionProcess, name: str, table: str = LOG) -> list[str]:
    """The names of all changes that the Region's stream holds of an item."""
    stream = region.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    shard = region.streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = region.streams.get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    position, found = iterator["ShardIterator"], []
    while True:
        page = region.streams.get_records(ShardIterator=position)
        if not page["Records"]:
            return found
        found += [r["eventName"] for r in page["Records"] if r["dynamodb"]["Keys"]["pk"]["S"] == name]
        position = page["NextShardIterator"]


@pytest.fixture(scope="module")
def running_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("link")
    with ExitStack() as stack:
        regions = stack.enter_context(two_ministacks(folder))
        lab_file = write_lab_file(folder, {name: (region.address, region.port) for name, region in regions.items()})
        stack.enter_context(lab_process("replication.link", lab_file))
        pair = Pair(regions, lab_file)
        eventually(lambda: control_answers(pair), what="the link's control")
        yield pair


def control_answers(pair: Pair) -> bool:
    try:
        return bool(pair.stats())
    except OSError:
        return False


@pytest.fixture
def pair(running_pair: Pair) -> Iterator[Pair]:
    yield running_pair
    for region in running_pair.regions:
        region.thaw()
    running_pair.link("partition", on=False)
    running_pair.link("lag", seconds=0)
    running_pair.link("winner", region=EAST, ahead_seconds=0)
    running_pair.pass_markers()


def test_writes_to_every_table_arrive_once_on_the_other_side_and_do_not_bounce(pair: Pair) -> None:
    for table in (LOG, ACCOUNTS, CONTROL):
        put(pair.east, f"E#{table}", table, origin_region=EAST)
        put(pair.west, f"W#{table}", table, origin_region=WEST)
    for table in (LOG, ACCOUNTS, CONTROL):
        eventually(lambda t=table: get(pair.west, f"E#{t}", t) == {"origin_region": EAST})
        eventually(lambda t=table: get(pair.east, f"W#{t}", t) == {"origin_region": WEST})
    pair.pass_markers()
    for region in pair.regions:
        for table in (LOG, ACCOUNTS, CONTROL):
            assert records_of(region, f"E#{table}", table) == ["INSERT"]
            assert records_of(region, f"W#{table}", table) == ["INSERT"]


def test_the_same_command_accepted_on_both_sides_converges_to_the_later_one(pair: Pair) -> None:
    pair.link("partition", on=True)
    put(pair.east, "SAME", origin_region=EAST)
    time.sleep(0.005)  # the Regions' clocks have milliseconds
    put(pair.west, "SAME", origin_region=WEST)
    pair.link("partition", on=False)
    eventually(lambda: get(pair.east, "SAME") == {"origin_region": WEST})
    pair.pass_markers()
    assert get(pair.east, "SAME") == get(pair.west, "SAME") == {"origin_region": WEST}
    assert records_of(pair.east, "SAME") == ["INSERT", "MODIFY"]
    assert records_of(pair.west, "SAME") == ["INSERT"]


@pytest.mark.parametrize("ahead", [EAST, WEST])
def test_the_side_whose_clock_is_ahead_wins_what_both_wrote_while_apart(pair: Pair, ahead: str) -> None:
    pair.link("partition", on=True)
    names = [f"AHEAD#{ahead}#{number}" for number in range(10)]
    for number, name in enumerate(names):
        for region in pair.regions if number % 2 else reversed(pair.regions):
            put(region, name, origin_region=region.name)
    pair.link("winner", region=ahead, ahead_seconds=60)
    pair.link("partition", on=False)
    pair.pass_markers()
    for region in pair.regions:
        assert [get(region, name) for name in names] == [{"origin_region": ahead}] * len(names)


def test_items_overwritten_on_both_sides_at_once_end_equal(pair: Pair) -> None:
    def beat(region: RegionProcess) -> None:
        for number in range(150):
            put(region, f"BEAT#{number % 7}", beat_at=str(number), origin_region=region.name)

    writers = [threading.Thread(target=beat, args=(region,)) for region in pair.regions]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    pair.pass_markers()
    assert contents(pair.east, "BEAT#") == contents(pair.west, "BEAT#")
    last = {get(pair.east, f"BEAT#{number % 7}")["beat_at"] for number in range(143, 150)}  # type: ignore[index]
    assert last == {str(number) for number in range(143, 150)}


def test_a_partition_applies_nothing_and_keeps_everything_until_it_heals(pair: Pair) -> None:
    pair.link("partition", on=True)
    put(pair.west, "APART#overwritten", value="first")
    for number in range(60):
        put(pair.east, f"APART#E{number}", origin_region=EAST)
        put(pair.west, f"APART#W{number}", origin_region=WEST)
        put(pair.west, "APART#overwritten", value=str(number))
    eventually(lambda: pair.stats()["queued"] == {f"{EAST}->{WEST}": 60, f"{WEST}->{EAST}": 121})
    assert pair.stats()["measured_lag_seconds"][f"{EAST}->{WEST}"] > 0.05
    assert len(contents(pair.east, "APART#")) == 60
    assert len(contents(pair.west, "APART#")) == 61
    pair.link("partition", on=False)
    pair.pass_markers()
    assert contents(pair.east, "APART#") == contents(pair.west, "APART#")
    assert len(contents(pair.east, "APART#")) == 121
    assert get(pair.east, "APART#overwritten") == {"value": "59"}


def test_deletes_replicate(pair: Pair) -> None:
    put(pair.east, "GONE", value="1")
    eventually(lambda: get(pair.west, "GONE"))
    pair.west.dynamodb.delete_item(TableName=LOG, Key={"pk": {"S": "GONE"}, "sk": {"S": "X"}})
    eventually(lambda: not get(pair.east, "GONE"))
    pair.pass_markers()
    assert [records_of(region, "GONE") for region in pair.regions] == [["INSERT", "REMOVE"]] * 2


def test_lag_delays_every_write_by_that_much(pair: Pair) -> None:
    pair.link("lag", seconds=1)
    written_at = time.time()
    put(pair.east, "LATE", value="1")
    eventually(lambda: get(pair.west, "LATE"))
    assert 1.0 <= time.time() - written_at < 3.0
    assert pair.stats()["measured_lag_seconds"][f"{EAST}->{WEST}"] is not None


def test_a_frozen_region_loses_nothing_and_catches_up_when_it_continues(pair: Pair) -> None:
    stop = threading.Event()
    written: list[str] = []

    def keep_writing() -> None:
        while not stop.is_set():
            put(pair.west, f"FROZEN#W{len(written)}", origin_region=WEST)
            put(pair.west, "FROZEN#beat", beat_at=str(len(written)))
            written.append("")

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for number in range(50):
            put(pair.east, f"FROZEN#E{number}", origin_region=EAST)
        pair.east.freeze()  # in the middle of reads and writes of the link
        frozen_with = len(written)
        eventually(lambda: len(written) > frozen_with + 200, what="writes in the other Region")
        eventually(lambda: pair.stats()["queued"][f"{WEST}->{EAST}"] > 100, what="a growing queue")
        eventually(lambda: pair.stats()["measured_lag_seconds"][f"{WEST}->{EAST}"] > 4, what="calls given up")
        pair.east.thaw()
    finally:
        stop.set()
        writer.join()
    pair.pass_markers()
    east, west = contents(pair.east, "FROZEN#"), contents(pair.west, "FROZEN#")
    assert east == west
    assert len(east) == len(written) + 50 + 1
    assert get(pair.east, "FROZEN#beat") == {"beat_at": str(len(written) - 1)}


def test_conditions_that_make_no_sense_are_refused(pair: Pair) -> None:
    for what, body in (
        ("partition", {"on": "yes"}),
        ("lag", {"seconds": -1}),
        ("winner", {"region": "eu-west-1", "ahead_seconds": 1}),
    ):
        with pytest.raises(OSError, match="400"):
            pair.link(what, **body)


def test_a_link_started_late_reads_a_long_stream_without_skipping_and_stops_on_sigterm(tmp_path: Path) -> None:
    with two_ministacks(tmp_path) as regions:
        east, west = regions[EAST], regions[WEST]
        for start in range(0, 2500, 25):
            requests = [
                {"PutRequest": {"Item": {"pk": {"S": f"LONG#{n}"}, "sk": {"S": "X"}, "pad": {"S": "x" * 600}}}}
                for n in range(start, start + 25)
            ]
            east.dynamodb.batch_write_item(RequestItems={LOG: requests})
        lab_file = write_lab_file(tmp_path, {name: (region.address, region.port) for name, region in regions.items()})
        with lab_process("replication.link", lab_file) as link:
            pair = Pair(regions, lab_file)
            eventually(lambda: control_answers(pair) and pair.stats()["applied"][f"{EAST}->{WEST}"] == 2500)
            assert len(contents(west, "LONG#")) == 2500
            link.terminate()
            assert link.wait(5) == 0
