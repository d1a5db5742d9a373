"""The health function: this Region's own verdict for Route 53, and what its replica says of the drain register.

The verdict depends on this Region alone (I6): on its replica of the log and its keyring. Not on the peer, replication,
the drain register, or how busy the other functions are; it has its own concurrency.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from regions.handlers.gate import Cached
from regions.handlers.runtime import brief_control, brief_order_log, keyring_source, logger, now
from shared.adapters.settings import settings
from shared.domain.auth import KeyringError
from shared.domain.problems import ProblemError, not_found
from shared.domain.takeover import Register
from shared.topology import TOPOLOGY

VERDICT_SECONDS = 5.0
REGISTER_SECONDS = 2.0


def fault_here() -> str | None:
    """What keeps this Region from serving, if anything."""
    try:
        brief_order_log().reachable(settings().region)
        keyring_source().keyring()
    except (ClientError, BotoCoreError, KeyringError) as error:
        logger.exception("this Region cannot serve")
        return type(error).__name__
    return None


verdict: Cached[str | None] = Cached(fault_here, timedelta(seconds=VERDICT_SECONDS * settings().time_scale))
register: Cached[Register] = Cached(
    lambda: brief_control().register(), timedelta(seconds=REGISTER_SECONDS * settings().time_scale)
)


def answer(status: int, document: dict[str, object], content_type: str = "application/json") -> dict[str, Any]:
    # Compact: Route 53 searches the text for "serving":true and "drained":true.
    return {
        "statusCode": status,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store", "X-Region": settings().region},
        "body": json.dumps(document, separators=(",", ":")),
        "isBase64Encoded": False,
    }


def problem(found: ProblemError) -> dict[str, Any]:
    return answer(found.status, found.body(), "application/problem+json")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer `GET /health` and `GET /control/drained/{region}`."""
    path = str(event.get("path") or "").rstrip("/")
    response = _route(path)
    response["headers"]["X-Correlation-Id"] = context.aws_request_id
    logger.info("answered", path=path, status=response["statusCode"])
    return response


def _route(path: str) -> dict[str, Any]:
    if path == "/health":
        fault = verdict.get(now())
        document: dict[str, object] = {"serving": fault is None, "region": settings().region}
        return answer(200, document) if fault is None else answer(503, {**document, "fault": fault})
    prefix, _, region = path.rpartition("/")
    if prefix == "/control/drained" and region in TOPOLOGY.region_names:
        try:
            drained = register.get(now()).drains(region)
        except (ClientError, BotoCoreError) as error:
            # Unknown is not drained: the inverted health check must not empty a Region because this one is ill.
            logger.exception("the register cannot be read")
            return answer(503, {"region": region, "fault": type(error).__name__})
        return answer(200, {"region": region, "drained": drained})
    return problem(not_found(f"there is no {path[:200]}"))
