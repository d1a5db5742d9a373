"""Counts what a function asks of AWS where it leaves the process: HTTP requests by operation, and billed units.

Write units are those that the emulator bills (by item size, indexes included). It does not bill reads by size, so read
units are worked out here from the items that came back, as DynamoDB does: a query's items together, an item read by its
key alone, in steps of 4 KB, half of it when eventually consistent.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

# Item by item, DynamoDB bills at least one step, also for an item that is not there.
STEP_BYTES: Final = 4096
WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
READS: Final = frozenset({"GetItem", "Query", "BatchGetItem"})


@dataclass
class Counts:
    """What was asked: requests by service and operation, and units by table."""

    requests: Counter[str] = field(default_factory=Counter)
    write_units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    read_units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class Wire:
    """Listens to the functions' own clients. Only while it counts: that takes time, and time is measured elsewhere."""

    def __init__(self, clients: Iterable[Any]) -> None:
        self._counts: Counts | None = None
        for client in clients:
            client.meta.events.register("provide-client-params.dynamodb", self._ask_for_units)
            client.meta.events.register("before-call", self._sending)
            client.meta.events.register("after-call.dynamodb", self._answered)

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Count what is asked meanwhile."""
        self._counts = counts = Counts()
        try:
            yield counts
        finally:
            self._counts = None

    def _ask_for_units(self, params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any] | None:
        return {**params, "ReturnConsumedCapacity": "TOTAL"} if self._counts and model.name in WRITES else None

    def _sending(self, model: Any, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        if not self._counts:
            return
        service = model.service_model.service_name
        self._counts.requests[f"{service} {model.name}"] += 1
        context["relevo_request"] = params.get("body", b"")

    def _answered(self, model: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
        if not self._counts:
            return
        if model.name in WRITES:
            consumed = parsed.get("ConsumedCapacity", [])
            for one in [consumed] if isinstance(consumed, dict) else consumed:
                self._counts.write_units[one["TableName"]] += one["CapacityUnits"]
        elif model.name in READS:
            _count_read(self._counts, model.name, context["relevo_request"], parsed)


def _count_read(counts: Counts, operation: str, body: bytes | str, parsed: Mapping[str, Any]) -> None:
    request = json.loads(body)
    if operation == "BatchGetItem":
        for table, asked in request["RequestItems"].items():
            found = parsed.get("Responses", {}).get(table, [])
            missing = len(asked["Keys"]) - len(found)
            steps = sum(map(steps_of, map(size_of, found))) + missing
            counts.read_units[table] += steps * _factor(asked)
        return
    items = parsed.get("Items", [parsed["Item"]] if "Item" in parsed else [])
    counts.read_units[request["TableName"]] += steps_of(sum(map(size_of, items))) * _factor(request)


def _factor(request: Mapping[str, Any]) -> float:
    return 1.0 if request.get("ConsistentRead") else 0.5


def steps_of(size: float) -> int:
    return max(1, math.ceil(size / STEP_BYTES))


def size_of(item: Mapping[str, Any]) -> int:
    """DynamoDB's size of an item in its wire form: names and values, as its developer guide counts them."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(str(content).encode())
        case "N":
            digits = str(content).lstrip("-").replace(".", "").strip("0") or "0"
            return math.ceil(len(digits) / 2) + 1 + str(content).startswith("-")
        case "SS":
            return sum(len(text.encode()) for text in content)
        case "L":
            return 3 + sum(1 + _value_size(part) for part in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(part) for name, part in content.items())
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"no size is known for {kind!r}")
