"""The answers that the gateway makes without asking a handler, in the same shape as the handlers' own problems."""

from __future__ import annotations

import json

from aws_cdk import aws_apigateway as apigateway

_TYPES = apigateway.ResponseType
AT_ONCE, LATER = 1, 900  # seconds; a quota is given anew with the day, at midnight UTC

# Kind of answer, status, title, slug of the problem's type, when it is worth trying again.
PROBLEMS = (
    (_TYPES.UNAUTHORIZED, 401, "Unauthorized", "unauthorized", None),
    (_TYPES.ACCESS_DENIED, 403, "Forbidden", "forbidden", None),
    (_TYPES.WAF_FILTERED, 403, "Forbidden", "forbidden", None),
    # What AWS calls a missing token is a path or a method that no route knows.
    (_TYPES.MISSING_AUTHENTICATION_TOKEN, 404, "Not Found", "not-found", None),
    (_TYPES.REQUEST_TOO_LARGE, 413, "Content Too Large", "too-large", None),
    (_TYPES.UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported Media Type", "unsupported-media-type", None),
    (_TYPES.THROTTLED, 429, "Too Many Requests", "throttled", AT_ONCE),
    (_TYPES.QUOTA_EXCEEDED, 429, "Too Many Requests", "quota-exceeded", LATER),
    # The authorizer names the key, so it is never the client's fault that nobody knows it here.
    (_TYPES.INVALID_API_KEY, 503, "Service Unavailable", "unavailable", AT_ONCE),
    # A function without room or time: the command may or may not be in the log, and repeating it is safe.
    (_TYPES.INTEGRATION_FAILURE, 503, "Service Unavailable", "unavailable", AT_ONCE),
    (_TYPES.INTEGRATION_TIMEOUT, 504, "Gateway Timeout", "timeout", AT_ONCE),
    (_TYPES.AUTHORIZER_FAILURE, 503, "Service Unavailable", "unavailable", AT_ONCE),
    (_TYPES.AUTHORIZER_CONFIGURATION_ERROR, 503, "Service Unavailable", "unavailable", AT_ONCE),
    (_TYPES.DEFAULT_5_XX, 503, "Service Unavailable", "unavailable", AT_ONCE),
)


def add_gateway_responses(api: apigateway.RestApi, *, region: str) -> None:
    """Render each of ``PROBLEMS`` as problem+json with the headers that handlers send."""
    for kind, status, title, slug, again in PROBLEMS:
        headers = {
            "Content-Type": "'application/problem+json'",
            "X-Region": f"'{region}'",
            "X-Correlation-Id": "context.requestId",
            # As the handlers say it: a page of another origin may read why it was refused.
            "Access-Control-Allow-Origin": "'*'",
            "Access-Control-Expose-Headers": "'X-Region,X-Correlation-Id,Retry-After'",
        }
        if again is not None:
            headers["Retry-After"] = f"'{again}'"
        if status == 401:
            headers["WWW-Authenticate"] = "'Bearer'"
        problem = {"type": f"urn:relevo:problem:{slug}", "title": title, "status": status, "detail": title}
        api.add_gateway_response(
            _construct_id(kind.response_type),
            type=kind,
            status_code=str(status),
            response_headers=headers,
            templates={"application/json": json.dumps(problem, separators=(",", ":"))},
        )


def _construct_id(response_type: str) -> str:
    return "".join(word.capitalize() for word in response_type.split("_"))
