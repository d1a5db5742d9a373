"""Drills on AWS, in moto: they refuse, they say what they would do, and what they began is over when they are."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from typer.testing import CliRunner

from loadtests.drills.aws.access import AwsAccess
from loadtests.drills.aws.refusals import refuse_unless_fit
from loadtests.drills.aws.start import plan_on_aws, prepared, run_experiment
from loadtests.drills.commands import drill
from loadtests.drills.conductor import Conductor
from loadtests.drills.evacuation import evacuation_plan
from loadtests.drills.region_loss import region_loss_plan
from loadtests.drills.target import TargetError
from loadtests.shapes import Step
from runbooks import healthy_side
from runbooks.acting import Act
from runbooks.lab_folder import FOLDER_VARIABLE
from runbooks.target import Target
from shared.experiments import EXPERIMENT, LOST_FUNCTIONS
from shared.topology import TOPOLOGY
from tests.runbooks.drill_account import RESERVED, DrillAccount
from tests.runbooks.two_regions import HERE, PEER, TwoRegions

READY = dataclasses.replace(TOPOLOGY, domain="example.com", drills_allowed=True)
LOSS = EXPERIMENT["region-loss"]


@pytest.fixture
def account(regions: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> DrillAccount:
    monkeypatch.setattr(healthy_side, "peer_serves", lambda *_: True)
    return DrillAccount(regions)


def lose(account: DrillAccount) -> None:
    account.access.fault(kind="region-loss", region=HERE, mode="functions off")


def test_a_region_is_lost_from_its_peer_and_all_its_functions_are_off_when_that_has_struck(
    account: DrillAccount,
) -> None:
    lose(account)
    assert account.statuses(PEER) == ["running"]
    assert account.statuses(HERE) == []
    assert set(account.reserved(HERE).values()) == {0}


def test_a_healed_region_has_what_was_reserved_before(account: DrillAccount) -> None:
    account.access.client("lambda", HERE).delete_function_concurrency(FunctionName="relevo-relay")
    lose(account)
    account.access.heal()
    assert account.statuses(PEER) == ["stopped"]
    assert account.reserved(HERE) == {**RESERVED, "relevo-relay": None}
    assert account.access.experiments.running == []


def test_other_experiments_run_in_the_region_that_they_harm(account: DrillAccount) -> None:
    for name in ("replication-pause", "lambda-errors", "lambda-delays"):
        account.access.fault(kind=name, region=HERE)
    assert (account.statuses(HERE), account.statuses(PEER)) == (["running"] * 3, [])
    account.access.heal()
    assert account.statuses(HERE) == ["stopped"] * 3


def test_what_the_automation_left_off_is_said_with_the_commands_that_restore_it(account: DrillAccount) -> None:
    lose(account)
    account.automation_works = False
    with pytest.raises(TargetError) as caught:
        account.access.heal()
    for name, reserved in RESERVED.items():
        command = f"--region {HERE} --function-name {name} --reserved-concurrent-executions {reserved}"
        assert f"aws lambda put-function-concurrency {command}" in str(caught.value)


def test_an_experiment_that_finds_no_target_is_the_drills_failure(account: DrillAccount) -> None:
    def fail(parsed: dict[str, Any], **_: object) -> None:
        account.set_status(HERE, parsed["experiment"]["id"], "failed")

    account.access.client("fis", HERE).meta.events.register_last("after-call.fis.StartExperiment", fail)
    with pytest.raises(TargetError, match="relevo-lambda-errors is failed"):
        account.access.fault(kind="lambda-errors", region=HERE)


class Struck(Conductor):
    """Loses the Region and goes on for a minute, unless something stops it."""

    def _at_peak(self) -> None:
        self.course.fault_at = self.course.mark("lost", "fault")
        self._observers.lab.fault(kind="region-loss", region=HERE, mode="functions off")
        self.strike()
        self._hold("lost", 1.0, 60.0, steady=False)

    def strike(self) -> None:
        raise TargetError("the drill itself failed")


def conduct(account: DrillAccount, conductor: type[Conductor]) -> None:
    plan = dataclasses.replace(
        region_loss_plan("real", HERE, "freeze"), warm_up=Step("warm-up", 1.0, 0.0), steady=(Step("1x", 1.0, 0.0),)
    )
    observers = SimpleNamespace(lab=account.access, ledger=SimpleNamespace(arrivals=[1]))
    load = SimpleNamespace(running=True, steer=lambda *_: None, end=lambda: None)
    conductor(plan, observers, load, lambda _: None).run()  # type: ignore[arg-type]


def test_a_drill_that_fails_ends_its_experiment(account: DrillAccount) -> None:
    with pytest.raises(TargetError, match="the drill itself failed"):
        conduct(account, Struck)
    assert account.statuses(PEER) == ["stopped"]
    assert account.reserved(HERE) == RESERVED


def test_a_stop_condition_that_triggers_is_the_drills_failure_and_is_named(account: DrillAccount) -> None:
    class StoppedByFis(Struck):
        def strike(self) -> None:
            account.alarm(PEER, LOSS.stop_alarms[0])
            (running,) = account.access.experiments.running
            account.access.client("fis", PEER).stop_experiment(id=running.id)

    with pytest.raises(TargetError, match=r"ended by FIS in us-east-2, stopped: .*relevo-signal-impaired-here"):
        conduct(account, StoppedByFis)


def test_a_survivor_that_suffers_stops_the_drill_where_fis_cannot_see_it(account: DrillAccount) -> None:
    account.access.fault(kind="lambda-errors", region=HERE)
    account.access.check()
    account.alarm(PEER, "relevo-signal-availability-burns-1h-short")
    with pytest.raises(TargetError, match="us-east-2, which must not suffer, does: relevo-signal-availability"):
        account.access.check()


def refused(access: AwsAccess, **more: Any) -> str:
    with pytest.raises(TargetError) as caught:
        refuse_unless_fit(access, HERE, LOSS, **{"topology": READY, **more})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refusal(account: DrillAccount) -> str:
    text = refused(account.access)
    assert account.statuses(HERE) + account.statuses(PEER) == []
    return text


def test_a_drill_is_refused_while_a_lab_runs_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "lab.json").touch()
    assert "a lab runs here" in refused(AwsAccess())


def test_a_drill_is_refused_without_a_domain_and_while_the_gate_is_shut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert "no domain" in refused(AwsAccess(), topology=TOPOLOGY)
    shut = dataclasses.replace(READY, drills_allowed=False)
    assert "drills are not allowed" in refused(AwsAccess(), topology=shut)


def test_a_drill_is_refused_while_the_open_gate_is_not_deployed(
    regions: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healthy_side, "peer_serves", lambda *_: True)
    assert "does not carry relevo:drill = allowed" in refusal(DrillAccount(regions, tag="no"))


def test_a_drill_is_refused_while_an_alarm_is_on_in_either_region(account: DrillAccount) -> None:
    for region in (PEER, HERE):  # asked in the other order
        account.alarm(region, "relevo-orders-stuck")
        assert f"an alarm is on in {region}: relevo-orders-stuck" in refusal(account)


def test_a_drill_is_refused_unless_both_regions_serve(account: DrillAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    for region in TOPOLOGY.region_names:
        monkeypatch.setattr(healthy_side, "peer_serves", lambda _, host, ill=region: ill not in host)
        assert f"{region} does not say that it serves" in refusal(account)


def test_a_drill_is_refused_while_a_region_is_drained(account: DrillAccount) -> None:
    healthy_side.HealthySide(Target("aws", {}), PEER).drain(by="a test", reason="a test")
    assert f"{PEER} is drained" in refusal(account)


def test_a_drill_is_refused_while_a_function_is_off_already(account: DrillAccount) -> None:
    account.access.client("lambda", HERE).put_function_concurrency(
        FunctionName=LOST_FUNCTIONS[0], ReservedConcurrentExecutions=0
    )
    assert "are off already: relevo-api" in refusal(account)


def test_without_yes_the_plan_is_printed_and_nothing_is_done(
    account: DrillAccount, capsys: pytest.CaptureFixture[str]
) -> None:
    act = Act(as_json=False)
    plan = plan_on_aws(region_loss_plan("real", HERE, "freeze"))
    assert prepared(plan, yes=False, act=act, access=account.access, topology=READY) is None
    text = capsys.readouterr().out
    assert "us-east-1 lost (functions off)" in text
    for alarm in LOSS.stop_alarms:
        assert alarm in text
    assert text.splitlines()[-1] == "nothing done; add --yes to act"
    assert account.statuses(PEER) == []
    assert prepared(plan, yes=True, act=act, access=account.access, topology=READY) is account.access


def test_an_evacuation_needs_no_experiment(account: DrillAccount, capsys: pytest.CaptureFixture[str]) -> None:
    act = Act(as_json=False)
    plan = plan_on_aws(evacuation_plan("real", HERE))
    prepared(plan, yes=False, act=act, access=account.access, topology=READY)
    said = capsys.readouterr().out
    assert "FIS" not in said.partition("undo: ")[0]
    assert f"`relevo evacuate {HERE}`" in said


def test_there_is_no_short_clock_on_aws() -> None:
    plan = plan_on_aws(region_loss_plan("quick", HERE, "freeze"))
    with pytest.raises(TargetError, match="leave out --quick"):
        prepared(plan, yes=True, act=Act(as_json=False), topology=READY)


def test_an_experiment_alone_is_ended_when_it_is_interrupted(
    account: DrillAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(account.access.experiments, "check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(
            EXPERIMENT["lambda-delays"], HERE, yes=True, act=Act(as_json=False), access=account.access, topology=READY
        )
    assert account.statuses(HERE) == ["stopped"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("region-loss", "--target", "aws", "--yes"),
        ("growth", "--target", "aws", "--yes"),
        ("evacuation", "--target", "aws", "--yes"),
        ("experiment", "replication-pause", "--yes"),
    ],
)
def test_the_command_refuses_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))  # where no lab runs
    done = CliRunner().invoke(drill, list(arguments))
    assert done.exit_code == 2
    assert done.stderr.strip().splitlines() == [
        "relevo: no domain is configured: set `domain` and `hosted_zone_id` in shared/topology.py"
    ]


def test_the_status_tells_health_drain_lag_pending_work_and_dead_letters(account: DrillAccount) -> None:
    for region in TOPOLOGY.region_names:
        account.regions.make_queues(region)
    account.access.client("sqs", HERE).send_message(
        QueueUrl=account.access.client("sqs", HERE).get_queue_url(QueueName="relevo-created-dlq.fifo")["QueueUrl"],
        MessageBody="{}", MessageGroupId="1", MessageDeduplicationId="1",
    )  # fmt: skip
    found = account.access.status()
    assert set(found["regions"]) == set(TOPOLOGY.region_names)
    here = found["regions"][HERE]
    assert (here["healthy"], here["drained"], here["oldest_pending_seconds"]) == (True, False, 0.0)
    assert here["dlq_depth"]["created"] == 1
    assert 0 <= here["replication_lag_seconds"] <= found["link"]["measured_lag_seconds"] < 60


def test_an_address_is_asked_for_its_region_once_and_remembered_when_it_is_lost(account: DrillAccount) -> None:
    asked: list[str] = []

    def answer(address: str) -> str | None:
        asked.append(address)
        return HERE if len(asked) == 1 else None

    account.access._asked = answer
    assert account.access.region_at("192.0.2.9") == HERE
    assert account.access.region_at("192.0.2.9") == HERE
    assert asked == ["192.0.2.9"]
    assert account.access.region_at("198.51.100.1") is None
    assert account.access.addresses() == {"192.0.2.9": HERE}


def test_clients_ask_the_zones_own_name_server_and_say_where_they_are(
    account: DrillAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = account.regions.client("route53", HERE).create_hosted_zone(Name=TOPOLOGY.domain, CallerReference="1")
    zones = get_backend("route53")[DEFAULT_ACCOUNT_ID]["aws"].zones
    zones[TOPOLOGY.hosted_zone_id] = zones.pop(made["HostedZone"]["Id"].rpartition("/")[2])
    first = made["DelegationSet"]["NameServers"][0]
    monkeypatch.setattr(socket, "gethostbyname", {first: "192.0.2.53"}.__getitem__)
    options = account.access.load_options()
    assert options["--host"] == f"https://{TOPOLOGY.api_name}"
    assert options["--relevo-dns"] == "192.0.2.53:53"
    assert [pair.split("=")[0] for pair in options["--relevo-subnets"].split(",")] == list(TOPOLOGY.region_names)
