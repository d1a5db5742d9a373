"""The API function: every route but health and control. Parses, asks the domain, writes once, answers.

Every answer carries the Region and a correlation id, every fault is a problem document, and nothing that a client sends
makes a 5xx.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypedDict

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers import legacy_routes, order_routes, reading_routes, token_routes, webhook_routes
from regions.handlers.requests import correlation_id_of, routed_path
from regions.handlers.runtime import keyring_source, logger, metrics
from shared.adapters.settings import settings
from shared.domain import problems
from shared.domain.problems import ProblemError

app = APIGatewayRestResolver(
    cors=CORSConfig(
        allow_origin="*",
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Correlation-Id"],
        expose_headers=["X-Region", "X-Correlation-Id", "Retry-After"],
        max_age=600,
    ),
    serializer=lambda document: json.dumps(document, separators=(",", ":"), ensure_ascii=False),
)
for routes in (token_routes, order_routes, reading_routes, webhook_routes, legacy_routes):
    app.include_router(routes.router)

# Bad configuration fails at start: no settings or no keyring, no API.
settings()
keyring_source().keyring()


class ProxyResponse(TypedDict):
    """What API Gateway takes as the answer of a proxy integration."""

    statusCode: int
    multiValueHeaders: dict[str, list[str]]
    body: str
    isBase64Encoded: bool


def problem_response(problem: ProblemError) -> Response[str]:
    headers: dict[str, str | list[str]] = {}
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(problem.retry_after_seconds))
        # Clients that keep one connection for ever have to look the hostname up again.
        headers["Connection"] = "close"
    return Response(
        status_code=problem.status,
        content_type="application/problem+json",
        # Escaped: a problem may quote what the client sent, and that need not be valid Unicode.
        body=json.dumps(problem.body(), separators=(",", ":")),
        headers=headers,
    )


@app.exception_handler(ProblemError)  # type: ignore[untyped-decorator]  # as Powertools has it
def answer_problem(problem: ProblemError) -> Response[str]:
    return problem_response(problem)


@app.exception_handler([ClientError, BotoCoreError])  # type: ignore[untyped-decorator]
def answer_unavailable(_: Exception) -> Response[str]:
    """An AWS service did not do its part: the client may try again, here or in the other Region."""
    logger.exception("an AWS call failed")
    metrics.add_metric(name="DependencyFailed", unit=MetricUnit.Count, value=1)
    return problem_response(
        problems.unavailable("a service behind this one did not answer; try again", "dependency", 1)
    )


@app.not_found
def answer_not_found(_: Exception) -> Response[str]:
    path, method = app.current_event.path, app.current_event.http_method
    if allowed := _methods_of(path):
        problem = problem_response(problems.method_not_allowed(f"{method} is not defined for {path[:200]}"))
        problem.headers["Allow"] = ", ".join(sorted(allowed))
        return problem
    return problem_response(problems.not_found(f"there is no {path[:200]}"))


def _methods_of(path: str) -> set[str]:
    routes = [*app._static_routes, *app._dynamic_routes]  # noqa: SLF001  # Powertools has no public way to ask
    return {route.method for route in routes if route.rule.match(path)}


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], context: LambdaContext) -> ProxyResponse:
    """Answer one request of API Gateway's REST proxy integration."""
    correlation_id = correlation_id_of(event, context.aws_request_id)
    logger.append_keys(correlation_id=correlation_id)
    routed = {**event, "path": routed_path(event["path"])}
    response: ProxyResponse = app.resolve(routed, context)  # type: ignore[assignment]
    headers = response.setdefault("multiValueHeaders", {})
    headers["X-Region"] = [settings().region]
    headers["X-Correlation-Id"] = [correlation_id]
    status = response["statusCode"]
    metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
    if status >= 500:
        metrics.add_metric(name="ServerErrors", unit=MetricUnit.Count, value=1)
    logger.info("answered", method=event.get("httpMethod"), path=event.get("path"), status=status)
    return response
