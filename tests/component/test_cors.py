"""The dashboard may be of another origin than the API: a browser must be let through, and must see what it is told."""

from __future__ import annotations

import pytest

from tests.component.region import RegionUnderTest

PAGE = {"Origin": "https://cargo.test"}


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/orders", "/v1/orders/o", "/v1/status", "/token"])
def test_a_preflight_is_answered_without_a_token(region: RegionUnderTest, path: str) -> None:
    asks = {**PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    answer = region.call("OPTIONS", path, headers=asks, sub=None)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/metrics", None, 200),
        ("GET", "/v1/orders/nobody", None, 404),
        ("GET", "/v1/orders?x", None, 200),
        ("POST", "/token", {"username": "ana", "password": "wrong-wrong"}, 401),
        ("GET", "/v1/nothing", None, 404),
    ],
)
def test_a_page_may_read_answers_and_problems_and_which_region_gave_them(
    region: RegionUnderTest, method: str, path: str, body: object, status: int
) -> None:
    answer = region.call(method, path.partition("?")[0], body, headers=PAGE)
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Region" in answer.headers["Access-Control-Expose-Headers"]
