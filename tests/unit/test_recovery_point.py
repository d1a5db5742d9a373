"""What a survivor lacked at the moment of a loss is measured then, and is a promise only of strong tables."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests import gate
from loadtests.drills.growth import growth_plan
from loadtests.drills.region_loss import region_loss_plan
from loadtests.drills.tracker import RecoveryPoint, ReplicaTracker, recovery_point
from loadtests.ledger import Ack
from shared.slo import LOSS, RPO
from shared.topology import TOPOLOGY

LOST, SURVIVOR = TOPOLOGY.region_names
FAULT = time.time()
Key = tuple[str, str]


class Log:
    """The survivor's replica of the log, as far as the tracker asks it."""

    def __init__(self, *held: str) -> None:
        self.keys: set[Key] = {(f"ORDER#{order}", f"EVENT#{order}") for order in held}
        self.asked: set[Key] = set()

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803  # the client's name
        ((table, request),) = RequestItems.items()
        assert request["ConsistentRead"]
        asked = {(key["pk"]["S"], key["sk"]["S"]) for key in request["Keys"]}
        self.asked |= asked
        return {"Responses": {table: [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in asked & self.keys]}}

    def query(self, *, ExpressionAttributeValues: dict[str, Any], **_: object) -> Any:  # noqa: N803
        wanted = ExpressionAttributeValues[":pk"]["S"]
        return {"Items": [{"sk": {"S": sk}} for pk, sk in self.keys if pk == wanted]}


def tracker(log: Log, *acks: Ack) -> ReplicaTracker:
    found = ReplicaTracker(SimpleNamespace(name=SURVIVOR, client=lambda _: log), 1.0)  # type: ignore[arg-type]
    for ack in acks:
        found.hear(ack)
    return found


def ack(order: str, before_fault: float, *, named: bool = True) -> Ack:
    return Ack(f"c-{order}", order, order if named else None, LOST, 201, FAULT - before_fault)


def test_what_was_acknowledged_and_cannot_be_read_is_the_recovery_point() -> None:
    held, young, old, nameless = ack("held", 5), ack("young", 0.01), ack("old", 3), ack("nameless", 1, named=False)
    log = Log("held")
    assert recovery_point(tracker(log, held, young, old, nameless), FAULT) == RecoveryPoint(3, 3.0)


def test_a_survivor_that_has_everything_lost_nothing() -> None:
    log = Log("a", "b")
    acks = (ack("a", 2), ack("b", 0.001, named=False), ack("after", -1))
    assert recovery_point(tracker(log, *acks), FAULT) == RecoveryPoint(0, 0.0)
    assert ("ORDER#after", "EVENT#after") not in log.asked


def test_what_comes_later_does_not_count() -> None:
    log = Log()
    seen = tracker(log, ack("late", 1))
    assert recovery_point(seen, FAULT).commands == 1
    log.keys.add(("ORDER#late", "EVENT#late"))
    seen.look()
    assert recovery_point(seen, FAULT).commands == 0  # so it must be asked for right after the loss


@pytest.mark.parametrize("make", [growth_plan, region_loss_plan])
@pytest.mark.parametrize("name", [objective.name for objective in RPO])
def test_strong_tables_promise_a_recovery_point_of_nothing_and_eventual_ones_show_theirs(make: Any, name: str) -> None:
    best = {objective.name: objective.real for objective in LOSS}

    def judged(consistency: str, value: float | None) -> tuple[float | None, bool]:
        plan = make("real", LOST, "freeze", consistency)
        promises = gate.judge_promises({**best, name: value}, "real", plan.objectives, plan.unpromised)
        (promise,) = [promise for promise in promises if promise.name == name]
        return promise.objective, promise.passed

    assert judged("strong", 0.0) == (0, True)
    assert judged("strong", 1.0) == (0, False)
    assert judged("eventual", 1.0) == (None, True)
    assert judged("eventual", None) == (None, False)
