"""A file of orders in a lab's bucket: S3 calls the importer, orders show in both Regions, and again changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.lab.deploy import client
from shared.topology import TOPOLOGY
from tests.lab.running_lab import RunningLab, eventually

pytestmark = pytest.mark.lab

ROWS = 2000  # a minute and more at the pace of a file
HERE, THERE = TOPOLOGY.region_names


def imported(lab: RunningLab, file: Path, region: str) -> Any:
    done = lab.relevo("import", str(file), "--region", region, "--patience", "120", "--json")
    assert done.stdout, f"{done.stderr}{done.exception!r}"
    found = json.loads(done.stdout)
    assert done.exit_code == (1 if found["failed"] else 0)
    return found


def in_log(lab: RunningLab, region: str) -> int:
    """How many of the file's events a Region's replica has."""
    pages = client(lab.layout.seats[region], "dynamodb").get_paginator("scan").paginate(
        TableName=TOPOLOGY.order_log_table, ProjectionExpression="pk, sk",
        FilterExpression="begins_with(pk, :file) AND begins_with(sk, :event)",
        ExpressionAttributeValues={":file": {"S": "ORDER#IMP-"}, ":event": {"S": "EVENT#"}},
    )  # fmt: skip
    return sum(len(page["Items"]) for page in pages)


def test_a_file_of_orders_shows_in_both_regions_and_again_changes_nothing(lab: RunningLab, tmp_path: Path) -> None:
    file = tmp_path / "pedidos.csv"
    rows = [f"IMP-{number};created;Café Huila;32000,50;1;Bogotá" for number in range(ROWS)]
    file.write_text("\ufefforder_id;status;product;price;quantity;city\r\n" + "\r\n".join([*rows, "IMP-x;lost;;;;"]))
    first = imported(lab, file, HERE)
    assert (first["state"], first["rows"]) == ("finished", ROWS + 1)
    # On a busy machine a call may time out: Lambda tries again, and what was done counts as known.
    assert (first["created"] + first["repeats"], first["failed"]) == (ROWS, 1)
    errors = Path(first["errors_here"]).read_text(encoding="utf-8-sig").splitlines()
    assert errors[1].startswith(f"{ROWS + 2};status;")
    assert errors[-1].startswith("end;")
    for region in (HERE, THERE):
        eventually(lambda at=region: in_log(lab, at) == ROWS, within=120, what=f"all orders in {region}")
    for region in (THERE, HERE):
        again = imported(lab, file, region)
        assert (again["created"], again["repeats"], again["failed"]) == (0, ROWS, 1), region
    assert [in_log(lab, region) for region in (HERE, THERE)] == [ROWS, ROWS]
    for region in (HERE, THERE):
        eventually(
            lambda at=region: lab.effects(f"IMP-{ROWS - 1}", at),
            within=120,
            what=f"the last order's effect in {region}",
        )
