"""`relevo release`: deploy what was synthesized, one Region after the other, and never the only healthy one.

Nobody is drained for it: a canary of a tenth, alarms that take it back, and a peer that runs the old version are what
keeps clients whole. Each Region is baked before the next one is touched. Running it again after a stop is safe: stacks
that are deployed already stay as they are, and are baked again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Final

import typer

from runbooks import live_versions
from runbooks.acting import Act, acting
from runbooks.asking import AsJson, Yes, one_line_errors, one_region_or_all, refuse
from runbooks.live_versions import UnderWayError, Word
from runbooks.release_run import APP, Outcome, Release, deploy_with_cdk
from runbooks.synthetic_orders import CheckAccountError
from runbooks.target import Target, current_target
from shared.slo import RELEASE_LIMITS

RELEASED: Final[tuple[Word, ...]] = ("released", "baking")


def release(
    yes: Yes = False,
    back: Annotated[
        str | None,
        typer.Option(
            "--back", help="Make live in this Region what was before its release.", callback=one_region_or_all
        ),
    ] = None,
    accept_alarm: Annotated[
        list[str] | None, typer.Option("--accept-alarm", help="Go on although this alarm is on; may be repeated.")
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="Nothing is deployed yet: there is nothing to protect and to bake.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Deploy Region by Region, each baked before the next, and taken back if its bake is bad."""

    def say(text: str) -> None:
        typer.echo(text, err=as_json)

    target = current_target()
    if back is not None:
        with acting(as_json, region=back) as act:
            _back(act, target, back, yes=yes)
        return
    with one_line_errors():
        run = Release(target, deploy_with_cdk, say, tuple(accept_alarm or ()), is_first=first)
        reasons = _plan(run)
        if not yes:
            if as_json:
                typer.echo(json.dumps({"steps": [asdict(step) for step in run.steps], "not_now": reasons}))
            say("nothing done; add --yes to act")
            return
        if target.name == "lab":
            refuse("the lab is deployed by `relevo up`; nothing done")
        if not (APP / "manifest.json").is_file():
            refuse(f"{APP} holds no app: run `make synth`")
        try:
            outcome = run.run()
        except CheckAccountError as error:
            refuse(f"nothing done: {error}")
    _tell(outcome, as_json=as_json)


def _plan(run: Release) -> list[str]:
    """Print the plan and its undo; returns why it may not begin."""
    minutes = RELEASE_LIMITS.bake_minutes * run.target.time_scale
    run.say(f"{run.target.name}: release {APP}; before each step both Regions must be well, and no alarm on")
    for number, step in enumerate(run.steps, 1):
        baked = f", a tenth for five minutes; then bake it for {minutes:g} min, and take it back if that is bad"
        run.say(f"  {number}. deploy {step.stack} in {step.region}{baked if step.is_baked else ''}")
    for step in run.steps:
        if step.is_baked:
            run.say(f"undo: relevo release --back {step.region} --yes")
    reasons = run.reasons()
    for reason in reasons:
        run.say(f"not now: {reason}")
    return reasons


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(outcome)))
    for moved in outcome.taken_back:
        typer.echo(f"taken back: {moved}", err=as_json)
    if outcome.stopped_at is None:
        typer.echo(f"released: {', '.join(outcome.deployed)}", err=as_json)
        return
    refuse(f"stopped at {outcome.stopped_at}: {'; '.join(outcome.reasons)}. Nothing after it was touched")


def _back(act: Act, target: Target, region: str, *, yes: bool) -> None:
    functions = target.client("lambda", region)
    moves = [live for live in live_versions.look(functions).values() if live.word in RELEASED]
    for live in moves:
        act.say(f"{target.name}: plan: {live.text} -> {live.came_from} in {region}, at once")
    if not moves:
        act.say(f"{target.name}: {region} has nothing to take back")
        return
    act.undo("relevo release --yes")
    if not act.may_begin(yes):
        return
    try:
        moved = live_versions.take_back(functions, *RELEASED)
    except UnderWayError as error:
        refuse(f"{error}: let CloudFormation roll it back, `aws cloudformation cancel-update-stack`")
    act.say(f"{target.name}: {len(moved)} functions of {region} run what they ran before its release")
