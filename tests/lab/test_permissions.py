"""Each function's policy is exactly what it asks AWS for: held against what IAM was asked while the lab's tests ran.

It is the last of a session, so that the record has everything in it. What only trouble brings about is left to
tests/component/test_permissions.py, which takes each permission away in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from uuid import uuid4

import pytest

from loadtests.lab.deploy import client
from loadtests.lab.emulator.call_record import Call, read_calls
from loadtests.lab.polling.invocation import Verdict, invoke
from runbooks.target import Target, current_target
from shared.adapters.items import event_to_plain
from shared.topology import TOPOLOGY, function_name, live_function
from tests.component.region import queue_record
from tests.lab.policies import Permission, permissions
from tests.lab.running_lab import RunningLab, eventually
from tests.permissions import CALLED

pytestmark = pytest.mark.lab

# What a function may do and does not do here, by function, action and resource.
NOT_HERE = {
    ("*", "xray:*", "*"): "the lab has no X-Ray",
    ("*", "logs:*", "*"): "the emulator writes a function's log itself",
    ("relay", "*", "*/stream/*"): "the lab's poller plays Lambda's with a key of its own",
    ("relay", "sqs:*", "*"): "the lab's poller plays Lambda's with a key of its own",
    ("processor_*", "sqs:*", "*"): "the lab's poller plays Lambda's with a key of its own",
    **{
        ("webhook", f"sqs:{action}", "*"): "the lab's poller plays Lambda's with a key of its own"
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl")
    },
    ("importer", "sqs:*", "*"): "the emulator plays Lambda's failure destination without asking IAM",
    ("importer", "lambda:InvokeFunction", "*"): "a file that takes longer than an invocation",
    ("importer", "s3:GetObject", "*/results/*"): "a file that takes longer than an invocation",
    ("relay", "dynamodb:GetItem", "*/relevo-order-view"): "two relays that project one order at the same moment",
    ("sentinel", "dynamodb:Query", "*/relevo-order-log"): "work that waits for long",
    ("sentinel", "dynamodb:Batch*Item", "*/relevo-order-view"): "work that waits for long",
    ("sentinel", "dynamodb:UpdateItem", "*"): "an event whose publication failed",
    ("sentinel", "sns:Publish", "*"): "an event whose publication failed",
    ("sentinel", "events:PutEvents", "*"): "an effect whose announcement failed",
    ("sentinel", "dynamodb:Query", "*/relevo-accounts"): "an effect whose announcement failed",
    ("sentinel", "dynamodb:PutItem", "*/relevo-control"): "a peer that is lost",
}


def deliver(functions: Any, function: str, message: dict[str, Any]) -> None:
    """Invoke a function until it has done its work, as its queue does: on a busy machine a call may take too long."""
    reasons: list[str] = []

    def is_done() -> bool:
        answer = invoke(functions, function, message)
        reasons.append(str(answer.reason))
        return answer.verdict is Verdict.SUCCEEDED

    try:
        eventually(is_done, within=30, what=f"a message handled by {function}")
    except AssertionError:
        pytest.fail(f"{function} failed {len(reasons)} times: {reasons[-1]}")


def work_as_on_any_day(lab: RunningLab, target: Target, region: str) -> None:
    """Everything that the functions of a Region do while all is well, a message that comes twice or late included."""
    finished, cancelled = f"DAY-{uuid4().hex[:8]}", f"DAY-{uuid4().hex[:8]}"
    assert lab.order(cancelled, region=region).status == 201
    assert lab.order(finished, region=region).status == 201
    reports = [(finished, status) for status in ("assigned", "in_transit", "failed", "delivered")]
    for order_id, status in [*reports, (cancelled, "cancelled")]:
        attempt = {"attempt": 1} if status == "failed" else {}
        body = {"status": status, "courier": "Ana", **attempt}
        told = lab.api(f"/v1/orders/{order_id}/events", body, region=region, within=20.0)
        assert told.status == 201, told
    for path in ("/v1/orders", "/v1/metrics", "/v1/status", f"/v1/orders/{finished}"):
        assert lab.api(path, region=region, within=20.0).status == 200
    for order_id, count in ((finished, 5), (cancelled, 2)):
        eventually(
            lambda order_id=order_id, count=count: len(lab.effects(order_id, region)) == count,
            within=30, what=f"the effects of {order_id}",
        )  # fmt: skip
    functions = client(lab.layout.seats[region], "lambda")
    log = target.order_log(region)
    for event in (*log.order(finished).events, *log.order(cancelled).events):
        for age_seconds in (0, 1000):
            message = {"Records": [queue_record(event_to_plain(event), age_seconds=age_seconds)]}
            deliver(functions, live_function(f"processor_{event.status}"), message)


@dataclass(frozen=True)
class Record:
    """What the functions of a Region asked for while the session ran, and what their policies allow."""

    calls: set[Call]
    calls_of_peer: set[Call]  # as if this Region had made them: the Regions' templates are alike
    allowed: set[Permission]


@pytest.fixture(scope="module", params=TOPOLOGY.region_names)
def record(request: pytest.FixtureRequest, lab: RunningLab) -> Record:
    lab.heal()  # whatever another suite's last test left behind
    region: str = request.param
    work_as_on_any_day(lab, current_target(lab.layout.folder), region)
    (peer,) = set(TOPOLOGY.region_names) - {region}
    alike = {call._replace(resource=with_exchanged_regions(call.resource)) for call in read_calls(lab.layout, peer)}
    return Record(read_calls(lab.layout, region), alike, permissions(lab, region))


def with_exchanged_regions(resource: str) -> str:
    one, other = TOPOLOGY.region_names
    return other.join(part.replace(other, one) for part in resource.split(one))


def test_functions_ask_for_what_their_policies_allow_and_for_nothing_else(record: Record) -> None:
    assert {call.function for call in record.calls} == {function_name(part) for part in CALLED}
    assert [call for call in record.calls if call.allowed is False] == []
    # Also on the way to the peer, where the lab asks no IAM.
    strange = [call for call in record.calls if not any(permission.allows(call) for permission in record.allowed)]
    assert strange == []


def test_every_permission_is_used_or_there_is_a_reason_that_it_is_not_used_here(record: Record) -> None:
    calls = record.calls | record.calls_of_peer
    unused = [one for one in record.allowed if not any(one.allows(call) for call in calls)]
    unexplained = [one for one in unused if not any(all(map(fnmatchcase, one, row)) for row in NOT_HERE)]
    assert not unexplained, "\n".join(map(str, unexplained))
