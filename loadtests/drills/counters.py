"""Reads the product's own count of writes that would have changed an effect (one is a bug) from its functions' logs."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from loadtests.drills.target import DrillRegion
from shared.topology import STATUSES, function_name

METRIC = "EffectContentDiffers"


def changed_effect_writes(regions: list[DrillRegion], since: float) -> int:
    """Add up the metric over both Regions since a moment; its lines are Embedded Metric Format in the logs."""
    parts = [*(f"processor-{status}" for status in STATUSES), "sentinel"]
    return sum(
        _count(region.client("logs"), f"/aws/lambda/{function_name(part)}", since)
        for region in regions
        for part in parts
    )


def _count(logs: Any, group: str, since: float) -> int:
    total = 0.0
    request: dict[str, Any] = {
        "logGroupName": group, "startTime": int(since * 1000), "filterPattern": f'"{METRIC}"'
    }  # fmt: skip
    while True:
        try:
            answer = logs.filter_log_events(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return int(total)  # the function has never run
            raise
        for event in answer["events"]:
            total += metric_in(event["message"])
        if "nextToken" not in answer:
            return int(total)
        request["nextToken"] = answer["nextToken"]


def metric_in(message: str) -> float:
    """The metric's value in one log line; 0 for any other line."""
    start = message.find("{")
    try:
        fields = json.loads(message[start:]) if start >= 0 else {}
    except ValueError:
        return 0.0
    value = fields.get(METRIC, 0) if isinstance(fields, dict) else 0
    return float(sum(value)) if isinstance(value, list) else float(value)
