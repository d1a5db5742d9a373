"""Dashboards: promises on top, and nothing shown that is not written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.alarms import ALARMS
from shared.topology import TOPOLOGY
from tests.infra.templates import Template
from tests.written_metrics import MODULES, written_by

ORDER = ["Promises", "Traffic", "Pipeline", "Replication", "What costs money"]


def widgets(template: Template) -> list[dict[str, Any]]:
    """Widgets from top to bottom; references stand as text in the body."""
    body = json.loads(template.render(template.only("AWS::CloudWatch::Dashboard")["DashboardBody"]))
    return sorted(body["widgets"], key=lambda widget: (widget["y"], widget["x"]))


def headings(template: Template) -> list[str]:
    found = [widget["properties"]["markdown"] for widget in widgets(template) if widget["type"] == "text"]
    return [text.removeprefix("## ") for text in found]


def rows(template: Template) -> Iterator[list[Any]]:
    """Metrics of all graphs as [namespace, name, dimension, value, ..., options]."""
    for widget in widgets(template):
        for row in widget["properties"].get("metrics", []):
            if isinstance(row[0], str):
                yield row


@pytest.fixture(scope="module")
def outside(assembly: Path) -> Template:
    return Template.read(assembly, "relevo-global")


def test_promises_stand_above_traffic_pipeline_replication_and_cost(template: Template, outside: Template) -> None:
    for shown in (template, outside):
        for found, expected in zip(headings(shown), ORDER, strict=True):
            assert found.startswith(expected)
    assert widgets(template)[0]["type"] == "alarm"


def test_a_region_shows_each_of_its_alarms(template: Template, region: str) -> None:
    shown = {arn.rpartition(":")[2] for arn in widgets(template)[0]["properties"]["alarms"]}
    assert shown == {alarm.alarm_name for alarm in ALARMS}
    assert template.only("AWS::CloudWatch::Dashboard")["DashboardName"] == f"relevo-{region}"


def test_own_metrics_shown_are_written(template: Template, outside: Template) -> None:
    seen = 0
    for row in (*rows(template), *rows(outside)):
        if row[0] == "Relevo" and "service" in row:
            service = row[row.index("service") + 1]
            assert service in MODULES
            assert row[1] in written_by(service)
            seen += 1
    assert seen > 20


def test_the_dashboard_across_regions_shows_the_same_of_each(outside: Template) -> None:
    for widget in widgets(outside):
        own = [row for row in widget["properties"].get("metrics", []) if isinstance(row[0], str)]
        if own and own[0][0] != "AWS/Route53" and " in us-" not in widget["properties"]["title"]:
            regions = [row[-1].get("region", widget["properties"]["region"]) for row in own]
            assert sorted(regions) == sorted(TOPOLOGY.region_names), widget["properties"]["title"]
