"""Which alarms of a Region are on, as CloudWatch has it."""

from __future__ import annotations

from runbooks.target import Target
from shared.alarms import PREFIX


def alarm_states(target: Target, region: str) -> dict[str, bool]:
    """Whether each of a Region's own alarms is on, signals included; empty where nothing is deployed."""
    pages = target.client("cloudwatch", region).get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{PREFIX}-", AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )  # fmt: skip
    return {
        alarm["AlarmName"]: alarm["StateValue"] == "ALARM"
        for page in pages
        for alarm in (*page.get("CompositeAlarms", ()), *page.get("MetricAlarms", ()))
    }
