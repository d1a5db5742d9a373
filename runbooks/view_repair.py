"""Repairs one Region's view from its log, beside a running relay and without stopping reads.

Rows are written by the same `Projection` as the relay's, under the same version guard. A KPI item gets what it lacks
only if it is still the version that was compared: no move of the relay is lost, nothing is added twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from runbooks.differences import Difference, work_to_repair
from runbooks.view_audit import Audit, KpiDifference
from shared.adapters import items, view_notes
from shared.adapters.order_log import OrderLog
from shared.adapters.order_rows import ROW, waits_for
from shared.adapters.order_view import OrderView, StaleRowError
from shared.adapters.order_work import OrderWork
from shared.adapters.projection import Projection
from shared.adapters.view_notes import ViewNotes
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.orders import Event
from shared.domain.takeover import Timing
from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass
class Repair:
    """What writes into one Region's view."""

    client: DynamoDBClient
    region: str
    timing: Timing
    clock: Callable[[], datetime]

    def __post_init__(self) -> None:
        table = TOPOLOGY.order_view_table
        self.view = OrderView(self.client, table, region=self.region)
        self.work = OrderWork(self.client, table, region=self.region)
        self.notes = ViewNotes(self.client, table)
        log = OrderLog(self.client, TOPOLOGY.order_log_table)
        self.projection = Projection(log, self.view, timing=self.timing, clock=self.clock)

    def order(self, audit: Audit, order_id: str, differences: Iterable[Difference]) -> None:
        """Bring an order's row and work up to its log; what the log lacks is left as it is."""
        kinds = {difference.kind for difference in differences}
        if "row unreadable" in kinds:
            self._remove_row(audit, order_id)
        if kinds & {"order missing", "row unreadable", "row differs"}:
            self.projection.project(order_id, even_if_equal=True)
        record, stored = audit.look_at(order_id)
        now = self.clock()
        for event, effect in work_to_repair(record, stored, region=self.region, now=now):
            self._note_work(event, effect, now)

    def _remove_row(self, audit: Audit, order_id: str) -> None:
        """Take away a row that no version of the code could have written, unless somebody replaced it meanwhile.

        Nothing could be projected over it. What it had added to a day's figures is found by the comparison of those.
        """
        _, stored = audit.look_at(order_id)
        row = stored.get(ROW, {})
        guard: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(version)"}
        if "version" in row:
            guard = {
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": items.to_wire({":version": row["version"]}),
            }
        try:
            self.client.delete_item(
                TableName=TOPOLOGY.order_view_table,
                Key=items.to_wire({"pk": items.order_key(order_id), "sk": ROW}),
                **guard,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _note_work(self, event: Event, effect: Effect | None, now: datetime) -> None:
        """Leave an event to whom it belongs. If it was done meanwhile, the sentinel finds its effect there."""
        if effect is None:
            own = event.origin_region == self.region
            due_in = self.timing.republish_after[0] if own else self.timing.takeover_after
            self.work.update(
                event.order_id,
                event.event_id,
                set_fields={
                    "order_id": event.order_id,
                    "event_id": event.event_id,
                    "status": event.status,
                    "origin_region": event.origin_region,
                    "seen_at": to_text(now),
                    "recorded_at": to_text(event.recorded_at),
                    "attempt": 0,
                    **waits_for(event.origin_region, event.order_id, due_at=now + due_in),
                },
                remove=("expires_at",),
            )
        elif effect.origin_region == self.region:
            self.work.note_unannounced(effect, now=now, due_at=now)
        else:
            self.notes.put([view_notes.peer_effect(effect, now=now)])

    def kpis(self, difference: KpiDifference) -> bool:
        """Add what a KPI item lacks; ``False`` if it moved since it was compared, which then has to be done again."""
        day, number = difference.key
        try:
            self.view.correct_kpis(day, number, difference.lacks, version=difference.version)
        except StaleRowError:
            return False
        return True
