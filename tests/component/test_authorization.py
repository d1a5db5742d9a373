"""Who may do what, as one table: every route, every role, the own order and somebody else's.

Requests come with a token and go through the authorizer, as they do behind API Gateway. A route without a row fails.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.tokens import issue
from shared.domain.auth import ROLES, Account
from shared.domain.orders import Item, own_part
from tests.component.door import is_guarded, knock
from tests.component.problems import problem
from tests.component.region import RegionUnderTest
from tests.unit.orders import event

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
NOBODY, OWN, OTHERS = "nobody", "own", "others"
ROLE_NAMES = ("courier", "client", "operator", "admin")
EVENT = {"status": "in_transit", "note": "en camino"}
DELIVERY = {"repartidor": "ana", "productos": [{"producto": "Panela", "precio": 1}]}


@dataclass(frozen=True)
class Row:
    """One route: an answer for each role's own order and somebody else's, and for who shows no token."""

    method: str
    path: str
    courier: tuple[int, int]
    client: tuple[int, int]
    operator: tuple[int, int]
    admin: tuple[int, int]
    nobody: int
    body: Any = None

    def expected(self, role: str, whose: str) -> int:
        if role == NOBODY:
            return self.nobody
        own, others = getattr(self, role)
        return own if whose == OWN else others


def row(method: str, path: str, courier: Any, client: Any, operator: Any, admin: Any, nobody: int, **more: Any) -> Row:
    """A number stands for both kinds of orders, and for routes that are about none."""
    pairs = [(both, both) if isinstance(both, int) else both for both in (courier, client, operator, admin)]
    return Row(method, path, *pairs, nobody, **more)


# A courier may report on any parcel that it holds (and is told nothing about it, see below), but reads its own only.
# `client` is a system of Cargo Express, not of a customer: it sees every order.
TABLE = (
    row("POST", "/v1/orders", 201, 201, 403, 201, 401, body={"order_id": "{order}", **EVENT}),
    row("POST", "/v1/orders/{order_id}/events", 201, 201, 403, 201, 401, body=EVENT),
    row("GET", "/v1/orders/{order_id}", (200, 404), 200, 200, 200, 401),
    row("GET", "/v1/orders", 403, 403, 200, 200, 401),
    row("GET", "/v1/metrics", 403, 403, 200, 200, 401),
    row("GET", "/v1/status", 403, 403, 200, 200, 401),
    row("PUT", "/v1/webhook", 403, 200, 403, 403, 401, body={"url": "https://recibe.example.com/"}),
    row("GET", "/v1/webhook", 403, 404, 403, 403, 401),  # 404: it has none
    row("DELETE", "/v1/webhook", 403, 200, 403, 403, 401),
    row("POST", "/v1/webhook/secret", 403, 201, 403, 403, 401),
    row("POST", "/v1/order", 201, 201, 403, 201, 403, body={"order_id": "{order}", **EVENT}),
    row("POST", "/registrar_pedido_entregado", 200, 200, 403, 200, 403, body={"pedido_id": "{order}", **DELIVERY}),
    row("GET", "/pedidos", 403, 200, 200, 200, 403),
    row("GET", "/metrics", 403, 200, 200, 200, 403),
    row("POST", "/token", 422, 422, 422, 422, 422, body={}),  # open to everybody: the body is what is wrong
    row("GET", "/openapi.json", 200, 200, 200, 200, 200),
    row("GET", "/health", 200, 200, 200, 200, 200),
    row("GET", "/control/drained/{region}", 200, 200, 200, 200, 200),
)


@pytest.fixture
def tokens(region: RegionUnderTest) -> dict[str, dict[str, str]]:
    """The header of each role; of two couriers, `courier` is ana and `other` is luis."""
    keyring = region.module("runtime").keyring_source().keyring()
    found: dict[str, dict[str, str]] = {NOBODY: {}}
    for role, name in (*((role, role) for role in ROLE_NAMES[1:]), ("courier", "ana"), ("courier", "luis")):
        region.account(name, role)
        # As `POST /token` does, without five times its costly hash.
        found[name] = {"Authorization": f"Bearer {issue(keyring, Account(name, role, ''), now=region.clock())}"}
    return {**found, "courier": found["ana"], "other": found["luis"]}


SECRET = {"items": [{"product": "Esmeralda", "price": 900}], "city": "Muzo", "note": "timbre roto"}


def make_orders(region: RegionUnderTest, tokens: dict[str, dict[str, str]]) -> None:
    """`own-<role>` was reported by that role, or assigned to it; `others-<role>` by a client, for another courier."""
    for role in (*ROLE_NAMES, NOBODY):
        given = {"order_id": f"others-{role}", "courier": "luis", **SECRET}
        assert knock(region, "POST", "/v1/orders", given, headers=tokens["client"]).status == 201
    for role, reporter in (("courier", "client"), ("client", "client"), ("operator", "client"), ("admin", "admin")):
        own = {"order_id": f"own-{role}", "courier": "ana", **SECRET}
        assert knock(region, "POST", "/v1/orders", own, headers=tokens[reporter]).status == 201


def test_every_route_has_a_row(region: RegionUnderTest) -> None:
    """The contract's paths are the routes: tests/component/test_openapi.py."""
    contract = region.call("GET", "/openapi.json", sub=None).json
    routes = {(method.upper(), path) for path, methods in contract["paths"].items() for method in methods}
    assert {(known.method, known.path) for known in TABLE} == routes
    assert set(ROLES) == set(ROLE_NAMES)


