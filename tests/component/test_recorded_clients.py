"""The clients of the two old systems, unchanged: their requests and what they were answered, replayed one by one.

In a recorded answer `<text>` stands for any text, `<any>` for anything, and a member named `...` for further members.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.component.region import RegionUnderTest

# What a release wrote (`log-1.0.0.json`) lies beside them and has no underscore in its name.
RECORDED = sorted((Path(__file__).parent / "recorded").glob("*_*.json"))


def fits(expected: Any, found: Any) -> bool:
    if expected in ("<any>", "<text>"):
        return expected == "<any>" or (isinstance(found, str) and found != "")
    if isinstance(expected, dict):
        open_ended = "..." in expected
        names = set(expected) - {"..."}
        return (
            isinstance(found, dict)
            and (names <= set(found) if open_ended else names == set(found))
            and all(fits(expected[name], found[name]) for name in names)
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(fits, expected, found))
    return type(expected) is type(found) and bool(expected == found)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_an_old_client_gets_what_it_used_to_get(region: RegionUnderTest, path: Path) -> None:
    recorded = json.loads(path.read_text())
    region.account("monitor", recorded["role"])
    start = datetime.fromisoformat(recorded["now"])
    bearer: dict[str, str] = {}
    for number, exchange in enumerate(recorded["exchanges"]):
        # Tokens are checked by the machine's own clock, so logging in keeps that one.
        request = exchange["request"]
        region.at = None if request["path"] == "/token" else start + timedelta(seconds=number)
        answer = region.call(
            request["method"], request["path"], request.get("body"), query=request.get("query"), sub=None,
            headers={**request["headers"], **(bearer if request.get("token") else {})},
        )  # fmt: skip
        assert answer.status == exchange["response"]["status"], (number, answer.text)
        assert fits(exchange["response"]["body"], answer.json), (number, answer.text)
        if request["path"] == "/token" and answer.status == 200:
            bearer = {"Authorization": f"Bearer {answer.json['access_token']}"}
        region.relay_everything()


def test_a_page_of_deliveries_has_one_line_for_each_unit(region: RegionUnderTest) -> None:
    region.account()
    body = {"order_id": "o", "status": "delivered", "items": [{"product": "p", "price": 2, "quantity": 3}]}
    region.call("POST", "/v1/orders", body)
    region.call("POST", "/v1/orders", {"order_id": "not delivered"})
    region.relay_everything()
    (order,) = region.call("GET", "/pedidos", headers=region.log_in(), sub=None).json["pedidos"]
    assert order["productos"] == [{"producto": "p", "precio": 2.0}] * 3


def test_registering_a_delivery_costs_one_query_and_one_put(region: RegionUnderTest) -> None:
    region.account()
    bearer = region.log_in()
    lines = [{"producto": "p", "precio": 1}]
    for number in range(2):
        region.counted()
        body = {"pedido_id": number, "repartidor": "Ana", "productos": lines}
        assert region.call("POST", "/registrar_pedido_entregado", body, headers=bearer, sub=None).status == 200
    assert region.counted() == {"Query": 1, "PutItem": 1}  # the account and the guard are remembered
