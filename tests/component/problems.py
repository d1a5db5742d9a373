"""What every error of the API has to be."""

from __future__ import annotations

from typing import Any

from tests.component.region import Answer


def problem(answer: Answer, status: int, kind: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, after checking that it is one."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Region"]
    assert answer.headers["X-Correlation-Id"]
    document: dict[str, Any] = answer.json
    assert {"type", "title", "status", "detail"} <= set(document)
    assert document["status"] == status
    assert document["type"].startswith("urn:relevo:problem:")
    if kind is not None:
        assert document["type"] == f"urn:relevo:problem:{kind}"
    for error in document.get("errors", []):
        assert set(error) == {"pointer", "detail"}
    return document
