"""Each fault does what it says, is seen where it must be, and is gone after healing."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import psutil
import pytest

from loadtests.lab.processes import ProcessBook, workers_of
from shared.slo import BY_NAME
from shared.topology import TOPOLOGY
from tests.lab.running_lab import RunningLab, eventually, runs

pytestmark = pytest.mark.lab

LOST, KEPT = TOPOLOGY.region_names
# Detection by DNS, with room for a machine that runs other tests.
DETECTED_SECONDS = 3 * BY_NAME["detection_seconds"].quick


def new_id() -> str:
    return f"FAULT-{uuid4().hex[:12]}"


def worker_ids(lab: RunningLab, region: str) -> set[int]:
    book = ProcessBook.read(lab.layout.process_file)
    assert book is not None
    (gateway,) = [started for started in book.of_region(region) if started.role == "ministack"]
    return set(workers_of(gateway, book.lab))


def leaves_dns(lab: RunningLab, region: str) -> None:
    def answers() -> bool:
        found = lab.control("/status")["dns"]["answers"].values()
        return all(region not in regions for regions in found)

    eventually(answers, within=DETECTED_SECONDS, what=f"{region} out of DNS")


def returns_with_its_order(lab: RunningLab, order_id: str) -> None:
    """What the other Region took meanwhile is in both, with one effect."""
    lab.heal()
    effects = eventually(lambda: lab.effects(order_id, LOST), within=40, what=f"{order_id} in {LOST}")
    assert len(effects) == 1
    assert lab.effects(order_id, KEPT) == effects


def test_a_frozen_region_answers_nobody_leaves_dns_and_comes_back(calm_lab: RunningLab) -> None:
    done = calm_lab.relevo("fault", "region-loss", LOST, "--mode", "freeze")
    assert done.exit_code == 0, done.stderr
    assert calm_lab.api("/health", region=LOST, within=1.0).status == 0
    assert all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in worker_ids(calm_lab, LOST))
    leaves_dns(calm_lab, LOST)
    seen = calm_lab.status()["regions"][LOST]
    assert (seen["state"], seen["healthy"], seen["dlq_depth"]) == ("frozen", False, None)
    order_id = new_id()
    assert calm_lab.order(order_id).region == KEPT
    returns_with_its_order(calm_lab, order_id)


def test_a_crashed_region_loses_its_workers_and_nothing_else(calm_lab: RunningLab) -> None:
    before = new_id()
    assert calm_lab.order(before, region=LOST).status == 201
    workers = worker_ids(calm_lab, LOST)
    assert workers
    done = calm_lab.relevo("fault", "region-loss", LOST, "--mode", "crash")
    assert done.exit_code == 0, done.stderr
    eventually(lambda: not any(runs(pid) for pid in workers), within=5, what="every worker's end")
    leaves_dns(calm_lab, LOST)
    calm_lab.heal()
    effects = eventually(lambda: calm_lab.effects(before, LOST), within=40, what="the effect of what was taken before")
    assert len(effects) == 1


def test_a_region_without_its_api_leaves_dns_but_its_pipeline_works_on(calm_lab: RunningLab) -> None:
    done = calm_lab.relevo("fault", "region-loss", LOST, "--mode", "api")
    assert done.exit_code == 0, done.stderr
    assert calm_lab.api("/health", region=LOST).status >= 429  # MiniStack passes the throttle on, AWS answers 500
    leaves_dns(calm_lab, LOST)
    seen = eventually(
        lambda: (found := calm_lab.control("/status")["regions"][LOST])["heartbeat_age_seconds"] < 15 and found,
        within=20,
        what="a heartbeat of the Region without an API",
    )
    assert seen["state"] == "api-down"
    calm_lab.heal()
    assert calm_lab.order(new_id(), region=LOST).status == 201


def test_with_every_check_red_dns_names_both_regions_and_both_serve(calm_lab: RunningLab) -> None:
    for region in (LOST, KEPT):
        done = calm_lab.relevo("fault", "region-loss", region, "--mode", "health")
        assert done.exit_code == 0, done.stderr
    eventually(
        lambda: not any(seen["healthy"] for seen in calm_lab.control("/status")["regions"].values()),
        within=20,
        what="both health checks red",
    )
    leads = calm_lab.control("/status")["dns"]["answers"]
    assert {region for regions in leads.values() for region in regions} == {LOST, KEPT}
    for region in (LOST, KEPT):
        assert calm_lab.order(new_id(), region=region).status == 201
        seen = calm_lab.control("/status")["regions"][region]
        assert (seen["state"], seen["drained"]) == ("health-down", False)


def test_a_partition_holds_orders_back_and_healing_lets_them_through(calm_lab: RunningLab) -> None:
    assert calm_lab.relevo("fault", "partition").exit_code == 0
    order_id = new_id()
    assert calm_lab.order(order_id, region=KEPT).status == 201
    time.sleep(1.5)
    assert calm_lab.api(f"/v1/orders/{order_id}", region=LOST).status == 404
    assert calm_lab.control("/status")["link"]["partitioned"] is True
    calm_lab.heal()
    eventually(lambda: calm_lab.effects(order_id, LOST), within=20, what="the order in the other Region")


def test_lag_is_seen_ends_and_is_remembered(calm_lab: RunningLab) -> None:
    assert calm_lab.relevo("fault", "lag", "1.5").exit_code == 0
    assert calm_lab.control("/status")["link"]["lag_seconds"] == 1.5
    assert calm_lab.relevo("fault", "heal", "lag").exit_code == 0
    eventually(lambda: calm_lab.control("/status")["link"]["lag_seconds"] == 0, within=5, what="no lag")
    told = [happening["what"] for happening in calm_lab.control("/faults")]
    assert told[-2:] == ["replication takes at least 1.5 s", "replication is not delayed"]


def test_a_clock_that_is_ahead_is_told_and_set_right_again(calm_lab: RunningLab) -> None:
    done = calm_lab.relevo("fault", "winner", LOST, "5", "--json")
    assert json.loads(done.stdout)["what"] == f"the clock of {LOST} is 5 s ahead for last-writer-wins"
    assert "no clock is ahead" in calm_lab.relevo("fault", "heal", "winner").stdout


def test_a_service_fault_hits_the_regions_own_functions_and_no_other(calm_lab: RunningLab) -> None:
    fault = ["fault", "service", LOST, "dynamodb", "--error", "ThrottlingException", "--rate", "1"]
    assert calm_lab.relevo(*fault).exit_code == 0
    refused = calm_lab.order(new_id(), region=LOST)
    assert refused.status >= 500
    assert calm_lab.order(new_id(), region=KEPT).status == 201
    calm_lab.heal()
    assert calm_lab.order(new_id(), region=LOST).status == 201


def test_a_slow_service_makes_requests_slow(calm_lab: RunningLab) -> None:
    assert calm_lab.relevo("fault", "service", LOST, "dynamodb", "--latency-ms", "300").exit_code == 0

    def takes_longer() -> bool:
        began = time.monotonic()
        return calm_lab.order(new_id(), region=LOST).status == 201 and time.monotonic() - began > 0.6

    eventually(takes_longer, within=20, what="an order that takes one slow query and one slow write")


def test_a_slow_function_makes_its_callers_wait_until_it_is_healed(calm_lab: RunningLab) -> None:
    def seconds() -> float:
        began = time.monotonic()
        assert calm_lab.order(new_id(), region=LOST).status == 201
        return time.monotonic() - began

    assert calm_lab.relevo("fault", "slow", LOST, "api", "--ms", "900").exit_code == 0
    assert seconds() > 0.9
    assert calm_lab.relevo("fault", "heal", "slow").exit_code == 0
    eventually(lambda: seconds() < 0.9, within=20, what="an order without the delay")


def test_a_poison_message_becomes_a_dead_letter_and_holds_up_nobody(calm_lab: RunningLab) -> None:
    assert calm_lab.relevo("fault", "poison", LOST, "--status", "created").exit_code == 0
    order_id = new_id()
    assert calm_lab.order(order_id, region=LOST).status == 201
    eventually(lambda: calm_lab.effects(order_id, LOST), within=20, what="the effect of a good message")
    eventually(
        lambda: calm_lab.control("/status")["regions"][LOST]["dlq_depth"]["created"] == 1,
        within=40,
        what="the dead letter",
    )
    done = calm_lab.relevo("fault", "heal", "poison")
    assert "was given up, and removed" in done.stdout
    assert calm_lab.control("/status")["regions"][LOST]["dlq_depth"]["created"] == 0


def test_flapping_health_is_seen_to_go_and_to_come_back_and_drains_nobody(calm_lab: RunningLab) -> None:
    def healthy() -> bool:
        return bool(calm_lab.control("/status")["regions"][LOST]["healthy"])

    assert calm_lab.relevo("fault", "flapping", LOST, "--seconds", "4").exit_code == 0
    for _ in range(2):
        eventually(lambda: not healthy(), within=30, what="an unhealthy Region")
        eventually(healthy, within=30, what="a healthy Region")
    assert calm_lab.control("/status")["regions"][LOST]["drained"] is False
    assert calm_lab.relevo("fault", "heal", "flapping").exit_code == 0
    assert calm_lab.api("/health", region=LOST).status == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["service", LOST, "lambda", "--error", "X"], "unknown service"),
        (["service", LOST, "sqs"], "either an error or a latency"),
        (["service", LOST, "sqs", "--error", "X", "--rate", "2"], "rate"),
        (["slow", LOST, "everything"], "one of the functions"),
        (["poison", LOST, "--status", "eaten"], "unknown status"),
        (["heal", "everything"], "expected 'all'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_line(lab: RunningLab, arguments: list[str], words: str) -> None:
    refused = lab.relevo("fault", *arguments)
    assert refused.exit_code == 1
    assert words in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
