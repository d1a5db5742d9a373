"""Route 53's health checks as pure functions: what one checker concludes, what all do, what combines checks.

No sockets and no clock here; ``checkers`` does the looking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

HEALTHY_SHARE: Final = 0.18  # "if more than 18% of health checkers report that an endpoint is healthy"
SEARCHED_BYTES: Final = 5120

Role = Literal["endpoint", "drain", "calculated"]


@dataclass(frozen=True, slots=True)
class EndpointCheck:
    """A check that looks at an HTTP endpoint: status 2xx or 3xx, and a string in the body if one is given."""

    id: str
    region: str  # of the stack that owns it
    fqdn: str
    path: str
    search_string: str | None
    inverted: bool
    interval_seconds: float
    failure_threshold: int
    checker_regions: tuple[str, ...]

    @property
    def role(self) -> Role:
        """An inverted check tells of a drain: it is unhealthy while it finds what it searches."""
        return "drain" if self.inverted else "endpoint"


@dataclass(frozen=True, slots=True)
class CalculatedCheck:
    """A check that combines others: healthy when at least ``threshold`` of its children are."""

    id: str
    region: str
    children: tuple[str, ...]
    threshold: int
    inverted: bool = False

    @property
    def role(self) -> Role:
        return "calculated"


Check = EndpointCheck | CalculatedCheck


@dataclass(frozen=True, slots=True)
class CheckerView:
    """What one checker thinks of an endpoint: nothing before its first look."""

    healthy: bool | None = None
    contrary: int = 0  # looks in a row that disagree with `healthy`


def look_passed(check: EndpointCheck, status: int, body: bytes) -> bool:
    """Whether an answer passes: a status of 2xx or 3xx, and the string within the first 5,120 bytes of the body."""
    if not 200 <= status < 400:
        return False
    return check.search_string is None or check.search_string.encode() in body[:SEARCHED_BYTES]


def after_look(view: CheckerView, passed: bool, failure_threshold: int) -> CheckerView:
    """A checker's view after one more look: it changes its mind after ``failure_threshold`` contrary looks in a row."""
    if view.healthy is None:
        return CheckerView(healthy=passed)
    if passed == view.healthy:
        return replace(view, contrary=0)
    if view.contrary + 1 >= failure_threshold:
        return CheckerView(healthy=passed)
    return replace(view, contrary=view.contrary + 1)


def verdict(check: EndpointCheck, views: Iterable[CheckerView]) -> bool:
    """Whether a check is healthy: more than 18 % of the checkers that have looked say so.

    Without data a check is healthy; inversion comes last, so that an inverted one is unhealthy without data.
    """
    opinions = [view.healthy for view in views if view.healthy is not None]
    found = not opinions or sum(opinions) / len(opinions) > HEALTHY_SHARE
    return found != check.inverted


def calculated_verdict(check: CalculatedCheck, verdicts: Mapping[str, bool]) -> bool:
    """Whether enough of a calculated check's children are healthy."""
    return (sum(verdicts[child] for child in check.children) >= check.threshold) != check.inverted


def all_verdicts(checks: Iterable[Check], views: Mapping[str, Iterable[CheckerView]]) -> dict[str, bool]:
    """The verdict of every check, by id; calculated checks have endpoint checks as children, never calculated ones."""
    checks = tuple(checks)
    verdicts = {
        check.id: verdict(check, views.get(check.id, ())) for check in checks if isinstance(check, EndpointCheck)
    }
    verdicts |= {
        check.id: calculated_verdict(check, verdicts) for check in checks if isinstance(check, CalculatedCheck)
    }
    return verdicts