@pytest.mark.parametrize("known", TABLE, ids=lambda known: f"{known.method} {known.path}")
def test_each_role_gets_the_answer_of_the_table(
    region: RegionUnderTest, tokens: dict[str, dict[str, str]], known: Row
) -> None:
    make_orders(region, tokens)
    for role, whose in [*itertools.product(ROLE_NAMES, (OWN, OTHERS)), (NOBODY, OTHERS)]:
        order = f"{whose}-{role}"
        path = known.path.replace("{order_id}", order).replace("{region}", "us-east-1")
        body = json.loads(json.dumps(known.body).replace("{order}", order))
        answer = knock(region, known.method, path, body, headers=tokens[role])
        assert answer.status == known.expected(role, whose), (role, whose, answer.text)


def told(answers: tuple[int, int]) -> str:
    own, others = answers
    return str(own) if own == others else f"{own}, others' {others}"


def test_the_table_in_security_md_is_this_one() -> None:
    rows = [
        f"| `{known.method} {known.path}` | {' | '.join(told(getattr(known, role)) for role in ROLE_NAMES)} | "
        f"{known.nobody} |"
        for known in TABLE
    ]
    expected = [f"| route | {' | '.join(ROLE_NAMES)} | nobody |", f"|{'---|' * (len(ROLE_NAMES) + 2)}", *rows]
    section = SECURITY.read_text().partition("\n## Who may do what\n")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == expected


SECRETS = ("Esmeralda", "Muzo", "timbre roto", "900", "luis")


def test_a_courier_sees_all_of_an_order_that_was_given_to_it(
    region: RegionUnderTest, tokens: dict[str, dict[str, str]]
) -> None:
    body = {"order_id": "o", "status": "assigned", "courier": "ana", "items": [{"product": "Esmeralda", "price": 900}]}
    knock(region, "POST", "/v1/orders", body, headers=tokens["client"])
    answer = knock(region, "GET", "/v1/orders/o", headers=tokens["courier"])
    assert (answer.status, answer.json["items"][0]["product"]) == (200, "Esmeralda")
    problem(knock(region, "GET", "/v1/orders/o", headers=tokens["other"]), 404, "not-found")


def test_reporting_on_an_order_tells_a_courier_nothing_that_others_reported(
    region: RegionUnderTest, tokens: dict[str, dict[str, str]]
) -> None:
    make_orders(region, tokens)
    said = knock(region, "POST", "/v1/orders/others-courier/events", EVENT, headers=tokens["courier"])
    assert said.status == 201
    assert said.json["status"] == "in_transit"
    done = knock(region, "POST", "/v1/orders/others-courier/events", {"status": "delivered"}, headers=tokens["courier"])
    assert done.status == 201
    again = knock(
        region, "POST", "/v1/orders/others-courier/events", {"status": "delivered"}, headers=tokens["courier"]
    )
    assert again.status == 200
    assert region.process(region.log_items("event")) == []  # the effects: a receipt has the total
    read = knock(region, "GET", "/v1/orders/others-courier", headers=tokens["courier"])
    assert [event["status"] for event in read.json["events"]] == ["in_transit", "delivered"]
    for answer in (said, done, again, read):
        for secret in SECRETS:
            assert secret not in answer.text
    # Whoever may read orders sees all of it, what the courier reported included.
    everything = knock(region, "GET", "/v1/orders/others-courier", headers=tokens["operator"])
    assert len(everything.json["events"]) == 3
    assert "900" in everything.text


def test_a_courier_makes_no_order_its_own_by_naming_itself_or_by_being_first(
    region: RegionUnderTest, tokens: dict[str, dict[str, str]]
) -> None:
    make_orders(region, tokens)
    naming = {**EVENT, "courier": "ana"}
    assert knock(region, "POST", "/v1/orders/others-courier/events", naming, headers=tokens["courier"]).status == 201
    first = {"order_id": "next", "courier": "ana"}
    assert knock(region, "POST", "/v1/orders", first, headers=tokens["courier"]).status == 201
    real = {"order_id": "next", "status": "assigned", "courier": "luis", "city": "Muzo"}
    assert knock(region, "POST", "/v1/orders", real, headers=tokens["client"]).status == 201
    for order in ("others-courier", "next"):
        text = knock(region, "GET", f"/v1/orders/{order}", headers=tokens["courier"]).text
        for secret in SECRETS:
            assert secret not in text


def test_an_event_of_somebody_else_is_not_there_for_a_courier_that_waits_for_it(
    region: RegionUnderTest, tokens: dict[str, dict[str, str]]
) -> None:
    body = {"order_id": "o", "courier": "luis"}
    event_id = knock(region, "POST", "/v1/orders", body, headers=tokens["client"]).json["event_id"]
    query = {"at_least": event_id}
    problem(knock(region, "GET", "/v1/orders/o", headers=tokens["courier"], query=query), 404)
    assert knock(region, "GET", "/v1/orders/o", headers=tokens["other"], query=query).status == 200


def test_the_gateway_asks_for_a_token_wherever_the_handler_needs_one(region: RegionUnderTest) -> None:
    for known in TABLE:
        if is_guarded(known.path):
            path = known.path.replace("{order_id}", "o")
            answer = region.call(known.method, path, known.body, sub=None)  # as if the gateway had forgotten to
            problem(answer, 401, "unauthorized")


def test_a_token_without_scopes_opens_nothing(region: RegionUnderTest) -> None:
    for known in TABLE:
        if is_guarded(known.path):
            path = known.path.replace("{order_id}", "o")
            problem(region.call(known.method, path, known.body, scope=""), 403, "forbidden")


def test_an_order_all_by_one_account_is_all_its_own() -> None:
    mine = [event("created", "e1", items=(Item("p", Decimal(1)),)), event("delivered", "e2", copied_items=True)]
    assert own_part(mine, "ana") == tuple(mine)
    assert own_part(mine, "luis") == ()
