"""The key that the authorizer names: an account's own where it has one, everyone's else, and never a way in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from shared.adapters import clients
from shared.adapters.accounts import Accounts
from shared.domain.plans import EVERYONES_KEY, KEY_KNOWN_AFTER, NO_PLAN, PlanInRegion, key_of
from shared.topology import TOPOLOGY
from tests.component.aws import PEER, REGION
from tests.component.door import REFUSED, authorize, knock
from tests.component.problems import problem
from tests.component.region import RegionUnderTest

NOW = datetime.now(UTC).replace(microsecond=0)  # tokens end by the machine's clock
OLD_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/registrar_pedido_entregado", {"pedido_id": "1", "repartidor": "Luis", "productos": []}),
    ("POST", "/v1/order", {"order_id": "o", "status": "created"}),
    ("GET", "/pedidos", None),
    ("GET", "/metrics", None),
)


def put_on(plan: str, *, region: str = REGION, starts_at: datetime = NOW, before: str = NO_PLAN) -> None:
    accounts = Accounts(clients.dynamodb(), TOPOLOGY.accounts_table)
    accounts.set_plan("ana", region, PlanInRegion(plan, starts_at, before), by="a test", now=NOW)


def named(region: RegionUnderTest, headers: dict[str, str]) -> str:
    return str(authorize(region, headers["Authorization"])["usageIdentifierKey"])


@pytest.fixture
def client(region: RegionUnderTest) -> dict[str, str]:
    """A client system that has logged in."""
    region.at = NOW
    region.account("ana", "client")
    return region.log_in()


def test_whoever_is_on_no_plan_is_counted_under_everyones_key(region: RegionUnderTest, client: dict[str, str]) -> None:
    assert named(region, client) == EVERYONES_KEY


def test_an_account_on_a_plan_is_counted_under_its_own_key(region: RegionUnderTest, client: dict[str, str]) -> None:
    put_on("small")
    assert named(region, client) == key_of("ana", "small")


@pytest.mark.parametrize("plan", ["small", "a plan that was taken out"])
def test_a_region_names_no_key_that_it_may_not_have(region: RegionUnderTest, client: dict[str, str], plan: str) -> None:
    """The gateway refuses whoever is counted under a key that it does not know."""
    put_on(plan, region=PEER if plan == "small" else REGION)
    assert named(region, client) == EVERYONES_KEY


def test_a_new_key_is_named_when_the_gateway_knows_it(region: RegionUnderTest, client: dict[str, str]) -> None:
    put_on("large", starts_at=NOW + KEY_KNOWN_AFTER, before="small")
    region.at = NOW + KEY_KNOWN_AFTER - timedelta(seconds=1)
    assert named(region, client) == key_of("ana", "small")
    region.at = NOW + KEY_KNOWN_AFTER
    assert named(region, client) == key_of("ana", "large")


def test_a_plan_is_seen_within_a_minute_and_goes_on_while_accounts_cannot_be_read(
    region: RegionUnderTest, client: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named(region, client) == EVERYONES_KEY
    put_on("small")
    region.at = NOW + timedelta(seconds=60)
    assert named(region, client) == key_of("ana", "small")

    def fail(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(Accounts, "account", fail)
    region.at = NOW + timedelta(seconds=120)
    assert named(region, client) == key_of("ana", "small")


@pytest.mark.parametrize("name", ["x-api-key", "X-API-Key", "Authorization"])
@pytest.mark.parametrize("plan", ["small", NO_PLAN])
def test_nobody_gets_in_with_a_key_alone(region: RegionUnderTest, client: dict[str, str], name: str, plan: str) -> None:
    put_on("small")
    key = key_of("ana", plan) if plan else EVERYONES_KEY
    for sent in (key, f"Bearer {key}"):
        for method, path in (("GET", "/v1/orders"), ("POST", "/v1/orders"), ("GET", "/v1/metrics")):
            assert knock(region, method, path, {}, headers={name: sent}) == REFUSED
        for method, path, body in OLD_ROUTES:
            problem(knock(region, method, path, body, headers={name: sent}), 403, "forbidden")


def test_a_key_that_is_sent_changes_nothing_for_who_has_a_token(
    region: RegionUnderTest, client: dict[str, str]
) -> None:
    stolen = {**client, "x-api-key": key_of("eva", "large")}
    assert named(region, stolen) == EVERYONES_KEY
    assert knock(region, "POST", "/v1/orders", {"order_id": "o"}, headers=stolen).status == 201


@pytest.mark.parametrize(("method", "path", "body"), OLD_ROUTES)
@pytest.mark.parametrize("counted_in", [REGION, PEER])
def test_who_is_on_a_plan_does_not_get_round_it_by_the_old_routes(
    region: RegionUnderTest, client: dict[str, str], counted_in: str, method: str, path: str, body: Any
) -> None:
    put_on("small", region=counted_in)
    document = problem(knock(region, method, path, body, headers=client), 403, "forbidden")
    assert "usage plan" in document["detail"]
    assert region.log_items() == []


@pytest.mark.parametrize(("method", "path", "body"), OLD_ROUTES)
def test_the_old_clients_go_on_when_they_are_taken_off_a_plan(
    region: RegionUnderTest, client: dict[str, str], method: str, path: str, body: Any
) -> None:
    put_on(NO_PLAN, before="small")
    assert knock(region, method, path, body, headers=client).status in (200, 201, 422)
    assert named(region, client) == EVERYONES_KEY
