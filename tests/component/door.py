"""The way that a request takes into a Region: through the gateway's authorizer where there is one, then the handler."""

from __future__ import annotations

from typing import Any

from tests.component.region import Answer, LambdaContext, RegionUnderTest

HEALTH_ROUTES = ("/health", "/control/")
# What the gateway itself answers when the authorizer refuses; tests/infra/test_api.py holds its form.
REFUSED = Answer(401, {"Content-Type": "application/problem+json"}, '{"status":401}')


def is_guarded(path: str) -> bool:
    """Whether the gateway asks the authorizer first; tests/infra/test_api.py holds this against the template."""
    return (path == "/v1" or path.startswith("/v1/")) and path != "/v1/order"


def authorize(region: RegionUnderTest, authorization: str | None) -> dict[str, Any]:
    """The authorizer's answer, as API Gateway hears it."""
    method = "arn:aws:execute-api:us-east-1:123456789012:abc/live/GET/v1/orders"
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": method}
    answer: dict[str, Any] = region.module("authorizer").handler(event, LambdaContext())
    return answer


def knock(
    region: RegionUnderTest, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None,
    **more: Any,
) -> Answer:  # fmt: skip
    """Send a request with nothing but what its headers say about who sends it."""
    if path.startswith(HEALTH_ROUTES):
        return region.call(method, path, body, headers=headers, sub=None, function="health", **more)
    if not is_guarded(path):
        return region.call(method, path, body, headers=headers, sub=None, **more)
    try:
        context = authorize(region, (headers or {}).get("Authorization"))["context"]
    except Exception as error:
        if str(error) != "Unauthorized":  # the gateway takes exactly this one for a 401
            raise
        return REFUSED
    return region.call(method, path, body, headers=headers, authorizer=context, **more)
