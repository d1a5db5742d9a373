"""`relevo status`: the first look at both Regions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result

from runbooks import status
from shared.adapters.control import Control
from shared.alarms import ALARM
from shared.topology import STATUSES, TOPOLOGY
from tests.runbooks.shop import Shop
from tests.runbooks.two_regions import HERE, PEER, TwoRegions


@pytest.fixture
def both(regions: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> TwoRegions:
    """Both Regions with their queues; both serve."""
    for region in TOPOLOGY.region_names:
        regions.make_queues(region)
    serving(monkeypatch, *TOPOLOGY.region_names)
    return regions


def serving(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    hosts = {TOPOLOGY.region_api_name(name) for name in names}
    monkeypatch.setattr(status, "peer_serves", lambda _url, host: host in hosts)


def cells(done: Result, what: str) -> dict[str, str]:
    """A row of the table, by Region."""
    row = next(line for line in done.output.splitlines() if line.startswith(what))
    found = [cell.strip() for cell in row.split("  ")[1:] if cell.strip()]
    return dict(zip(TOPOLOGY.region_names, found, strict=True))


def alarm(regions: TwoRegions, region: str, name: str, state: str) -> None:
    # Moto makes no composite alarms; the command reads both kinds alike.
    cloudwatch: Any = regions.client("cloudwatch", region)
    cloudwatch.put_metric_alarm(
        AlarmName=name, MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


def test_two_quiet_regions_are_told_in_a_line_each(both: TwoRegions) -> None:
    done = both.run("status")
    assert done.exit_code == 0
    assert set(cells(done, "serves").values()) == {"yes"}
    assert set(cells(done, "drained").values()) == {"no"}
    assert "does not answer" not in done.output


def test_a_drained_region_shows_and_so_does_a_register_on_its_way(both: TwoRegions) -> None:
    now = datetime.now(UTC)
    Control(both.client("dynamodb", PEER), TOPOLOGY.control_table).drain(HERE, by="ana", reason="r", now=now)
    assert cells(both.run("status"), "drained") == {HERE: "on its way", PEER: "no"}
    register = both.client("dynamodb", PEER).scan(TableName=TOPOLOGY.control_table)["Items"]
    for item in register:
        both.client("dynamodb", HERE).put_item(TableName=TOPOLOGY.control_table, Item=item)
    assert cells(both.run("status"), "drained") == {HERE: "yes", PEER: "no"}


def test_the_oldest_heartbeat_tells_how_far_a_replica_has_come(both: TwoRegions) -> None:
    both.beat(at=datetime.now(UTC) - timedelta(seconds=90), of=(PEER,))
    found = both.run_json("status")["regions"]
    for replica in TOPOLOGY.region_names:
        assert 90 <= found[replica]["heartbeat_age_seconds"][PEER] < 120
        assert found[replica]["heartbeat_age_seconds"][HERE] < 30


def test_work_and_dead_letters_are_counted(both: TwoRegions) -> None:
    Shop(both).order("mine")
    sqs = both.client("sqs", HERE)
    url = sqs.get_queue_url(QueueName=f"relevo-{STATUSES[0].replace('_', '-')}-dlq.fifo")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="g", MessageDeduplicationId="d")
    found = both.run_json("status")["regions"][HERE]
    assert found["own"]["count"] == 1
    assert found["dead_letters"] == {STATUSES[0]: 1}
    assert cells(both.run("status"), "dead letters") == {HERE: f"1 {STATUSES[0]}", PEER: "0"}


def test_alarms_that_are_on_are_named_and_their_absence_is_not_taken_for_quiet(both: TwoRegions) -> None:
    assert both.run_json("status")["regions"][HERE]["alarms"] is None, "nothing is deployed: nobody can tell"
    alarm(both, HERE, ALARM["orders-stuck"].alarm_name, "ALARM")
    alarm(both, HERE, ALARM["view-late"].alarm_name, "OK")
    alarm(both, HERE, "relevo-signal-of-some-kind", "ALARM")
    assert both.run_json("status")["regions"][HERE]["alarms"] == ["orders-stuck"]
    assert cells(both.run("status"), "alarms") == {HERE: "orders-stuck", PEER: "not deployed"}


def test_a_lost_region_is_told_of_by_the_other(both: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> None:
    both.silence(PEER)
    serving(monkeypatch, HERE)
    done = both.run("status")
    assert done.exit_code == 0, "one Region serves"
    assert cells(done, "serves") == {HERE: "yes", PEER: "no"}
    assert cells(done, "own work")[PEER] == "?", "nobody can tell"
    assert f"{PEER} does not answer" in done.output
    assert both.run_json("status")["regions"][HERE]["heartbeat_age_seconds"][PEER] is not None


def test_with_no_region_serving_the_command_fails(both: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch)
    assert both.run("status").exit_code == 1
