"""`relevo keys`: the signing key, rotated in four steps with the waits between them enforced.

Add the new key everywhere, wait until every warm function knows it, make it current, wait for the life of tokens,
remove the old one. Each run of `rotate` does the step that is due; no key is ever printed.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from runbooks.acting import Act, acting
from runbooks.asking import AsJson, NoAnswer, Yes, one_line_errors, refuse
from runbooks.keyring_secret import RegionKeys, Seen, behind, impairments, look_everywhere, put, ring_of
from runbooks.rotation import Due, Ring, Step, Waits, after, first_ring, next_step, taken_back
from runbooks.target import Target, current_target
from shared.topology import TOPOLOGY

app = typer.Typer(help="The signing key: which one is used, and its rotation.", no_args_is_help=True)

KEY_BYTES: Final = 48
# Replicas usually follow within seconds; when they do not, the next run confirms the step.
CONFIRM_SECONDS: Final = 30.0
# A heartbeat's age is told by this machine's clock, which may be a little off.
LEAST_BEAT_AGE: Final = timedelta(seconds=15)

PLANS: Final[dict[Step, str]] = {
    "first": "make the first keyring, with one key",
    "adopt": "take the key that is not current as the old one of a rotation: it goes after the life of tokens",
    "add": "add a new key that verifies and does not sign",
    "confirm added": "note that every Region has the new key, from when the wait for caches counts",
    "make current": "sign with the new key; the old one goes on verifying",
    "confirm current": "note that every Region signs with the new key, from when the life of tokens counts",
    "remove": "remove the old key; its last token has expired",
}
UNDO: Final = "relevo keys rotate --back --yes"
UNDOS: Final[dict[Step, str]] = {"remove": "none: a removed key does not come back; its last token has expired"}


def duration(span: timedelta) -> str:
    seconds = max(math.ceil(span.total_seconds()), 0)
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show each Region's key ids and fingerprints, the step of the rotation and what is due. Never a key."""
    target = current_target()
    with one_line_errors():
        seen = look_everywhere(target)
    now = datetime.now(UTC)
    ring = ring_of(seen)
    due = next_step(ring, now=now, waits=Waits.scaled(target.time_scale))
    beat_age = max(target.timing.peer_gone, LEAST_BEAT_AGE)
    report = _report(seen, ring, due, now) | {"impairments": impairments(seen, now=now, beat_age=beat_age)}
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    for region, found in report["regions"].items():
        if "no_answer" in found:
            typer.echo(f"{region}: no answer: {found['no_answer']}")
            continue
        if found["fault"]:
            typer.echo(f"{region}: {found['fault']}")
            continue
        names = [f"{name} {mark}" for name, mark in found["keys"].items()]
        step = "in step" if found["in_step"] else "NOT in step"
        typer.echo(f"{region}: current {found['current']}; keys {', '.join(names) or 'none'}; {step}")
    for name, seconds in report["key_age_seconds"].items():
        typer.echo(f"{name}: {'made by hand' if seconds is None else f'{duration(timedelta(seconds=seconds))} old'}")
    typer.echo(f"rotation: {report['rotation'] or 'none under way'}")
    typer.echo(f"next: {PLANS[due.step]}" + ("" if due.is_due else f", in {duration(due.left)}"))
    for impairment in report["impairments"]:
        typer.echo(f"not now: {impairment}")


def _report(seen: Seen, ring: Ring | None, due: Due, now: datetime) -> dict[str, Any]:  # printed as JSON
    late = behind(seen, ring)
    regions: dict[str, dict[str, object]] = {}
    for region, keys in seen.items():
        if isinstance(keys, NoAnswer):
            regions[region] = {"no_answer": keys.reason}
            continue
        marks = keys.ring.fingerprints() if keys.ring else {}
        current = keys.ring.current if keys.ring else None
        regions[region] = {"current": current, "keys": marks, "in_step": region not in late, "fault": keys.fault}
    rotation = json.loads(ring.text()).get("rotation") if ring else None
    ages: dict[str, float | None] = {}
    for name in sorted(ring.keys) if ring else ():
        made_at = ring.made_at.get(name) if ring else None
        ages[name] = (now - made_at).total_seconds() if made_at else None
    return {
        "regions": regions,
        "rotation": rotation,
        "key_age_seconds": ages,
        "next": {"step": due.step, "left_seconds": max(due.left.total_seconds(), 0.0)},
    }


