"""What a release is made of, when a Region may be released, and what its bake says. Pure: facts in, words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from runbooks.asking import NoAnswer
from shared.domain.takeover import NOBODY, Guard, Register, peer_is_lost
from shared.slo import RELEASE_LIMITS, ReleaseLimits
from shared.topology import TOPOLOGY


@dataclass(frozen=True, slots=True)
class Step:
    """One stack; a Region's is baked after it was deployed."""

    stack: str
    region: str
    is_baked: bool = False


STEPS: Final = (
    Step("relevo-data", TOPOLOGY.owner_region),
    Step("relevo-global", "us-east-1"),  # where Route 53 writes its metrics
    *(Step(f"relevo-{region}", region, is_baked=True) for region in TOPOLOGY.release_order),
    Step("relevo-site", "us-east-1"),  # CloudFront takes certificates from here; it reads the Regions' buckets
)


@dataclass(frozen=True, slots=True)
class State:
    """One Region as it is before a step."""

    serves: bool
    register: Register
    guard: Guard | None
    alarms: tuple[str, ...]  # that are on
    moving: tuple[str, ...]  # aliases between two versions
    may_ask_for_keys: bool = True  # no method of the app does, or there is the key of those without a plan


States = Mapping[str, State | NoAnswer]


def reasons_not_to(states: States, *, accepted: Sequence[str], now: datetime, looked_within: timedelta) -> list[str]:
    """Why no Region may be released now; empty when one may.

    Both have to be well: a Region is released while its peer can carry everything, and its own illness would be taken
    for the release's.
    """
    found: list[str] = []
    for region, state in states.items():
        if isinstance(state, NoAnswer):
            found.append(f"{region} does not answer ({state.reason}): its peer may be the only healthy one")
            continue
        if state.register.draining != NOBODY:
            found.append(f"{state.register.draining} is drained, {region} says: {state.register.reason}")
        if not state.serves:
            found.append(f"{region} does not serve: its peer may be the only healthy one")
        if state.guard is None or now - state.guard.looked_at > looked_within:
            found.append(f"the sentinel of {region} does not look")
        elif peer_is_lost(state.guard):
            found.append(f"{region} has lost its peer and takes over its work")
        found.extend(f"{alarm} is on in {region}" for alarm in state.alarms if alarm not in accepted)
        if not state.may_ask_for_keys:
            found.append(f"{region} has no key for callers without a plan: release once with counts_plans=False")
        found.extend(f"{name} of {region} is between two versions: a deployment is under way" for name in state.moving)
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a Region in its bake: a synthetic order, and the alarms of both Regions."""

    at: datetime
    order_fault: str = ""  # why the order failed; empty when it was done and shown in time
    alarms: tuple[str, ...] = ()  # without those that were accepted
    unseen: str = ""  # why the alarms of a Region could not be read


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the looks so far say."""

    word: Literal["goes on", "good", "bad"]
    reasons: tuple[str, ...] = ()


BLIND_LOOKS: Final = 3  # in a row; once is a call that failed


def judge(looks: Sequence[Look], *, bake: timedelta, limits: ReleaseLimits = RELEASE_LIMITS) -> Verdict:
    """Bad at the first alarm, at too many failed orders, and when alarms cannot be seen; good after a whole bake."""
    reasons = [f"{alarm} came on" for look in looks for alarm in look.alarms]
    faults = [look.order_fault for look in looks if look.order_fault]
    if len(faults) > limits.failed_orders:
        reasons += [f"a synthetic order failed: {fault}" for fault in faults]
    last = looks[-BLIND_LOOKS:]
    if len(last) == BLIND_LOOKS and all(look.unseen for look in last):
        reasons.append(f"{BLIND_LOOKS} looks in a row saw no alarms: {last[-1].unseen}")
    if reasons:
        return Verdict("bad", tuple(dict.fromkeys(reasons)))
    # A bake ends with a look that saw everything.
    if looks and looks[-1].at - looks[0].at >= bake and not looks[-1].unseen:
        return Verdict("good")
    return Verdict("goes on")
