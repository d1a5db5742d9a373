"""Usage plans of client systems: under which of API Gateway's keys a request is counted. Pure.

A key is no credential. The authorizer names it once a token was accepted, and no client sends or knows one. Its value
follows from account and plan, so it is the same in every Region without being copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.topology import TOPOLOGY

# AWS: a key's value has 20 to 128 letters and digits, and a plan knows a new key after "a few minutes".
KEY_KNOWN_AFTER: Final = timedelta(minutes=5)
# Functions look at an account once a minute, API Gateway remembers the authorizer's answer for five, clocks differ.
KEY_FORGOTTEN_AFTER: Final = timedelta(minutes=7)
EVERYONES_KEY: Final = "relevoEveryoneWithoutAPlan"
NO_PLAN: Final = ""
_KNOWN: Final = frozenset(plan.name for plan in TOPOLOGY.usage_plans)


@dataclass(frozen=True, slots=True)
class PlanInRegion:
    """The plan that an account is on in one Region, whose key was made there first; ``NO_PLAN`` for none."""

    plan: str
    starts_at: datetime
    before: str = NO_PLAN

    def at(self, now: datetime) -> str:
        """The plan that counts now: a new key must not be named before API Gateway knows it."""
        return self.plan if now >= self.starts_at else self.before


def key_of(username: str, plan: str) -> str:
    """The value of an account's key on a plan: another one on each, so that it moves without a gap."""
    return "relevo" + hashlib.sha256(json.dumps(["usage", username, plan]).encode()).hexdigest()[:40]


def counted_under(username: str, plan: PlanInRegion | None, *, now: datetime) -> str:
    """The key for a request: that of everyone where this Region was not given the account's own.

    API Gateway refuses a request whose key it does not know, so nobody is counted under a key that may be missing.
    """
    name = plan.at(now) if plan else NO_PLAN
    return key_of(username, name) if name in _KNOWN else EVERYONES_KEY


def is_on_a_plan(plans: Mapping[str, PlanInRegion], *, now: datetime) -> bool:
    """Whether any Region counts this account's requests."""
    return any(plan.at(now) for plan in plans.values())
