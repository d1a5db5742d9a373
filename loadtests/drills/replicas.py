"""Reads what each Region holds of one run's orders straight from its tables, and the sales its API shows.

Scanning is for the judge alone, after the load: the product never scans.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from loadtests.drills.evidence import Replica
from loadtests.drills.region_api import RegionApi
from loadtests.drills.target import DrillRegion
from shared.topology import TOPOLOGY

SCAN_SECONDS = 30.0


def read_replica(region: DrillRegion, run: str, order_ids: Collection[str]) -> Replica:
    """Read one Region's log items and view rows of the run's orders (by id prefix, plus ids that servers gave)."""
    client = region.client("dynamodb", SCAN_SECONDS)
    replica = Replica(region.name)
    known = set(order_ids)

    def ours(order_id: str) -> bool:
        return order_id.startswith(f"{run}-") or order_id in known

    for item in _scan(client, TOPOLOGY.order_log_table, ours, ""):
        replica.log[(str(item["pk"]), str(item["sk"]))] = item
    for item in _scan(client, TOPOLOGY.order_view_table, ours, "ROW"):
        replica.rows[str(item["pk"]).removeprefix("ORDER#")] = item
    return replica


def _scan(client: Any, table: str, ours: Any, sort_key: str) -> Iterator[dict[str, Any]]:
    """Yield the table's order items; a sort key narrows it down before items are unpacked."""
    unpack = TypeDeserializer().deserialize
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    while True:
        answer = client.scan(**request)
        for item in answer["Items"]:
            pk = item["pk"]["S"]
            if not pk.startswith("ORDER#") or (sort_key and item["sk"]["S"] != sort_key):
                continue
            if ours(pk.removeprefix("ORDER#")):
                yield {name: unpack(value) for name, value in item.items()}
        if "LastEvaluatedKey" not in answer:
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def read_sales(api: RegionApi, token: str, days: Collection[date]) -> dict[date, Decimal]:
    """The sales of each day as one Region's API shows them; raises ``OSError`` if it does not answer well."""
    sales: dict[date, Decimal] = {}
    for day in sorted(days):
        status, answer = api.call("GET", f"/v1/metrics?day={day.isoformat()}", token=token)
        if status != 200 or "sales" not in answer:
            raise ConnectionError(f"/v1/metrics of {day} answered {status}: {json.dumps(answer, default=str)[:120]}")
        sales[day] = Decimal(str(answer["sales"]))
    return sales


def sales_since(after: dict[date, Decimal], before: dict[date, Decimal]) -> dict[date, Decimal]:
    """What a run added: the figures after it less those before it, days without change left out."""
    added = {day: after.get(day, Decimal(0)) - before.get(day, Decimal(0)) for day in after}
    return {day: amount for day, amount in added.items() if amount}
