"""Files of orders: whatever a file holds, each row is read once, told by its own line, and read on from anywhere."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.commands import order_command
from shared.domain.order_files import (
    BOM,
    COLUMNS,
    MAX_ROW_BYTES,
    Entry,
    EntryRefusedError,
    Fault,
    FileRefusedError,
    Layout,
    Position,
    command_of,
    entries,
    harmless,
    layout_of,
)

NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
CELLS = st.text(st.characters(codec="utf-8"), max_size=12)
ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12)
LAYOUT = Layout(",", ("order_id", "note", "city"))
PIECES = st.integers(1, 40)


def chunked(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


def written(rows: list[list[str]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def read(content: bytes, at: Position = Position(0, 2), size: int = 7, layout: Layout = LAYOUT) -> list[Entry]:  # noqa: B008
    return list(entries(chunked(content[at.offset :], size), layout, at, most_lines=10_000))


def faults_of(entry: Entry) -> list[Fault]:
    try:
        command_of(entry, now=NOW)
    except EntryRefusedError as refused:
        return refused.faults or [Fault(0, "", "", "refused without a fault")]
    return []


@given(ROWS, PIECES, st.sampled_from([",", ";"]))
def test_whatever_a_spreadsheet_writes_is_read_as_it_was_meant(
    rows: list[list[str]], size: int, delimiter: str
) -> None:
    found = read(written(rows, delimiter), size=size, layout=Layout(delimiter, LAYOUT.columns))
    cells = [list(row.cells.values()) for entry in found for row in entry.rows]
    assert cells == [stripped for row in rows if any(stripped := [cell.strip() for cell in row])]


@given(st.one_of(ROWS.map(written), st.binary(max_size=300)), PIECES, st.integers(0, 20))
def test_reading_goes_on_behind_any_entry_as_if_it_had_never_stopped(content: bytes, size: int, stop: int) -> None:
    whole = read(content, size=size)
    for entry in whole[:stop][-1:]:
        rest = read(content, entry.end)
        assert [*whole[:stop], *rest] == whole


@given(st.lists(st.binary(max_size=60), max_size=8), PIECES)
def test_any_bytes_are_read_to_the_end_and_every_line_is_told_once(lines: list[bytes], size: int) -> None:
    content = b"\n".join(lines)
    found = read(content, size=size)
    told = [row.line for entry in found for row in entry.rows]
    assert told == sorted(set(told))
    assert all(2 <= line <= 2 + content.count(b"\n") for line in told)
    for fault in (fault for entry in found for fault in faults_of(entry)):
        assert fault.reason
        assert fault.line in told


@given(st.binary(max_size=120))
def test_any_first_bytes_are_a_header_or_refused_in_words(start: bytes) -> None:
    try:
        layout, position = layout_of(start)
    except FileRefusedError as error:
        reason = str(error)
    else:
        reason = "a header"
        assert set(layout.columns) <= set(COLUMNS)
        assert position.offset <= len(start)
    assert reason


@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_header_is_read_with_or_without_bom_by_comma_or_semicolon(bom: bytes, delimiter: str, end: str) -> None:
    header = bom + f" Order_ID {delimiter}PRICE{delimiter}{delimiter}".encode() + end.encode()
    assert layout_of(header + b"rest") == (Layout(delimiter, ("order_id", "price")), Position(len(header), 2))


def test_a_quote_that_is_not_closed_costs_its_line_and_not_the_file() -> None:
    lines = [b'CE-1,"open,x', *(b"CE-%d,%s,y" % (number, b"n" * 150) for number in range(2, 1000))]
    found = read(b"\n".join(lines) + b"\n", size=50_000)
    assert len(found) == len(lines)
    assert [entry.rows[0].unreadable is None for entry in found] == [False, *[True] * (len(lines) - 1)]
    assert [entry.rows[0].line for entry in found] == list(range(2, 2 + len(lines)))


@pytest.mark.parametrize(
    ("columns", "bad", "held"),
    [
        ("order_id,note,key", 'CE-2,"x"y,k', []),  # its order is sure, and nobody else's
        ("order_id,note,key", 'CE-1,"x"y,k', ["CE-1"]),
        ("order_id,note,key", "CE-3,x", ["CE-3"]),
        ("note,order_id,key", '"x"y,CE-2,k', ["CE-1", "CE-3"]),  # behind the fault nothing is sure
        ("note,order_id,key", "x,CE-2", ["CE-1", "CE-3"]),
        ("order_id,note,key", '"CE-2,x,k', ["CE-1", "CE-3"]),
    ],
)
def test_a_row_that_cannot_be_read_holds_back_all_that_it_may_belong_to(
    columns: str, bad: str, held: list[str]
) -> None:
    layout = Layout(",", tuple(columns.split(",")))
    row = "{0},n,k{1}\n" if columns.startswith("order_id") else "n,{0},k{1}\n"
    content = "".join(
        [row.format("CE-0", 0), row.format("CE-1", 1), bad + "\n", row.format("CE-3", 3), row.format("CE-4", 4)]
    )
    found = read(content.encode(), layout=layout)
    refused = [fault for entry in found for fault in faults_of(entry)]
    assert {fault.line for fault in refused} == {4, *({"CE-1": 3, "CE-3": 5}[order] for order in held)}
    registered = [entry.rows[0].cells["order_id"] for entry in found if not faults_of(entry)]
    assert registered == [order for order in ("CE-0", "CE-1", "CE-3", "CE-4") if order not in held]


def test_a_file_of_too_many_lines_is_refused_also_if_they_are_empty() -> None:
    with pytest.raises(FileRefusedError, match="more than 10000 lines"):
        read(b"\n" * 11_000, size=4_000)


def test_rows_that_cannot_be_read_do_not_pile_up() -> None:
    layout = Layout(",", ("note", "order_id"))
    content = b"".join(b"n,CE-%d\nn\n" % number for number in range(4_000))
    with pytest.raises(FileRefusedError, match="too many rows that cannot be read"):
        read(content, size=4_000, layout=layout)


def test_a_line_longer_than_a_row_may_be_is_one_fault() -> None:
    content = b"CE-1,n,c\nCE-2," + b"n" * (3 * MAX_ROW_BYTES) + b",c\nCE-3,n,c\n"
    found = read(content, size=10_000)
    assert [(entry.rows[0].cells["order_id"], entry.rows[0].unreadable is None) for entry in found] == [
        ("CE-1", True), ("CE-2", False), ("CE-3", True),
    ]  # fmt: skip
    assert found[-1].end == Position(len(content), 5)


@pytest.mark.parametrize(
    ("price", "number"), [("32000", 32000), ("32000.5", 32000.5), ("32000,50", 32000.5), ("0", 0), ("7,1", 7.1)]
)
def test_a_price_is_the_number_that_json_would_have_brought(price: str, number: float) -> None:
    layout = Layout(";", ("order_id", "product", "price"))
    (entry,) = read(f"CE-1;Panela;{price}\n".encode(), layout=layout)
    body = {"order_id": "CE-1", "items": [{"product": "Panela", "price": Decimal(str(number))}]}
    expected = order_command(body, idempotency_key=None, now=NOW)
    assert command_of(entry, now=NOW) == expected


@pytest.mark.parametrize("price", ["32.000", "1.000.000", "1,000.00", "$ 5", "1e3", "-1", "٣", "12345678901"])
def test_a_price_that_could_mean_something_else_is_refused(price: str) -> None:
    layout = Layout(";", ("order_id", "product", "price"))
    (entry,) = read(f"CE-1;Panela;{price}\n".encode(), layout=layout)
    with pytest.raises(EntryRefusedError) as refused:
        command_of(entry, now=NOW)
    assert [(fault.line, fault.column) for fault in refused.value.faults] == [(2, "price")]


def test_of_an_order_that_never_ends_only_what_an_order_may_have_is_kept() -> None:
    layout = Layout(",", ("order_id", "product", "price"))
    content = "".join(f"CE-1,P{number},1\n" for number in range(5000)).encode()
    (entry,) = read(content, size=10_000, layout=layout)
    assert (entry.count, len(entry.rows)) == (5000, 101)
    with pytest.raises(EntryRefusedError, match="1 faults") as refused:
        command_of(entry, now=NOW)
    assert refused.value.faults[0].column == "product"


def test_times_keep_to_the_apis_limits() -> None:
    layout = Layout(",", ("order_id", "occurred_at"))
    for moment, fine in ((NOW, True), (NOW - timedelta(days=40), False)):
        (entry,) = read(f"CE-1,{moment.isoformat()}\n".encode(), layout=layout)
        if fine:
            assert command_of(entry, now=NOW).occurred_at == moment
        else:
            with pytest.raises(EntryRefusedError):
                command_of(entry, now=NOW)


@given(CELLS)
def test_no_cell_of_the_errors_is_a_formula(cell: str) -> None:
    assert not harmless(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert harmless(cell).endswith(cell)
