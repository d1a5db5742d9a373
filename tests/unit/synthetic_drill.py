"""A made-up drill for tests of the gate, the series and the report: a Region is lost for a while and comes back."""

from __future__ import annotations

import random
from functools import cache

from loadtests.drills.course import Course, Mark
from loadtests.drills.freshness import Sighting
from loadtests.drills.growth import growth_plan
from loadtests.drills.plan import DrillPlan
from loadtests.drills.probes import DnsAnswer, StatusSample
from loadtests.drills.series import Seen
from loadtests.gate import Phase
from loadtests.ledger import Arrival, Ledger, Try

START = 1_780_000_000.0
LOST, SURVIVOR = "us-east-1", "us-east-2"
FAULT, HEALED, READMITTED, STOPPED, END = 120.0, 250.0, 262.0, 305.0, 315.0
NOTICED = 24.0  # seconds after the fault until DNS has changed


def plan() -> DrillPlan:
    return growth_plan("real", LOST, "freeze")


def course() -> Course:
    edges = [
        ("warm-up", 10, 0, 15), ("1x", 1, 15, 40), ("5x", 5, 40, 70), ("10x", 10, 70, FAULT),
        ("one Region lost", 10, FAULT, HEALED), ("catching up", 10, HEALED, READMITTED),
        ("both again", 10, READMITTED, STOPPED), ("converging", 0, STOPPED, END),
    ]  # fmt: skip
    steady = {"1x", "5x", "10x"}
    return Course(
        phases=[Phase(n, float(m), START + a, START + b, n in steady) for n, m, a, b in edges],
        marks=[
            Mark(START + FAULT, f"{LOST} lost (freeze)", "fault"),
            Mark(START + HEALED, f"{LOST} is back", "heal"),
            Mark(START + READMITTED, f"{LOST} readmitted", "heal"),
            Mark(START + STOPPED, "load stopped"),
        ],
        fault_at=START + FAULT,
        struck_at=START + FAULT + 0.05,
        healed_at=START + HEALED,
        readmitted_at=START + READMITTED,
        stopped_at=START + STOPPED,
        takeover_seconds=78.0,
        settled_at=START + READMITTED + 4,
        complete_at=START + STOPPED + 3,
    )


@cache
def arrivals(seed: int = 1) -> list[Arrival]:
    """Six users per multiple, half of them near each Region, one arrival every two seconds each."""
    rng, phases = random.Random(seed), course().phases
    found: list[Arrival] = []
    for user in range(120):
        home = (LOST, SURVIVOR)[user % 2]
        leaves_at = FAULT + NOTICED + rng.uniform(0, 60)
        at = rng.uniform(0, 2)
        while at < STOPPED:
            multiple = next((p.multiple for p in phases if p.holds(START + at)), 0)
            if user < multiple * 12:
                away = home == LOST and FAULT <= at < READMITTED + 30
                dead = home == LOST and FAULT <= at < leaves_at
                region = SURVIVOR if away and not dead else home
                ms = rng.lognormvariate(3.6, 0.5) * (1.6 if away else 1.0)
                tries = [_try(at, ms, region)]
                if dead:
                    tries = [Try(START + at, 5000.0, 0, None, "127.0.1.1", "timeout") for _ in range(3)]
                last = tries[-1]
                found.append(
                    Arrival(
                        user=f"u{user:03d}",
                        kind="read",
                        route="GET /v1/metrics",
                        scheduled=START + at,
                        finished=START + at + (last.ms / 1000 if not dead else 16.0),
                        outcome="failed" if dead else "ok",
                        command_id=None,
                        tries=tuple(tries),
                    )
                )
            at += rng.expovariate(0.5)
    return sorted(found, key=lambda arrival: arrival.finished)


def _try(at: float, ms: float, region: str) -> Try:
    return Try(START + at, ms, 200, region, "127.0.1.1" if region == LOST else "127.0.2.1", None)


def seen(seed: int = 1) -> Seen:
    rng = random.Random(seed)
    ledger = Ledger()
    ledger.arrivals = arrivals(seed)
    dns: list[DnsAnswer] = []
    status: list[StatusSample] = []
    for second in range(int(END)):
        gone = FAULT + NOTICED <= second < READMITTED + 22
        dns.append(DnsAnswer(START + second, LOST, SURVIVOR if gone else LOST))
        dns.append(DnsAnswer(START + second, SURVIVOR, SURVIVOR))
        if second % 2 == 0:
            lag = rng.uniform(0.05, 0.3) + (second - FAULT if FAULT <= second < HEALED else 0)
            status.append(StatusSample(START + second, SURVIVOR, True, False, lag, 0.0, 0))
            if not FAULT <= second < HEALED:
                status.append(StatusSample(START + second, LOST, True, False, rng.uniform(0.05, 0.4), 0.0, 0))
    sightings = [
        Sighting(f"o{n}", START + at, reader, rng.lognormvariate(0, 0.4))
        for n, at in enumerate(sorted(rng.uniform(0, STOPPED) for _ in range(900)))
        for reader in (LOST, SURVIVOR)
        if reader == SURVIVOR or not FAULT - 2 <= at < HEALED
    ]
    return Seen(ledger, dns, status, [], sightings, {"127.0.1.1": LOST, "127.0.2.1": SURVIVOR})
