"""Collects the evidence after the load and judges it, again until nothing is found or the time to converge is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtests.drills.counters import changed_effect_writes
from loadtests.drills.evidence import Evidence
from loadtests.drills.judge import Finding, judge
from loadtests.drills.observers import Observers
from loadtests.drills.probe import TROUBLE
from loadtests.drills.reader import Sales
from loadtests.drills.replicas import read_replica, sales_since
from loadtests.drills.target import DrillTarget

JUDGE_AGAIN_SECONDS = 1.0
LISTEN_SECONDS = 10.0  # for announcements that are still to come


@dataclass(frozen=True)
class Judgement:
    """What was found at last, and when the evidence was read that first showed nothing wrong."""

    findings: list[Finding]
    converged_at: float | None
    trouble: str = ""  # why nothing could be judged, if so
    evidence: Evidence | None = None  # that the findings are about


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
        evidence: Evidence | None = None
        while True:
            read_at = time.time()
            try:
                evidence = self.evidence(end)
                findings = judge(evidence)
            except TROUBLE as error:
                if time.time() > end:
                    return Judgement(findings, None, f"the judge could not read the Regions: {error}"[:300], evidence)
            else:
                if not any(finding.count for finding in findings):
                    return Judgement(findings, read_at, evidence=evidence)
                if time.time() > end:
                    return Judgement(findings, None, evidence=evidence)
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
