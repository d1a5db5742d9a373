"""The lab enforces the roles' policies: what needs a permission fails without it. Runs when the record was judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from loadtests.lab.emulator.call_record import read_calls
from runbooks.target import current_target
from shared.adapters.import_files import INBOX, ImportFiles
from shared.topology import TOPOLOGY
from tests.lab.policies import permissions, without
from tests.lab.running_lab import RunningLab, eventually

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("action", "table", "ask"),
    [
        ("dynamodb:PutItem", TOPOLOGY.order_log_table, lambda lab, region: lab.order(uuid4().hex, region=region)),
        ("dynamodb:BatchGetItem", TOPOLOGY.order_view_table, lambda lab, region: lab.api("/v1/metrics", region=region)),
    ],
)
def test_a_permission_that_is_taken_away_is_missed_until_it_is_back(
    lab: RunningLab, action: str, table: str, ask: Callable[[RunningLab, str], Any]
) -> None:
    region = TOPOLOGY.region_names[0]
    (taken,) = (
        one
        for one in permissions(lab, region, ["api"])
        if (one.action, one.resource.rpartition("/")[2]) == (action, table)
    )
    with without(lab, region, taken):
        eventually(lambda: ask(lab, region).status >= 500, within=30, what=f"an API that misses {action}")
        assert any(taken.allows(call) and call.allowed is False for call in read_calls(lab.layout, region))
    eventually(lambda: ask(lab, region).status < 300, within=30, what="an API that misses nothing")


def test_a_file_whose_importer_can_tell_nothing_is_kept_and_a_redrive_imports_it(lab: RunningLab) -> None:
    region = TOPOLOGY.region_names[0]
    target, bucket, name = current_target(lab.layout.folder), TOPOLOGY.import_bucket(region), f"KEPT-{uuid4().hex[:8]}"
    s3, key = target.client("s3", region), f"{INBOX}{target.account}/{name}.csv"
    files = ImportFiles(s3, bucket)
    (taken,) = (one for one in permissions(lab, region, ["importer"]) if one.action == "s3:PutObject")

    def dead_letters() -> Any:
        return json.loads(lab.relevo("status", "--json").stdout)["regions"][region]["dead_letters"]

    before = dead_letters()
    with without(lab, region, taken):
        eventually(lambda: taken not in permissions(lab, region, ["importer"]), within=30, what="a right that is gone")
        s3.put_object(Bucket=bucket, Key=key, Body=f"order_id,status\n{name},created\n".encode())
        eventually(lambda: dead_letters() == {**before, "imports": 1}, within=60, what="a file that was given up")
    assert files.progress(key) is None
    planned = lab.relevo("redrive", region, "imports")
    assert "plan: about 1 files of relevo-imports-dlq to relevo-importer:live" in planned.output
    done = lab.relevo("redrive", region, "imports", "--yes")
    assert (done.exit_code, "1 redriven" in done.output) == (0, True), done.output
    found = eventually(lambda: (it := files.progress(key)) and it.complete and it, within=60, what="the import")
    assert (found.state, found.rows, found.created, found.failed) == ("finished", 1, 1, 0)
    eventually(lambda: lab.effects(name, region), within=30, what="the effect of the file's order")
    assert dead_letters() == before
