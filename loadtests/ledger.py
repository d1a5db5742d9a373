"""The clients' own book: every command, acknowledgement and arrival, as JSON lines, in the order they happened.

It is written by the clients and is the judge of a drill; nothing in it comes from the product but the ids and the
Region of a 2xx answer. Times are epoch seconds. Numbers of bodies are read back as exact decimals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["ok", "failed", "dropped"]


@dataclass(frozen=True)
class User:
    """One simulated client: its class, the Region nearer to it and whether it pins its address."""

    user: str
    kind: str
    location: str


@dataclass(frozen=True)
class SentCommand:
    """A command as it was first sent. ``order_id`` is ``None`` where the server names the order."""

    command_id: str
    order_id: str | None
    status: str
    route: str
    body: dict[str, Any]  # JSON as sent: the judge compares it field by field
    key: str | None
    subject: str
    sequence: int
    at: float


@dataclass(frozen=True)
class Ack:
    """A 2xx for a command. The old route's answer carries no event id."""

    command_id: str
    order_id: str
    event_id: str | None
    region: str | None
    http: int
    at: float


@dataclass(frozen=True)
class Try:
    """One HTTP exchange or the failure to have one (``http`` 0)."""

    at: float
    ms: float
    http: int
    region: str | None
    address: str | None
    error: str | None

    @property
    def ok(self) -> bool:
        return 200 <= self.http < 300


@dataclass(frozen=True)
class Arrival:
    """One scheduled arrival with all its tries. Latency counts from the scheduled time to the last try's end."""

    user: str
    kind: Literal["command", "read"]
    route: str
    scheduled: float
    finished: float
    outcome: Outcome
    command_id: str | None
    tries: tuple[Try, ...]

    @property
    def latency_seconds(self) -> float:
        return self.finished - self.scheduled

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def first_try_ok(self) -> bool:
        return bool(self.tries) and self.tries[0].ok

    @property
    def region(self) -> str | None:
        """The Region that gave the answer that counted."""
        return self.tries[-1].region if self.tries else None


Entry = User | SentCommand | Ack | Arrival
_KINDS: dict[str, type[Entry]] = {"user": User, "command": SentCommand, "ack": Ack, "arrival": Arrival}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass
class Ledger:
    """Everything that was written down."""

    users: dict[str, User] = field(default_factory=dict)
    commands: dict[str, SentCommand] = field(default_factory=dict)
    acks: dict[str, Ack] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Take one entry in; a second acknowledgement of a command must name the same event."""
        match entry:
            case User():
                self.users[entry.user] = entry
            case SentCommand():
                self.commands.setdefault(entry.command_id, entry)
            case Ack():
                first = self.acks.setdefault(entry.command_id, entry)
                if (first.event_id, first.order_id) != (entry.event_id, entry.order_id):
                    self.contradictions.append(f"{entry.command_id}: {first.event_id} and {entry.event_id}")
            case Arrival():
                self.arrivals.append(entry)

    def order_of(self, command: SentCommand) -> str | None:
        """The order a command is about, as far as the clients can know."""
        ack = self.acks.get(command.command_id)
        return ack.order_id if ack is not None else command.order_id


class LedgerWriter:
    """Appends entries; each line reaches the file before the client goes on."""

    def __init__(self, path: Path) -> None:
        self._file: TextIOWrapper = path.open("a", encoding="utf-8", buffering=1)

    def write(self, entry: Entry) -> None:
        line = {"type": _NAMES[type(entry)], **asdict(entry)}
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")

    def close(self) -> None:
        self._file.close()


def parse_line(line: str) -> Entry:
    """Read one line back."""
    fields = json.loads(line, parse_float=_number)
    kind = _KINDS[fields.pop("type")]
    if kind is Arrival:
        fields["tries"] = tuple(Try(**_floats(attempt)) for attempt in fields["tries"])
    return kind(**_floats(fields))


def _number(text: str) -> Decimal:
    return Decimal(text)


def _floats(fields: dict[str, Any]) -> dict[str, Any]:
    """Times become floats again; only bodies keep exact decimals."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in fields.items()}


class LedgerTail:
    """Reads what was added since the last look, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_entries(self) -> Iterator[Entry]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield parse_line(line.decode("utf-8"))
