"""What people want to know of both Regions and no decision rests on: dead letters of each, and the last drill.

Items of the control table, so that they survive the Region that wrote them. A Region writes only its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from shared.adapters import items
from shared.domain.instants import from_text, to_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY: Final = "REPORTS"
DEAD_LETTERS: Final = "DEAD_LETTERS#"
DRILL: Final = "DRILL"


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """How many messages lie in each dead-letter queue of a Region, by queue."""

    by_queue: Mapping[str, int]
    counted_at: datetime


@dataclass(frozen=True, slots=True)
class DrillReport:
    """The last drill, and whether every promise held."""

    name: str
    timing: str
    region: str | None
    passed: bool
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """All reports that have reached this replica."""

    dead_letters: Mapping[str, DeadLetters] = field(default_factory=dict)
    last_drill: DrillReport | None = None


class Reports:
    """One Region's replica of the reports."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self) -> Told:
        """Every report: one query."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.to_wire({":pk": KEY}),
        )
        dead_letters: dict[str, DeadLetters] = {}
        last_drill: DrillReport | None = None
        for plain in map(items.from_wire, answer["Items"]):
            if plain["sk"] == DRILL:
                last_drill = DrillReport(
                    name=plain["name"],
                    timing=plain["timing"],
                    region=plain.get("region"),
                    passed=plain["passed"],
                    started_at=from_text(plain["started_at"]),
                )
            elif plain["sk"].startswith(DEAD_LETTERS):
                counts = {queue: int(count) for queue, count in plain["by_queue"].items()}
                region = plain["sk"].removeprefix(DEAD_LETTERS)
                dead_letters[region] = DeadLetters(counts, from_text(plain["counted_at"]))
        return Told(dead_letters, last_drill)

    def note_dead_letters(self, region: str, by_queue: Mapping[str, int], *, now: datetime) -> None:
        self._put(f"{DEAD_LETTERS}{region}", {"by_queue": dict(by_queue), "counted_at": to_text(now)})

    def note_drill(self, drill: DrillReport) -> None:
        self._put(
            DRILL,
            {
                "name": drill.name,
                "timing": drill.timing,
                "region": drill.region,
                "passed": drill.passed,
                "started_at": to_text(drill.started_at),
            },
        )

    def _put(self, sort_key: str, fields: Mapping[str, object]) -> None:
        self._client.put_item(TableName=self._table, Item=items.to_wire({"pk": KEY, "sk": sort_key, **fields}))
