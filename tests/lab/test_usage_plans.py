"""Usage plans on a running lab: who is on one is counted and stopped, everybody else is as before."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from loadtests.lab.deploy import client
from shared.domain.plans import EVERYONES_KEY, key_of
from shared.topology import TOPOLOGY
from tests.lab.running_lab import RunningLab, eventually

pytestmark = pytest.mark.lab

CLIENT, PASSWORD = "bodega", "correct horse"
SMALL = TOPOLOGY.usage_plans[0]


def call(lab: RunningLab, region: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    headers |= {"Host": TOPOLOGY.region_api_name(region), "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(lab.layout.seats[region].endpoint + path, content, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def logged_in(lab: RunningLab, region: str) -> dict[str, str]:
    """What a request of the client bears: a new token each time, since the gateway remembers an old one's key."""

    def answered() -> str | None:
        status, answer = call(lab, region, "/token", {"username": CLIENT, "password": PASSWORD})
        return answer["access_token"] if status == 200 else None

    return {"Authorization": f"Bearer {eventually(answered, within=30, what=f'a token from {region}')}"}


@pytest.fixture(scope="module")
def on_a_plan(lab: RunningLab) -> None:
    """The client is on the small plan, and both Regions count it."""
    made = lab.relevo("account", "add", CLIENT, "--plan", SMALL.name, given=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    for region in TOPOLOGY.region_names:
        assert f"{region}: on plan {SMALL.name}" in made.stdout

    def throttled(region: str) -> bool:
        """Whether a burst larger than the plan's is stopped."""
        token = logged_in(lab, region)
        answers = {call(lab, region, "/v1/orders/nothing", **token)[0] for _ in range(3 * SMALL.burst)}
        assert answers <= {404, 429}
        return 429 in answers

    for region in TOPOLOGY.region_names:  # its key is named when AWS would know it: minutes later, on the lab's clock
        eventually(lambda region=region: throttled(region), within=60, what=f"a count in {region}")


@pytest.mark.usefixtures("on_a_plan")
def test_nobody_but_a_client_on_a_plan_is_counted(lab: RunningLab) -> None:
    here, peer = TOPOLOGY.region_names
    own = {lab.api("/v1/orders/nothing", region=here).status for _ in range(3 * SMALL.burst)}
    assert own == {404}, "an account without a plan is under the stage's throttles alone"
    status, said = call(lab, here, "/pedidos", **logged_in(lab, here))
    assert (status, "usage plan" in said) == (403, True)
    for key in (key_of(CLIENT, SMALL.name), EVERYONES_KEY):
        assert call(lab, here, "/v1/orders/nothing", **{"x-api-key": key})[0] == 401
        assert call(lab, here, "/v1/orders/nothing", **{"x-api-key": key, "Authorization": f"Bearer {key}"})[0] == 401
    values = [
        {found["value"] for found in client(lab.layout.seats[region], "apigateway").get_api_keys()["items"]}
        for region in (here, peer)
    ]
    assert values[0] == values[1] >= {EVERYONES_KEY, key_of(CLIENT, SMALL.name)}


@pytest.mark.usefixtures("on_a_plan")
def test_a_day_s_quota_that_is_used_up_stops_one_client_in_one_region(lab: RunningLab) -> None:
    here, peer = TOPOLOGY.region_names
    gateway = client(lab.layout.seats[here], "apigateway")
    (plan,) = [
        found for found in gateway.get_usage_plans()["items"] if found["quota"].get("limit") == SMALL.requests_a_day
    ]

    def limit(requests_a_day: int) -> None:
        change = {"op": "replace", "path": "/quota/limit", "value": str(requests_a_day)}
        gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=[change])

    def refused() -> str | None:
        status, said = call(lab, here, "/v1/orders/nothing", **token)
        return json.loads(said)["type"] if status == 429 else None

    token = logged_in(lab, here)
    limit(1)  # fewer than it has asked for already
    try:
        eventually(lambda: refused() == "urn:relevo:problem:quota-exceeded", within=30, what="a quota that is used up")
        assert lab.api("/v1/orders/nothing", region=here).status == 404
        elsewhere = logged_in(lab, peer)
        eventually(
            lambda: call(lab, peer, "/v1/orders/nothing", **elsewhere)[0] == 404,
            within=30,
            what="an answer of the peer",
        )
    finally:
        limit(SMALL.requests_a_day)
    eventually(lambda: call(lab, here, "/v1/orders/nothing", **token)[0] == 404, within=30, what="an answer again")
