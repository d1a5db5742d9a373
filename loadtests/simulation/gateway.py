"""What API Gateway does with a request: the authorizer first, then the api function, in its REST proxy form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Final

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from jwt import api_jwt

from loadtests.simulation.shore import UNAVAILABLE
from loadtests.simulation.world import START
from shared.topology import TOPOLOGY

METHOD_ARN: Final = "arn:aws:execute-api:us-east-1:123456789012:api/live/POST/v1/orders"

Call = Callable[[str, dict[str, Any]], Any]


class JwtClock(datetime):
    """In place of the class that PyJWT asks for the time: that of the Region which is asked."""

    moment: ClassVar[datetime] = START

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        del tz
        return cls.moment


@contextmanager
def telling_jwt(moment: datetime) -> Iterator[None]:
    """Let PyJWT take a moment for the present; calls may be inside each other."""
    clock, before = vars(api_jwt)["datetime"], JwtClock.moment
    vars(api_jwt)["datetime"], JwtClock.moment = JwtClock, moment
    try:
        yield
    finally:
        vars(api_jwt)["datetime"], JwtClock.moment = clock, before


@contextmanager
def own_event() -> Iterator[None]:
    """Powertools keeps the event of a process in a class; the functions of a simulation share one process."""
    kept = {name: vars(BaseRouter)[name] for name in ("current_event", "lambda_context") if name in vars(BaseRouter)}
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(BaseRouter, name, value)


def answered(
    call: Call, now: datetime, method: str, path: str, token: str | None, body: str | None = None,
    *, headers: dict[str, str] | None = None, query: dict[str, str] | None = None,
) -> Any:  # fmt: skip
    """Answer one request; without a token it is one that needs none."""
    authorizer = None
    if token is not None:
        try:
            with telling_jwt(now):
                policy = call("authorizer", {"authorizationToken": f"Bearer {token}", "methodArn": METHOD_ARN})
        except UNAVAILABLE:
            return {"statusCode": 503, "body": '{"type":"dependency"}'}  # the gateway itself says 500
        except Exception as error:
            if str(error) != "Unauthorized":
                raise
            return {"statusCode": 401, "body": "{}"}
        authorizer = policy["context"]
    sent = {"Host": TOPOLOGY.api_name, "Content-Type": "application/json", **(headers or {})}
    event = {
        "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query, "multiValueQueryStringParameters": None,
        "pathParameters": None, "stageVariables": None,
        "requestContext": {
            "path": path, "stage": "live", "requestId": "r", "httpMethod": method, "apiId": "api",
            "identity": {"sourceIp": "203.0.113.9"}, **({"authorizer": authorizer} if authorizer else {}),
        },
        "body": body, "isBase64Encoded": False,
    }  # fmt: skip
    return call("api", event)
