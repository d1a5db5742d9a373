"""Collects the evidence after the load and judges it, again until nothing is found or the time to converge is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from loadtests.drills.counters import changed_effect_writes
from loadtests.drills.evidence import Evidence
from loadtests.drills.judge import Finding, judge
from loadtests.drills.observers import Observers
from loadtests.drills.probe import TROUBLE
from loadtests.drills.replicas import read_replica, read_sales, sales_since
from loadtests.drills.target import DrillTarget, TargetError
from loadtests.expectations import day_in_bogota
from shared.topology import TOPOLOGY

DAYS_BACK = 4  # clients register deliveries of up to three days ago
JUDGE_AGAIN_SECONDS = 1.0
LOGIN_SECONDS = 20.0
LISTEN_SECONDS = 10.0  # for announcements that are still to come

Sales = dict[str, dict[date, Decimal]]


@dataclass(frozen=True)
class Judgement:
    """What was found at last, and when the evidence was read that first showed nothing wrong."""

    findings: list[Finding]
    converged_at: float | None
    trouble: str = ""  # why nothing could be judged, if so


class Reader:
    """The judge's own account: logs in to each Region directly and reads the figures."""

    def __init__(self, lab: DrillTarget, account: tuple[str, str]) -> None:
        self._lab = lab
        self._account = account
        self._tokens: dict[str, str] = {}

    def token(self, region: str) -> str:
        """Log in, waiting for the account to be replicated; raises ``TargetError`` if it never works."""
        if region not in self._tokens:
            self._tokens[region] = self._login(region)
        return self._tokens[region]

    def _login(self, region: str) -> str:
        api = self._lab.regions[region].api(TOPOLOGY.api_name)
        username, password = self._account
        end = time.monotonic() + LOGIN_SECONDS
        answer: object = None
        while time.monotonic() < end:
            try:
                status, answer = api.call("POST", "/token", body={"username": username, "password": password})
            except OSError as error:
                answer = error
            else:
                if status == 200 and isinstance(answer, dict):
                    return str(answer["access_token"])
            time.sleep(0.5)
        raise TargetError(f"cannot log in in {region}: {answer}")

    def sales(self) -> Sales:
        """Each Region's sales of the days that a run can touch (one ahead, in case midnight passes)."""
        today = day_in_bogota(datetime.now(UTC))
        days = {today + timedelta(days=shift) for shift in range(-DAYS_BACK, 2)}
        return {
            name: read_sales(access.api(TOPOLOGY.api_name), self.token(name), days)
            for name, access in self._lab.regions.items()
        }


@dataclass(frozen=True)
class Judging:
    """Everything that judging needs."""

    lab: DrillTarget
    observers: Observers
    run: str
    began: float
    sales: Callable[[], Sales]
    sales_before: Sales

    def until_equal(self, end: float) -> Judgement:
        """Judge again and again until nothing is found; trouble while reading is tried again too."""
        findings: list[Finding] = []
        while True:
            read_at = time.time()
            try:
                findings = judge(self.evidence(end))
            except TROUBLE as error:
                if time.time() > end:
                    return Judgement(findings, None, f"the judge could not read the Regions: {error}"[:300])
            else:
                if not any(finding.count for finding in findings):
                    return Judgement(findings, read_at)
                if time.time() > end:
                    return Judgement(findings, None)
            time.sleep(JUDGE_AGAIN_SECONDS)

    def evidence(self, end: float) -> Evidence:
        """Read both Regions, and listen until what is in the logs was announced."""
        ledger = self.observers.ledger
        regions = list(self.lab.regions.values())
        named = {ack.order_id for ack in ledger.acks.values()}
        replicas = [read_replica(region, self.run, named) for region in regions]
        effects = {str(effect["event_id"]) for replica in replicas for effect in replica.of_kind("effect")}
        self.observers.listen_for(effects, min(LISTEN_SECONDS, max(1.0, end - time.time())))
        after = self.sales()
        return Evidence(
            ledger=ledger,
            replicas=replicas,
            announcements=self.observers.announcements(),
            sales={name: sales_since(after[name], self.sales_before.get(name, {})) for name in after},
            changed_effect_writes=changed_effect_writes(regions, self.began),
        )
