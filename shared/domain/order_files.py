"""CSV files of orders: text to commands, exactly those that `POST /v1/orders` takes. The rules, without storage.

A row is one status of one order; rows of the same order and status that follow one another are its items. A fault is
told by line and column, and costs that order alone.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from shared.domain.commands import MAX_BODY_BYTES, MAX_ITEMS, Command, idempotency_key_of, order_command
from shared.domain.problems import ProblemError

ITEM_COLUMNS: Final = ("product", "price", "quantity")
# What tells one status of one order from the next one.
IDENTITY_COLUMNS: Final = ("order_id", "status", "attempt", "key")
COLUMNS: Final = ("order_id", "status", "courier", *ITEM_COLUMNS, "occurred_at", "city", "note", "attempt", "key")
MAX_ROW_BYTES: Final = MAX_BODY_BYTES
MAX_IN_DOUBT: Final = 5_000  # rows that hang together by rows which cannot be read
DELIMITERS: Final = (",", ";")
BOM: Final = b"\xef\xbb\xbf"
SHOWN_CHARACTERS: Final = 1000  # of a row that is told back
# A comma is a decimal sign too, as Colombian spreadsheets write it. Neither sign parts thousands: 32.000 is refused.
_NUMBER: Final = re.compile(r"[0-9]{1,10}([.,][0-9]{1,2})?", re.ASCII)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class FileRefusedError(ValueError):
    """A file of which nothing can be read; the text says what to change."""


class _RowTooLongError(Exception):
    """A row that goes on and on, most likely behind a quote that nobody closes."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows: the byte and the line that come next."""

    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header says: how cells are parted, and which they are."""

    delimiter: str
    columns: tuple[str, ...]

    @property
    def order_column(self) -> int:
        """Where a row says which order it is about."""
        return self.columns.index("order_id" if "order_id" in self.columns else "key")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a row: in which line and column, why, and the row as it was sent."""

    line: int
    column: str
    reason: str
    row: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by column, and why it cannot be read, if it cannot.

    ``order`` is what it says of the order that it is about, and ``None`` if not even that can be read for sure.
    """

    line: int
    cells: dict[str, str]
    text: str
    end: Position
    order: str | None
    unreadable: str | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        return tuple(self.cells.get(name, "") for name in IDENTITY_COLUMNS)

    def goes_on_with(self, later: Row) -> bool:
        """Whether the next row may be about the same; of one that cannot be read, only its order is asked."""
        if self.unreadable is None and later.unreadable is None:
            return self.identity == later.identity
        if self.unreadable is not None and later.unreadable is not None:
            return self.order is not None and self.order == later.order
        return self.order is None or later.order is None or self.order == later.order

    def fault(self, column: str, reason: str) -> Fault:
        return Fault(self.line, column, reason, self.text[:SHOWN_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Entry:
    """One status of one order as the file has it. Of too many rows only the first ones are kept.

    With a row that cannot be read, it is all that this row may belong to: of an order in doubt nothing is registered.
    """

    rows: tuple[Row, ...]
    count: int
    end: Position


class EntryRefusedError(Exception):
    """An entry that is no valid command, with everything that is wrong in it."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def layout_of(start: bytes) -> tuple[Layout, Position]:
    """Read the header out of the file's first bytes; raises ``FileRefusedError``."""
    first, newline, _ = start.partition(b"\n")
    try:
        text = first.removeprefix(BOM).decode()
    except UnicodeDecodeError as error:
        raise FileRefusedError("the header is not UTF-8; save the file as 'CSV UTF-8'") from error
    delimiter = max(DELIMITERS, key=text.count)
    try:
        names = [name.strip().lower() for name in next(csv.reader([text], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise FileRefusedError(f"the header cannot be read: {error}") from error
    while names and not names[-1]:
        names.pop()  # spreadsheets write columns that were emptied
    expected = f"the first line names the columns, out of {', '.join(COLUMNS)}"
    if not names:
        raise FileRefusedError(f"there is no header: {expected}")
    if unknown := [name[:40] for name in names if name not in COLUMNS]:
        raise FileRefusedError(f"unknown columns {', '.join(map(repr, unknown[:5]))}: {expected}")
    if len(set(names)) != len(names):
        raise FileRefusedError(f"a column stands there twice: {expected}")
    if "order_id" not in names and "key" not in names:
        raise FileRefusedError("there is neither a column order_id nor key, so no row says which order it is about")
    return Layout(delimiter, tuple(names)), Position(len(first) + len(newline), 2)


def entries(chunks: Iterable[bytes], layout: Layout, start: Position, *, most_lines: int) -> Iterator[Entry]:
    """Read the file from ``start`` on; every entry says where the next one begins.

    Raises ``FileRefusedError`` behind line ``most_lines``, the empty ones counted.
    """
    kept: list[Row] = []
    last: Row | None = None
    count = 0
    for row in _rows(chunks, layout, start, most_lines):
        if last is not None and not last.goes_on_with(row):
            yield Entry(tuple(kept), count, last.end)
            kept, last, count = [], None, 0
        if len(kept) <= MAX_ITEMS or row.unreadable or (last and last.unreadable):
            kept.append(row)
        if len(kept) > MAX_IN_DOUBT:
            raise FileRefusedError(f"line {row.line}: too many rows that cannot be read, and orders in doubt by them")
        last, count = row, count + 1
    if last is not None:
        yield Entry(tuple(kept), count, last.end)


def command_of(entry: Entry, *, now: datetime) -> Command:
    """The command of an entry, by the API's own rules; raises ``EntryRefusedError`` with every fault."""
    first = entry.rows[0]
    if any(row.unreadable is not None for row in entry.rows):
        raise EntryRefusedError(list(_doubts(entry.rows)))
    faults = list(_contradictions(first, entry.rows[1:]))
    with_items = [row for row in entry.rows if any(row.cells.get(name) for name in ITEM_COLUMNS)]
    if faults:
        raise EntryRefusedError(faults)
    body: dict[str, object] = {
        name: cell for name, cell in first.cells.items() if cell and name not in (*ITEM_COLUMNS, "key")
    }
    if "attempt" in body:
        body["attempt"] = _whole(first.cells["attempt"])
    if with_items:
        body["items"] = [_item(row) for row in with_items]
    try:
        key = idempotency_key_of(first.cells.get("key") or None)
    except ProblemError as problem:
        raise EntryRefusedError([first.fault("key", problem.detail)]) from problem
    try:
        return order_command(body, idempotency_key=key, now=now)
    except ProblemError as problem:
        told = [_placed(fault["pointer"], fault["detail"], first, with_items) for fault in problem.errors]
        raise EntryRefusedError(told or [first.fault("", problem.detail)]) from problem


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _doubts(rows: Sequence[Row]) -> Iterator[Fault]:
    """Why rows are refused, one by one or, if only a row beside them cannot be read, once for each order."""
    for before, row in zip((None, *rows), rows, strict=False):
        if row.unreadable is not None:
            yield row.fault("", row.unreadable)
        elif before is None or before.identity != row.identity:
            yield row.fault("", "not registered: a row beside it cannot be read, and may belong to it")


def _contradictions(first: Row, others: Iterable[Row]) -> Iterator[Fault]:
    for row in others:
        if not any(row.cells.get(name) for name in ITEM_COLUMNS):
            yield row.fault("product", f"repeats line {first.line} and adds no product")
        for name in row.cells.keys() - {*ITEM_COLUMNS, *IDENTITY_COLUMNS}:
            if row.cells[name] and row.cells[name] != first.cells.get(name):
                yield row.fault(name, f"is not that of line {first.line}, which is the same order and status")


def _item(row: Row) -> dict[str, object]:
    item: dict[str, object] = {name: row.cells[name] for name in ITEM_COLUMNS if row.cells.get(name)}
    if "price" in item:
        item["price"] = _number(row.cells["price"])
    if "quantity" in item:
        item["quantity"] = _whole(row.cells["quantity"])
    return item


def _number(text: str) -> object:
    """A number as JSON would bring it; any other text stays, for the API's rules to refuse."""
    return Decimal(text.replace(",", ".")) if _NUMBER.fullmatch(text) else text


def _whole(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else text


def _placed(pointer: str, detail: str, first: Row, with_items: list[Row]) -> Fault:
    """Where in the file a fault of the body is."""
    match pointer.split("/")[1:]:
        case ["items", number, column]:
            return with_items[int(number)].fault(column, detail)
        case ["items", *_]:
            return first.fault("product", detail)
        case [column]:
            return first.fault(column, detail)
    return first.fault("", detail)


def _rows(chunks: Iterable[bytes], layout: Layout, start: Position, most_lines: int) -> Iterator[Row]:
    """Every row that says something, the unreadable ones too: they cost a line each, and reading goes on behind it."""
    source, again = _lines(chunks), deque[bytes]()
    offset, line = start.offset, start.line
    while True:
        taken: list[bytes] = []
        unreadable = None
        try:
            cells = next(csv.reader(_fed(again, source, taken), delimiter=layout.delimiter, strict=True), None)
        except (csv.Error, _RowTooLongError) as error:
            unreadable = str(error)
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
            while not taken[-1].endswith(b"\n") and (more := again.popleft() if again else next(source, None)):
                taken.append(more)  # the rest of a line that is too long by itself
            cells = _first_cell(_decoded(taken[0]), layout.delimiter)
        if cells is None:
            return
        here, line = line, line + len([piece for piece in taken if piece.endswith(b"\n")])
        offset += sum(map(len, taken))
        if here > most_lines:
            raise FileRefusedError(f"the file has more than {most_lines} lines; split it")
        cells = [cell.strip() for cell in cells]
        if not unreadable and not any(cells):
            continue
        unreadable = unreadable or _unreadable(cells, len(layout.columns))
        known = dict(zip(layout.columns, cells, strict=False))
        text = b"".join(taken)[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace").rstrip("\r\n")
        yield Row(here, known, text, Position(offset, line), _order_of(cells, layout, unreadable), unreadable)


def _fed(again: deque[bytes], source: Iterator[bytes], taken: list[bytes]) -> Iterator[str]:
    """The lines that one row takes, noted in ``taken``; a quoted cell may have several."""
    size = 0
    while (piece := again.popleft() if again else next(source, None)) is not None:
        taken.append(piece)
        size += len(piece)
        if size > MAX_ROW_BYTES:
            raise _RowTooLongError(f"more than {MAX_ROW_BYTES} bytes in one row: is a quote not closed?")
        yield _decoded(piece)


def _first_cell(line: str, delimiter: str) -> list[str]:
    """The first cell of a row that cannot be read, if the fault is behind it; nothing else in it is sure."""
    found = re.match(rf'"((?:[^"]|"")*)"{delimiter}|([^"{delimiter}]*){delimiter}', line)
    return [(found[1] or found[2] or "").replace('""', '"')] if found else []


def _order_of(cells: list[str], layout: Layout, unreadable: str | None) -> str | None:
    """The cell that names the order. In a row that cannot be read it is sure in the first place, or among all cells."""
    place = layout.order_column
    if unreadable is None:
        return cells[place]
    is_sure = place < len(cells) and (place == 0 or len(cells) == len(layout.columns)) and _is_text(cells[place])
    return cells[place] or None if is_sure else None


def _decoded(piece: bytes) -> str:
    return piece.decode("utf-8", "surrogateescape")


def _unreadable(cells: list[str], columns: int) -> str | None:
    if len(cells) < columns or any(cells[columns:]):
        return f"has {len(cells)} cells, but the header {columns}"
    # What is not UTF-8 was read as lone surrogates.
    return "is not UTF-8; save the file as 'CSV UTF-8'" if any(not _is_text(cell) for cell in cells) else None


def _is_text(cell: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in cell)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends; what is longer than a row may be comes in pieces, so that no line fills the memory."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        while len(rest) > MAX_ROW_BYTES:
            yield rest[: MAX_ROW_BYTES + 1]
            rest = rest[MAX_ROW_BYTES + 1 :]
    if rest:
        yield rest
