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


def test_a_client_on_a_plan_is_counted_in_each_region_and_nobody_else_is(lab: RunningLab) -> None:
    made = lab.relevo("account", "add", CLIENT, "--plan", SMALL.name, given=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    for region in TOPOLOGY.region_names:
        assert f"{region}: on plan {SMALL.name}" in made.stdout
    here, peer = TOPOLOGY.region_names

    def logged_in(region: str) -> dict[str, str]:
        status, answer = call(lab, region, "/token", {"username": CLIENT, "password": PASSWORD})
        return {"Authorization": f"Bearer {answer['access_token']}"} if status == 200 else {}

    def throttled(region: str) -> bool:
        """Whether a burst larger than the plan's is stopped; a new token, since the gateway remembers the old one."""
        token = eventually(lambda: logged_in(region), within=30, what=f"a token from {region}")
        answers = {call(lab, region, "/v1/orders/nothing", **token)[0] for _ in range(3 * SMALL.burst)}
        assert answers <= {404, 429}
        return 429 in answers

    for region in (here, peer):  # its key is named when AWS would know it: minutes later, on the lab's clock
        eventually(lambda region=region: throttled(region), within=60, what=f"a count in {region}")
    own = {lab.api("/v1/orders/nothing", region=here).status for _ in range(3 * SMALL.burst)}
    assert own == {404}, "an account without a plan is under the stage's throttles alone"
    token = logged_in(here)
    status, said = call(lab, here, "/pedidos", **token)
    assert (status, "usage plan" in said) == (403, True)
    for key in (key_of(CLIENT, SMALL.name), EVERYONES_KEY):
        assert call(lab, here, "/v1/orders/nothing", **{"x-api-key": key})[0] == 401
        assert call(lab, here, "/v1/orders/nothing", **{"x-api-key": key, "Authorization": f"Bearer {key}"})[0] == 401
    values = [
        {found["value"] for found in client(lab.layout.seats[region], "apigateway").get_api_keys()["items"]}
        for region in (here, peer)
    ]
    assert values[0] == values[1] >= {EVERYONES_KEY, key_of(CLIENT, SMALL.name)}
