"""The health checkers: each looks at its endpoint on its own, over HTTP, in its own rhythm, as Route 53's do.

HTTPS on port 443 of a Region's hostname is HTTP on the lab's port of that Region's address, with the same Host header.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict

import aiohttp

from loadtests.lab.lab_file import LabRegion
from loadtests.lab.route53.health_checks import (
    SEARCHED_BYTES,
    CalculatedCheck,
    CheckerView,
    EndpointCheck,
    Role,
    after_look,
    all_verdicts,
    look_passed,
)
from loadtests.lab.route53.template import DnsPlan

CHECKERS_PER_REGION: Final = 1  # for each checker region of the template; Route 53 uses more, this machine has 2 cores
DEFAULT_CHECKER_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
CONNECT_SECONDS: Final = 4.0  # Route 53's limits
STATUS_SECONDS: Final = 2.0
BODY_SECONDS: Final = 2.0
USUAL_INTERVAL_SECONDS: Final = 10.0
HISTORY_LENGTH: Final = 10_000


class Change(TypedDict):
    """A check that changed its verdict."""

    at: float
    region: str
    check: Role
    healthy: bool


class RegionHealth(TypedDict):
    """What Route 53 thinks of a Region."""

    endpoint_healthy: bool
    drained: bool
    healthy: bool


@dataclass
class _Checker:
    """One checker of one endpoint."""

    check: EndpointCheck
    interval_seconds: float  # the template's, or shorter in quick timing
    phase: float  # where in the interval it looks, 0..1
    view: CheckerView = field(default_factory=CheckerView)


class HealthCheckers:
    """All checkers of a plan, and what follows from their views."""

    def __init__(
        self,
        plan: DnsPlan,
        regions: Mapping[str, LabRegion],
        interval_seconds: float | None,
        *,
        seed: int = 53,
        checkers_per_region: int = CHECKERS_PER_REGION,
    ) -> None:
        self._plan = plan
        self._regions = regions
        phases = random.Random(seed)
        self._checkers = {
            check.id: [
                _Checker(check, interval_seconds or check.interval_seconds, phases.random())
                for _ in check.checker_regions or DEFAULT_CHECKER_REGIONS
                for _ in range(checkers_per_region)
            ]
            for check in plan.checks
            if isinstance(check, EndpointCheck)
        }
        self.history: deque[Change] = deque(maxlen=HISTORY_LENGTH)
        self.verdicts = self._judge()

    async def run(self) -> None:
        """Look for ever."""
        # Every look opens a connection of its own, as the many checkers of Route 53 do.
        connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False)
        headers = {"User-Agent": "Amazon-Route53-Health-Check-Service (the lab's)", "Accept-Encoding": "identity"}
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for checkers in self._checkers.values():
                for checker in checkers:
                    tasks.create_task(self._keep_looking(session, checker))

    async def _keep_looking(self, session: aiohttp.ClientSession, checker: _Checker) -> None:
        interval_seconds = checker.interval_seconds
        connect_seconds = CONNECT_SECONDS * min(1.0, max(0.25, interval_seconds / USUAL_INTERVAL_SECONDS))
        limits = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=STATUS_SECONDS)
        started = time.monotonic()
        await asyncio.sleep(checker.phase * min(1.0, interval_seconds))  # the first data soon
        looks = 0
        while True:
            passed = await self._look(session, checker.check, limits)
            self._take(checker, passed)
            now = time.monotonic()
            # On its own beat, without catching up on looks that a slow answer made it miss.
            looks = max(looks + 1, int((now - started) / interval_seconds - checker.phase) + 1)
            await asyncio.sleep(max(0.0, started + (looks + checker.phase) * interval_seconds - now))

    async def _look(self, session: aiohttp.ClientSession, check: EndpointCheck, limits: aiohttp.ClientTimeout) -> bool:
        region = self._region_of(check.fqdn)
        if region is None:
            return False
        url = f"http://{region.address}:{region.port}{check.path}"
        try:
            async with session.get(
                url, headers={"Host": check.fqdn}, allow_redirects=False, timeout=limits
            ) as response:
                body = b""
                if check.search_string is not None:
                    async with asyncio.timeout(BODY_SECONDS):
                        while len(body) < SEARCHED_BYTES and (part := await response.content.read(SEARCHED_BYTES)):
                            body += part
                return look_passed(check, response.status, body)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _region_of(self, fqdn: str) -> LabRegion | None:
        name = self._plan.region_of_name.get(fqdn, fqdn.partition(".")[0])
        return self._regions.get(name)

    def _take(self, checker: _Checker, passed: bool) -> None:
        view = after_look(checker.view, passed, checker.check.failure_threshold)
        if view == checker.view:
            return
        opinion_changed = view.healthy != checker.view.healthy
        checker.view = view
        if not opinion_changed:
            return
        before, self.verdicts = self.verdicts, self._judge()
        for check in self._plan.checks:
            if self.verdicts[check.id] != before[check.id]:
                self.history.append(
                    Change(at=time.time(), region=check.region, check=check.role, healthy=self.verdicts[check.id])
                )

    def _judge(self) -> dict[str, bool]:
        views = {name: [checker.view for checker in checkers] for name, checkers in self._checkers.items()}
        return all_verdicts(self._plan.checks, views)

    def health(self) -> dict[str, RegionHealth]:
        """What is known of each Region now; without a calculated check a Region is healthy while its endpoint is."""
        known: dict[str, RegionHealth] = {}
        for region in self._regions:
            mine = [check for check in self._plan.checks if check.region == region]
            endpoint = all(self.verdicts[check.id] for check in mine if check.role == "endpoint")
            drained = not all(self.verdicts[check.id] for check in mine if check.role == "drain")
            combined = [self.verdicts[check.id] for check in mine if isinstance(check, CalculatedCheck)]
            known[region] = RegionHealth(
                endpoint_healthy=endpoint, drained=drained, healthy=all(combined) if combined else endpoint
            )
        return known
