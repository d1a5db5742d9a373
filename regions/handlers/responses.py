"""JSON answers, compact and UTF-8."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response


def json_response(document: Mapping[str, object], *, status: int = 200) -> Response[str]:
    return Response(
        status_code=status,
        content_type="application/json",
        body=json.dumps(document, separators=(",", ":"), ensure_ascii=False),
    )
