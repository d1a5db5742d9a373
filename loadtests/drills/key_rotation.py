"""The key-rotation drill: the signing key is rotated to the end under load, with every wait, and one step interrupted.

Hypothesis: no token is refused before it expires, in whichever Region it was issued, and none of the retired key is
accepted after the last step. Rollback: the rotation goes on from where it was left; `relevo keys rotate --yes`.
"""

from __future__ import annotations

import json
import time
from typing import Any

from loadtests.drills.conductor import Conductor
from loadtests.drills.lab_access import LabError
from loadtests.drills.plan import DrillPlan
from loadtests.drills.programs import interrupted_relevo, last_line, relevo
from loadtests.drills.token_witness import TokenWitness, forged
from loadtests.shapes import Step
from shared.adapters.keyring import CACHE_SECONDS
from shared.domain.auth import token_seconds
from shared.slo import KEY_ROTATION, QUICK, REAL, Timing
from shared.topology import TOPOLOGY

HYPOTHESIS = "Rotating the signing key under load costs nobody a token, and ends with the old key worth nothing."
WITNESS_SECONDS = 1.0
RUNS_AT_MOST = 12  # of the command: three steps, one of them interrupted, and some that had to be confirmed
EARLY_SECONDS = 4.0  # too short a rest to be early for sure: the command takes a second to start
FORGERIES = 6
FORGED_SECONDS = 60.0
OLD_SECONDS = 10.0  # of a token's life that are left when it is old


def time_scale(timing: Timing) -> float:
    return (REAL if timing == "real" else QUICK).time_scale


def key_rotation_plan(timing: Timing) -> DrillPlan:
    """Real timing takes some 38 minutes, since tokens live 30; quick timing five."""
    real = timing == "real"
    scale = time_scale(timing)
    rotation_seconds = token_seconds(scale) + 4 * CACHE_SECONDS * scale
    return DrillPlan(
        name="key-rotation",
        hypothesis=HYPOTHESIS,
        timing=timing,
        region=TOPOLOGY.region_names[0],
        mode="keys",
        warm_up=Step("warm-up", 5.0, 15.0 if real else 8.0),
        steady=(Step("5x", 5.0, 20.0 if real else 5.0),),
        lost_at_least_seconds=rotation_seconds,
        lost_at_most_seconds=rotation_seconds + (300.0 if real else 90.0),
        caught_up_at_most_seconds=60.0 if real else 20.0,
        together_seconds=30.0 if real else 5.0,
        converge_at_most_seconds=90.0 if real else 35.0,
        objectives=KEY_ROTATION,
    )


class KeyRotationConductor(Conductor):
    """Rotates the key by the operators' own command, while a witness shows tokens of each Region in the other."""

    def _at_peak(self) -> None:
        plan, course, lab = self.plan, self.course, self._observers.lab
        self._enter("old key", plan.peak, steady=True)
        course.unnoticed_since = time.time()
        self._early = 0
        self._witness = TokenWitness(lab, self._observers.reader, WITNESS_SECONDS)
        self._witness.start()
        try:
            ring = self._keyring()
            retired = str(ring["current"])
            self._stolen = (self._witness.take(TOPOLOGY.owner_region).token, str(ring["keys"][retired]))
            self._interrupt()
            if self._rotate(retired):
                self._hold("old key gone", plan.peak, CACHE_SECONDS * time_scale(plan.timing) + 1.0, steady=True)
                course.achieved["retired_key_accepted"] = sum(self._accepted_forgeries().values())
        finally:
            self._witness.stop()
        course.achieved["steps_taken_early"] = self._early
        course.achieved["rejected_tokens"] = self._rejected(retired)
        course.readmitted_at = course.mark("the rotation is over", "heal")

    def _interrupt(self) -> None:
        """Kill the first step as soon as the owner Region has the new key: its peer may not have it yet."""
        before = self._keyring()
        if interrupted_relevo("keys", "rotate", "--yes", when=lambda: self._keyring() != before):
            late = [region for region in self._observers.lab.regions if self._keyring(region) == before]
            self.course.mark("`relevo keys rotate` is killed half-way", "fault")
            self.course.notes.append(
                "the first step was killed when the new key was written, "
                + (f"but not in {', '.join(late)}" if late else "but not confirmed")
            )

    def _rotate(self, retired: str) -> bool:
        """Do step after step, each when it is due, until the old key is gone; return whether that came true."""
        for _ in range(RUNS_AT_MOST):
            due = self._due()
            due_at = time.monotonic() + due["left_seconds"]
            if due["left_seconds"] > EARLY_SECONDS:
                before = self._keyring()
                relevo("keys", "rotate", "--yes")  # too early: it must refuse
                self._early += self._keyring() != before
            if due["left_seconds"] > 0:
                self._enter(f"waiting to {due['step']}", self.plan.peak, steady=True)
                self._watch(lambda: False, due_at - time.monotonic())
            self._step()
            if retired not in self._keyring()["keys"]:
                return True
        self.course.notes.append(f"the old key was still there after {RUNS_AT_MOST} runs of `relevo keys rotate`")
        return False

    def _step(self) -> None:
        """Do the step that is due: tokens issued in one Region just before and after it are shown in the other."""
        before = [self._witness.take(region) for region in self._observers.lab.regions]
        step = self._due()["step"]
        if step == "remove" and not all(self._accepted_forgeries(1).values()):
            raise LabError("a token signed with the old key is refused before it is removed: nothing can be proved")
        done = relevo("keys", "rotate", "--yes")
        if done.returncode != 0:  # not every Region reports it yet: the next run confirms it
            self.course.notes.append(f"`relevo keys rotate` at {step!r}: {last_line(done)}")
        self.course.mark(f"key rotation: {step}")
        for login in [*before, *(self._witness.take(region) for region in self._observers.lab.regions)]:
            self._witness.show_elsewhere(login)

    def _accepted_forgeries(self, number: int = FORGERIES) -> dict[str, int]:
        """How many tokens that somebody signs with the old key each Region takes; every warm worker has a cache."""
        token, key = self._stolen
        return {
            region: sum(self._witness.accepts(region, forged(token, key, FORGED_SECONDS)) for _ in range(number))
            for region in self._observers.lab.regions
        }

    def _rejected(self, retired: str) -> int | None:
        """Living tokens that were refused; not measured unless the old key's were shown when about to expire."""
        shown = [showing for showing in self._witness.showings if showing.key == retired]
        last = min((showing.good_for for showing in shown), default=float("inf"))
        self.course.notes.append(
            f"{len(self._witness.showings)} times a token was shown in the Region that had not given it; "
            f"{len(shown)} times one of the old key, at last with {last:.0f} s to live"
        )
        return self._witness.rejected() if last < OLD_SECONDS else None

    def _due(self) -> dict[str, Any]:
        """What `relevo keys status` says is next."""
        done = relevo("keys", "status", "--json")
        if done.returncode != 0:
            raise LabError(f"`relevo keys status` failed: {last_line(done)}")
        due: dict[str, Any] = json.loads(done.stdout)["next"]
        return due

    def _keyring(self, region: str = TOPOLOGY.owner_region) -> dict[str, Any]:
        """The secret as a Region has it; the drill plays a thief too, so it may read it."""
        manager = self._observers.lab.regions[region].client("secretsmanager")
        ring: dict[str, Any] = json.loads(manager.get_secret_value(SecretId=TOPOLOGY.keyring_secret)["SecretString"])
        return ring
