"""The bench: what it counts is flat however many orders there are, and is what the demand model counts with."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.bench.figures import figures, markdown
from loadtests.bench.run import measure_functions
from shared.demand import (
    LOG_READS_TO_ACCEPT,
    LOG_READS_TO_PROJECT,
    LOG_WRITES,
    PAGE_QUERIES,
    PAGE_READS,
    Load,
    demand_of,
)
from shared.hot_keys import kpi_load
from shared.topology import TOPOLOGY

SIZES = (100, 2000)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return measure_functions(SIZES, changes=104)


@pytest.mark.enable_socket
def test_the_dashboard_and_a_page_cost_the_same_however_many_orders_there_are(found: dict[str, Any]) -> None:
    few, many = found["reading"]
    assert (few["orders"], many["orders"]) == SIZES
    assert (few["metrics"]["shows"], many["metrics"]["shows"]) == SIZES, "every order is counted"
    for kind in ("metrics", "page"):
        for cost in ("calls", "read_units"):
            assert few[kind][cost] == many[kind][cost], (kind, cost)
    assert many["metrics"]["calls"] == 1
    assert many["metrics"]["read_units"] == kpi_load(1.0, TOPOLOGY).units_per_read
    assert many["page"]["calls"] <= PAGE_QUERIES
    assert many["page"]["read_units"] <= PAGE_READS
    assert many["page"]["shows"] == 50


@pytest.mark.enable_socket
def test_a_status_change_costs_at_the_wire_what_the_model_counts(found: dict[str, Any]) -> None:
    counted = found["per_order"]
    model = demand_of(Load(orders=1, reads=0, with_peer=False))
    others = ("DynamoDB BatchWriteItem", "SQS GetQueueAttributes")  # told apart below, and the sentinel's
    calls = {name: rate for name, rate in model.aws_calls.items() if rate and name not in others}
    names = {"dynamodb": "DynamoDB", "sns": "SNS", "events": "EventBridge"}
    asked = {f"{names[name.split()[0]]} {name.split()[1]}": count for name, count in counted["requests"].items()}
    heartbeats = model.stream_records - LOG_WRITES  # they make batches of their own
    assert asked.pop("DynamoDB BatchWriteItem") == pytest.approx(
        model.aws_calls["DynamoDB BatchWriteItem"] - heartbeats
    )
    assert asked == pytest.approx(calls)
    assert counted["write_units"][TOPOLOGY.order_log_table] == LOG_WRITES
    assert counted["read_units"][TOPOLOGY.order_log_table] == LOG_READS_TO_ACCEPT + LOG_READS_TO_PROJECT


@pytest.mark.enable_socket
def test_the_view_is_billed_no_more_than_the_model_plans_for(found: dict[str, Any]) -> None:
    model = demand_of(Load(orders=1, reads=0, with_peer=False))
    planned = model.view_writes + model.list_index_writes + model.pending_index_writes
    billed = found["per_order"]["write_units"][TOPOLOGY.order_view_table]
    assert 0.5 * planned < billed <= planned


@pytest.mark.enable_socket
def test_every_figure_is_in_the_table_with_its_day_and_machine(found: dict[str, Any]) -> None:
    machine = {"cores": 2, "memory_gb": 24}
    drill = {
        "drill": "growth", "timing": "real", "started": "2026-11-21T09:39:00Z",
        "promises": [{"name": "achieved_rto_p95_seconds", "achieved": 78.9}],
    }  # fmt: skip
    cold = {"share": 0.56, "ours_ms": 421.0, "theirs_ms": 758.0}
    text = markdown({**found, "machine": machine, "cold_import": cold, "drill": drill})
    assert f"on {found['measured_at'][:10]}, 2 cores, 24 GB" in text
    assert "| 78.9 s of 80 s = 0.99 |" in text
    assert "56% of FastAPI + Mangum's (421 against 758 ms)" in text
    rows = list(figures(found))
    assert len(rows) == 3 + len(found["processor_time"]) + 4
    assert all(row.name in text and row.value and row.how for row in rows)
    for times in found["processor_time"].values():
        assert times["cpu_ms_median"] > 0