@app.command()
def rotate(
    yes: Yes = False,
    back: Annotated[
        bool, typer.Option("--back", help="Take the last step back instead of doing the next one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Do the step of the rotation that is due; run again for the next. Refused early and during an impairment."""
    target = current_target()
    with acting(as_json) as act:
        _rotate(act, target, yes=yes, back=back)


def _rotate(act: Act, target: Target, *, yes: bool, back: bool) -> None:
    waits, now = Waits.scaled(target.time_scale), datetime.now(UTC)
    seen = look_everywhere(target)
    found = impairments(seen, now=now, beat_age=max(target.timing.peer_gone, LEAST_BEAT_AGE))
    if found:
        refuse(f"no key is rotated while a Region is impaired: {'; '.join(found)}. Wait, or readmit the Region first")
    ring = ring_of(seen)
    late = behind(seen, ring)
    copies = [region for region in late if isinstance(keys := seen[region], RegionKeys) and not keys.is_replica]
    due = next_step(ring, now=now, waits=waits)
    if late and ring is not None:
        if set(late) - set(copies):
            refuse(f"the secret's replica in {', '.join(late)} is not in step yet; run this again when it is")
        act.say(f"plan: copy the keyring of {TOPOLOGY.owner_region} to {', '.join(copies)}: no replica, left behind")
    if back:
        _take_back(act, target, seen, ring, now=now, yes=yes)
        return
    if not due.is_due:
        refuse(f"too early: {PLANS[due.step]} in {duration(due.left)}; nothing done")
    act.document["step"] = due.step
    act.say(f"{target.name}: plan: {PLANS[due.step]}")
    act.undo(UNDOS.get(due.step, UNDO))
    if not act.may_begin(yes):
        return
    if late and ring is not None:
        put(target, seen, ring, only=copies)
    new_key = secrets.token_hex(KEY_BYTES)
    changed = after(ring, due.step, now=now, new_key=new_key) if ring else first_ring(new_key, now=now)
    put(target, seen, changed)
    confirmed = _confirm(target, changed, lambda: datetime.now(UTC))
    _tell_next(act, target, confirmed or changed, waits, confirmed=confirmed is not None)


def _take_back(act: Act, target: Target, seen: Seen, ring: Ring | None, *, now: datetime, yes: bool) -> None:
    if ring is None:
        refuse("there is no keyring yet")
    try:
        changed = taken_back(ring, now=now)
    except ValueError as error:
        refuse(str(error))
    gone = sorted(set(ring.keys) - set(changed.keys))
    act.document["step"] = "back"
    act.say(
        f"{target.name}: plan: "
        + (f"remove {gone[0]}, which never signed" if gone else f"sign with {changed.current} again")
    )
    act.undo("relevo keys rotate --yes")
    if not act.may_begin(yes):
        return
    put(target, seen, changed)
    confirmed = _confirm(target, changed, lambda: datetime.now(UTC))
    _tell_next(act, target, confirmed or changed, Waits.scaled(target.time_scale), confirmed=confirmed is not None)


def _confirm(target: Target, written: Ring, clock: Callable[[], datetime]) -> Ring | None:
    """Wait until every Region reports what was written, and note when; ``None`` if it takes longer than a moment."""
    until = time.monotonic() + CONFIRM_SECONDS
    while True:
        seen = look_everywhere(target)
        silent = [region for region, keys in seen.items() if isinstance(keys, NoAnswer)]
        ring = ring_of(seen)
        if ring is not None and not silent and ring.in_step_with(written) and not behind(seen, ring):
            step = next_step(ring, now=clock(), waits=Waits.scaled(target.time_scale)).step
            if step in ("confirm added", "confirm current"):
                ring = after(ring, step, now=clock(), new_key="")
                put(target, seen, ring)
            return ring
        if time.monotonic() >= until:
            return None
        time.sleep(min(1.0, max(until - time.monotonic(), 0.0)))


def _tell_next(act: Act, target: Target, ring: Ring, waits: Waits, *, confirmed: bool) -> None:
    if not confirmed:
        refuse("written, but not every Region reports it yet; run `relevo keys rotate --yes` again to confirm it")
    due = next_step(ring, now=datetime.now(UTC), waits=waits)
    act.say(f"{target.name}: done; every Region has {', '.join(sorted(ring.keys))}, current {ring.current}")
    if ring.rotation is None:
        act.say("no rotation is under way any more")
    else:
        act.say(f"next: {PLANS[due.step]}, in {duration(due.left)}: run `relevo keys rotate --yes` then")
