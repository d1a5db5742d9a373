"""What can be wrong with a request, as RFC 9457 problem details. Raised by the domain, rendered by the handlers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict


class FieldFault(TypedDict):
    """One bad field: an RFC 6901 JSON Pointer into the body and what is wrong there."""

    pointer: str
    detail: str


# eq=False: an exception must stay hashable, and two problems are never compared.
@dataclass(eq=False)
class ProblemError(Exception):
    """A request that gets a 4xx or 5xx answer: status, title, detail, and the faulty fields."""

    status: int
    title: str
    detail: str
    kind: str
    errors: Sequence[FieldFault] = ()
    retry_after_seconds: int | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"

    def body(self) -> dict[str, object]:
        """The problem document; ``type`` is a URN, since this service has no public page per problem."""
        document: dict[str, object] = {
            "type": f"urn:relevo:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = list(self.errors)
        return document


def invalid(errors: Sequence[FieldFault]) -> ProblemError:
    """422 for a body that is JSON but not what the operation takes."""
    first = errors[0]
    detail = f"{first['pointer'] or '(body)'}: {first['detail']}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return ProblemError(422, "Unprocessable Content", detail, "invalid-body", errors)


def invalid_parameter(name: str, detail: str) -> ProblemError:
    """400 for a bad query parameter, header or path segment."""
    return ProblemError(400, "Bad Request", f"{name}: {detail}", "invalid-parameter")


def not_json(detail: str) -> ProblemError:
    return ProblemError(400, "Bad Request", detail, "not-json")


def invalid_form(detail: str) -> ProblemError:
    return ProblemError(400, "Bad Request", detail, "invalid-form")


def too_large(limit_bytes: int) -> ProblemError:
    return ProblemError(413, "Content Too Large", f"the body may have at most {limit_bytes} bytes", "too-large")


def unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, "Unauthorized", detail, "unauthorized")


def forbidden(detail: str) -> ProblemError:
    return ProblemError(403, "Forbidden", detail, "forbidden")


def not_found(detail: str) -> ProblemError:
    return ProblemError(404, "Not Found", detail, "not-found")


def method_not_allowed(detail: str) -> ProblemError:
    return ProblemError(405, "Method Not Allowed", detail, "method-not-allowed")


def conflict(detail: str, kind: str) -> ProblemError:
    return ProblemError(409, "Conflict", detail, kind)


def too_many_attempts(retry_after_seconds: int) -> ProblemError:
    return ProblemError(
        429,
        "Too Many Requests",
        "too many failed logins; wait and try again",
        "too-many-attempts",
        retry_after_seconds=retry_after_seconds,
    )


def unavailable(detail: str, kind: str, retry_after_seconds: int) -> ProblemError:
    return ProblemError(503, "Service Unavailable", detail, kind, retry_after_seconds=retry_after_seconds)
