"""One run of a release over its steps: check both Regions, deploy, bake, and take a Region back whose bake is bad."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from runbooks import live_versions
from runbooks.alarm_states import alarm_states
from runbooks.asking import NoAnswer, ask, reason_of
from runbooks.live_versions import UnderWayError
from runbooks.release_judgement import STEPS, Look, State, States, Step, Verdict, judge, reasons_not_to
from runbooks.synthetic_orders import SyntheticOrders, make_account
from runbooks.target import Target
from runbooks.usage_plans import PlanKeys
from shared.adapters.peer import peer_serves
from shared.alarms import ALARM_NAMES, RELEASE_PREFIX
from shared.domain.auth import Account
from shared.slo import RELEASE_LIMITS
from shared.topology import TOPOLOGY

APP: Final = Path("cdk.out")
CDK: Final = "aws-cdk@2.1148.1"
# A sentinel's look is told by this machine's clock, which may be a little off.
LEAST_LOOK_AGE: Final = timedelta(seconds=15)

Deploy = Callable[[Step], int]


def deploy_with_cdk(step: Step) -> int:
    """Deploy one stack with the CDK's CLI, which asks before it widens permissions; returns its exit code."""
    beside = Path(sys.executable).with_name("npx")
    npx = str(beside) if beside.exists() else "npx"
    command = [npx, "--yes", CDK, "deploy", "--app", str(APP), "--exclusively", step.stack]
    return subprocess.run(command, stdout=2, check=False).returncode  # noqa: S603  # fixed words, no shell


def alarms_on(target: Target, region: str) -> tuple[str, ...]:
    """Alarms of a Region that are on: those that tell somebody, and those that stop a release."""
    # The rest are signals: many, and one of them alone says little.
    told = (name for name, is_on in alarm_states(target, region).items() if is_on)
    return tuple(sorted(name for name in told if name in ALARM_NAMES or name.startswith(RELEASE_PREFIX)))


def state_of(target: Target, region: str) -> State:
    aliases = live_versions.look(target.client("lambda", region)).values()
    return State(
        serves=peer_serves(target.api_url(region), TOPOLOGY.region_api_name(region)),
        register=target.control(region).register(),
        guard=target.order_queries(region).guard(),
        alarms=alarms_on(target, region),
        moving=tuple(live.text for live in aliases if live.is_moving),
        may_ask_for_keys=not TOPOLOGY.counts_plans or PlanKeys(target.client("apigateway", region)).has_everyones(),
    )


@dataclass
class Outcome:
    """How far a release came."""

    deployed: list[str] = field(default_factory=list)
    baked: list[str] = field(default_factory=list)
    stopped_at: str | None = None
    reasons: list[str] = field(default_factory=list)
    taken_back: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Release:
    """One run over the steps; ``say`` gets a line of progress at a time."""

    target: Target
    deploy: Deploy
    say: Callable[[str], None]
    accepted: Sequence[str] = ()
    is_first: bool = False
    steps: Sequence[Step] = STEPS

    def reasons(self) -> list[str]:
        """Why nothing may be released now."""
        brief = self.target.brief()
        if self.is_first:
            serving = [
                region
                for region in TOPOLOGY.region_names
                if peer_serves(brief.api_url(region), TOPOLOGY.region_api_name(region))
            ]
            return [f"{region} serves: this is not the first time" for region in serving]
        states: States = ask(TOPOLOGY.region_names, lambda region: state_of(brief, region))
        looked_within = max(self.target.timing.peer_gone, LEAST_LOOK_AGE)
        return reasons_not_to(states, accepted=self.accepted, now=datetime.now(UTC), looked_within=looked_within)

    def run(self) -> Outcome:
        """Deploy and bake step by step; stops at the first that may not begin, fails, or bakes badly."""
        outcome = Outcome()
        account: Account | None = None
        for step in self.steps:
            reasons = self.reasons()
            if not reasons:
                if account is None and not self.is_first:
                    account = make_account(self.target)  # before anything is deployed that could not be baked
                reasons = self._release(step, account, outcome)
            if reasons:
                outcome.stopped_at, outcome.reasons = step.stack, reasons
                break
        return outcome

    def _release(self, step: Step, account: Account | None, outcome: Outcome) -> list[str]:
        """Deploy one stack, and bake it if it is a Region's; returns what went wrong."""
        functions = self.target.client("lambda", step.region)
        before = live_versions.look(functions) if step.is_baked else {}
        self.say(f"deploying {step.stack} in {step.region}")
        if code := self.deploy(step):
            # CloudFormation has rolled back what it could, aliases too.
            outcome.taken_back = self._moved_back(step, lambda: live_versions.restore(functions, before))
            return [f"the CDK ended with {code}; CloudFormation tells why in the events of {step.stack}"]
        outcome.deployed.append(step.stack)
        if not step.is_baked or account is None:
            return []
        live_versions.note_deployed(functions, before)
        verdict = self.bake(step.region, account)
        if verdict.word == "bad":
            outcome.taken_back = self._moved_back(step, lambda: live_versions.take_back(functions, "baking"))
            return list(verdict.reasons)
        live_versions.note_baked(functions)
        outcome.baked.append(step.region)
        return []

    def bake(self, region: str, account: Account) -> Verdict:
        """Look at a Region until its bake is over or has failed."""
        limits, scale = RELEASE_LIMITS, self.target.time_scale
        bake = timedelta(minutes=limits.bake_minutes * scale)
        orders = SyntheticOrders(self.target, region, account)
        self.say(f"baking {region} for {bake.total_seconds():.0f} s: alarms of both Regions, and synthetic orders")
        looks: list[Look] = []
        while True:
            looks.append(self._look(orders))
            verdict = judge(looks, bake=bake)
            if verdict.word != "goes on":
                return verdict
            time.sleep(limits.order_seconds * scale)

    def _look(self, orders: SyntheticOrders) -> Look:
        fault = ask([orders.region], lambda _: orders.fault())[orders.region]
        brief = self.target.brief()
        seen = ask(TOPOLOGY.region_names, lambda region: alarms_on(brief, region))
        silent = [f"{region}: {found.reason}" for region, found in seen.items() if isinstance(found, NoAnswer)]
        on = [
            f"{name} of {region}"
            for region, found in seen.items() if not isinstance(found, NoAnswer)
            for name in found if name not in self.accepted
        ]  # fmt: skip
        return Look(
            datetime.now(UTC), fault.reason if isinstance(fault, NoAnswer) else fault, tuple(on), "; ".join(silent)
        )

    def _moved_back(self, step: Step, move: Callable[[], list[str]]) -> list[str]:
        """What was live before is made live again, in this Region alone; its own illness may forbid even that."""
        try:
            return move()
        except (ClientError, BotoCoreError, UnderWayError) as error:
            reason = str(error) if isinstance(error, UnderWayError) else reason_of(error)
            self.say(f"NOT taken back in {step.region}: {reason}. Drain it: relevo drain {step.region}")
            return []
