"""Drills on AWS before they begin: what they would do, and whether they may. They act only when they are told to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from loadtests.drills.aws.access import AwsAccess
from loadtests.drills.aws.experiments import MUST_HOLD
from loadtests.drills.aws.refusals import refuse_unless_fit
from loadtests.drills.plan import DrillPlan
from loadtests.drills.target import TargetError
from runbooks.acting import Act
from shared.experiments import EXPERIMENT, Experiment
from shared.topology import TOPOLOGY, Topology

WATCH_SECONDS: Final = 5.0


def plan_on_aws(plan: DrillPlan) -> DrillPlan:
    """The plan with what can be done there: a Region is lost by its functions, whatever the lab can do."""
    return plan if plan.mode == "evacuate" else replace(plan, mode="functions off")


def experiment_of(plan: DrillPlan) -> Experiment | None:
    """The experiment that a drill needs; an evacuation harms nothing."""
    return None if plan.mode == "evacuate" else EXPERIMENT["region-loss"]


def prepared(
    plan: DrillPlan, *, yes: bool, act: Act, access: AwsAccess | None = None, topology: Topology = TOPOLOGY
) -> AwsAccess | None:
    """Print the plan; return AWS when the drill may begin, ``None`` when it was only to be shown.

    Raises ``TargetError`` with the reason why it may not.
    """
    if plan.timing != "real":
        raise TargetError("AWS has no short clock: leave out --quick")
    experiment = experiment_of(plan)
    found = access or AwsAccess()
    refuse_unless_fit(found, plan.region, experiment, topology=topology)
    baseline = TOPOLOGY.baseline
    load = (baseline.orders_per_second + baseline.reads_per_second) * plan.peak
    happening = _steps(experiment, plan.region) if experiment else [f"`relevo evacuate {plan.region}`"]
    may_begin = _planned(
        act,
        f"the {plan.name} drill, {plan.happening}, about {plan.usual_seconds / 60:.0f} minutes",
        [
            "make three accounts, and a queue and a rule in each Region; they are locked and removed at the end",
            f"up to {load:g} requests/s to https://{TOPOLOGY.api_name}; its orders are real, count as sales, and stay",
            *happening,
            f"`relevo readmit {plan.region}`, then scan both logs and judge every promise",
        ],
        yes=yes,
    )
    return found if may_begin else None


def run_experiment(
    experiment: Experiment, region: str, *, yes: bool, act: Act, access: AwsAccess | None = None,
    watch_seconds: float = WATCH_SECONDS, topology: Topology = TOPOLOGY,
) -> None:  # fmt: skip
    """Print the plan and, when told to, run one experiment for its time; it is ended whatever happens."""
    found = access or AwsAccess()
    refuse_unless_fit(found, region, experiment, topology=topology)
    if not _planned(act, f"the experiment {experiment.name} in {region}", _steps(experiment, region), yes=yes):
        return
    try:
        running = found.experiments.start(experiment, region)
        act.say(f"aws: {running.id} runs in {running.home}; Ctrl-C ends it")
        # A little less than its own time: one that FIS ends is a surprise.
        end = time.monotonic() + experiment.minutes * 60 - 60
        while time.monotonic() < end:
            found.experiments.check()
            time.sleep(watch_seconds)
    finally:
        found.experiments.end()
    act.say(f"aws: {experiment.name} is over, and {region} is as it was")


def _steps(experiment: Experiment, region: str) -> list[str]:
    home, peer = experiment.home(region, TOPOLOGY), TOPOLOGY.peer_of(region)
    return [
        f"FIS experiment {experiment.full_name}, in {home}: {experiment.summary} ({region})",
        f"FIS stops it after {experiment.minutes} minutes, or by {', '.join(experiment.stop_alarms)} in {home}",
        f"this command stops it too, by {', '.join(MUST_HOLD)} in {peer}",
    ]


def _planned(act: Act, what: str, steps: Sequence[str], *, yes: bool) -> bool:
    act.say(f"aws: {what}")
    for number, step in enumerate(steps, 1):
        act.say(f"  {number}. {step}")
    act.undo("Ctrl-C; or `aws fis stop-experiment` in that Region, which restores everything, then `relevo readmit`")
    return act.may_begin(yes)
