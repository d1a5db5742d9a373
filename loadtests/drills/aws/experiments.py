"""Starts the experiments of `shared.experiments`, watches them, and ends them. Whoever began one must call ``end``.

FIS ends an experiment by its own alarms, which are of one Region. What those cannot see, the Region on the other side,
is looked at here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.drills.target import TargetError
from shared.alarms import PREFIX
from shared.experiments import CLIENTS_SUFFER, EXPERIMENT_TAG, LOST_FUNCTIONS, NOT_FIT, Experiment
from shared.topology import TOPOLOGY

Client = Callable[[str, str], Any]  # of a service in a Region

STARTS_SECONDS: Final = 180.0  # the first experiment waits for its log to be set up
ENDS_SECONDS: Final = 240.0  # a cancelled automation has two minutes to clean up
LOOK_SECONDS: Final = 5.0
ENDED: Final = ("completed", "stopped", "failed", "cancelled")
# Of the Region that must not suffer, whichever FIS reads.
MUST_HOLD: Final = tuple(f"{PREFIX}-signal-{name}" for name in (NOT_FIT, CLIENTS_SUFFER))


@dataclass
class Running:
    """An experiment that was started, with what has to be as it was when it is over."""

    experiment: Experiment
    region: str  # that it harms
    home: str  # that it runs in
    id: str
    concurrency: dict[str, int | None] = field(default_factory=dict)

    @property
    def by_hand(self) -> str:
        return f"aws fis stop-experiment --region {self.home} --id {self.id}"


def reserved_concurrency(client: Client, region: str) -> dict[str, int | None]:
    """What is reserved for each function that a Region is without when it is lost; ``None`` for nothing."""
    functions = client("lambda", region)
    return {
        name: functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name in LOST_FUNCTIONS
    }


def template_id(client: Client, experiment: Experiment, home: str) -> str:
    """The id of an experiment's template in a Region; raises ``TargetError`` if the stack has not made it."""
    pages = client("fis", home).get_paginator("list_experiment_templates").paginate()
    for page in pages:
        for template in page["experimentTemplates"]:
            if template.get("tags", {}).get(EXPERIMENT_TAG) == experiment.name:
                return str(template["id"])
    raise TargetError(f"there is no template of the experiment {experiment.name} in {home}: deploy it first")


class Experiments:
    """The experiments that one drill has under way."""

    def __init__(self, client: Client, *, look_seconds: float = LOOK_SECONDS) -> None:
        self.running: list[Running] = []
        self._client = client
        self._look_seconds = look_seconds
        self._looked_at = 0.0

    def start(self, experiment: Experiment, region: str) -> Running:
        """Start an experiment and wait until it has struck; raises ``TargetError`` if it does not."""
        home = experiment.home(region, TOPOLOGY)
        loss = experiment.name == "region-loss"
        before = reserved_concurrency(self._client, region) if loss else {}
        answer = self._client("fis", home).start_experiment(
            clientToken=str(uuid.uuid4()),
            experimentTemplateId=template_id(self._client, experiment, home),
            tags={"Name": f"{experiment.full_name} in {region}", EXPERIMENT_TAG: experiment.name},
        )
        started = Running(experiment, region, home, str(answer["experiment"]["id"]), before)
        self.running.append(started)
        self._await(lambda: self._status(started)[0] == "running", STARTS_SECONDS, started, "does not run")
        if loss:
            self._await(lambda: self._is_off(region), STARTS_SECONDS, started, f"has not switched {region} off")
        return started

    def check(self) -> None:
        """Raise ``TargetError`` if one ended by itself or the other Region suffers; asks AWS every few seconds only."""
        if not self.running or time.monotonic() - self._looked_at < self._look_seconds:
            return
        self._looked_at = time.monotonic()
        for running in self.running:
            self._check(running)

    def end(self) -> None:
        """Stop all, wait until they are over and everything is as it was; raises ``TargetError`` with what is left."""
        left: list[str] = []
        for running in list(self.running):
            try:
                self._end(running)
            except (ClientError, BotoCoreError) as error:
                left.append(f"{running.experiment.full_name} could not be stopped ({error}): {running.by_hand}")
            except TargetError as error:
                left.append(str(error))
            else:
                self.running.remove(running)
        if left:
            raise TargetError("; ".join(left))

    def _end(self, running: Running) -> None:
        if self._status(running)[0] not in ENDED:
            self._client("fis", running.home).stop_experiment(id=running.id)
        self._await(lambda: self._status(running)[0] in ENDED, ENDS_SECONDS, None, f"does not end: {running.by_hand}")
        if running.concurrency and (off := self._not_given_back(running)):
            commands = "; ".join(self._give_back_by_hand(running, name) for name in off)
            raise TargetError(f"the automation left functions of {running.region} off: {commands}")

    def _check(self, running: Running) -> None:
        status, reason = self._status(running)
        if status != "running":
            raise TargetError(
                f"the experiment {running.experiment.full_name} ({running.id}) was ended by FIS in {running.home}, "
                f"{status}: {reason}{self._red_text(running.home, running.experiment.stop_alarms)}"
            )
        survivor = TOPOLOGY.peer_of(running.region)
        if red := self.red(survivor, MUST_HOLD):
            raise TargetError(f"{survivor}, which must not suffer, does: {', '.join(red)}")

    def red(self, region: str, names: tuple[str, ...]) -> list[str]:
        """Which of some alarms of a Region are on."""
        answer = self._client("cloudwatch", region).describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        found = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        return sorted(alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM")

    def _red_text(self, region: str, names: tuple[str, ...]) -> str:
        red = self.red(region, names)
        return f" (on now: {', '.join(red)})" if red else ""

    def _status(self, running: Running) -> tuple[str, str]:
        state = self._client("fis", running.home).get_experiment(id=running.id)["experiment"]["state"]
        return state["status"], state.get("reason", "")

    def _is_off(self, region: str) -> bool:
        return all(reserved == 0 for reserved in reserved_concurrency(self._client, region).values())

    def _not_given_back(self, running: Running) -> list[str]:
        now = reserved_concurrency(self._client, running.region)
        return [name for name, reserved in running.concurrency.items() if now[name] != reserved]

    @staticmethod
    def _give_back_by_hand(running: Running, name: str) -> str:
        reserved = running.concurrency[name]
        end = f"--region {running.region} --function-name {name}"
        if reserved is None:
            return f"aws lambda delete-function-concurrency {end}"
        return f"aws lambda put-function-concurrency {end} --reserved-concurrent-executions {reserved}"

    def _await(self, done: Callable[[], bool], seconds: float, running: Running | None, trouble: str) -> None:
        """Look until something is true; an experiment that is over before it struck is trouble too."""
        end = time.monotonic() + seconds
        while not done():
            if running is not None:
                status, reason = self._status(running)
                if status in ENDED:
                    raise TargetError(f"the experiment {running.experiment.full_name} is {status}: {reason}")
            if time.monotonic() >= end:
                raise TargetError(f"the experiment {trouble}")
            time.sleep(min(1.0, self._look_seconds))
