"""An account with the functions of one Region and the experiments of both in moto, and FIS played over it.

Moto keeps experiments but does nothing with them: what FIS would do at start and stop is done here, by the very script
that the automation runs.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_api import state_manager

from loadtests.drills.aws.access import AwsAccess
from loadtests.drills.aws.experiments import Experiments
from regions import concurrency_script
from shared.experiments import DRILL_ALLOWED, DRILL_TAG, EXPERIMENT_TAG, EXPERIMENTS, LOST_FUNCTIONS
from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import HERE, TwoRegions

RESERVED = {name: 10 + number for number, name in enumerate(LOST_FUNCTIONS)}
ADDRESSES = {"192.0.2.1": "us-east-1", "192.0.2.2": "us-east-2"}


class DrillAccount:
    """What is deployed, what FIS did, and the access of a drill to it."""

    def __init__(self, regions: TwoRegions, *, tag: str = DRILL_ALLOWED) -> None:
        self.regions = regions
        self.automation_works = True
        self._before: dict[str, dict[str, str]] = {}
        # Experiments stay as they are until somebody changes them.
        state_manager.set_transition("fis::experiment", {"progression": "manual", "times": 1_000_000})
        self.access = AwsAccess(asked=ADDRESSES.get)
        self.access.experiments = Experiments(self.access.client, look_seconds=0.0)
        self._make_functions(HERE, tag)
        for region in TOPOLOGY.region_names:
            self._make_templates(region)
        for region in TOPOLOGY.region_names:
            events = self.access.client("fis", region).meta.events
            events.register("after-call.fis.StartExperiment", self._started(region))
            events.register("after-call.fis.StopExperiment", self._stopped(region))

    def _make_functions(self, region: str, tag: str) -> None:
        client = self.access.client("lambda", region)
        self.regions.client("iam", region).create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as package:
            package.writestr("handler.py", "")
        for name, reserved in RESERVED.items():
            client.create_function(
                FunctionName=name, Runtime="python3.13", Handler="handler.handler", Code={"ZipFile": code.getvalue()},
                Role=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/functions", Tags={DRILL_TAG: tag},
            )  # fmt: skip
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)

    def _make_templates(self, region: str) -> None:
        for experiment in EXPERIMENTS:
            self.access.client("fis", region).create_experiment_template(
                clientToken=experiment.name, description=experiment.summary, stopConditions=[{"source": "none"}],
                actions={}, roleArn="arn:aws:iam::123456789012:role/fis", tags={EXPERIMENT_TAG: experiment.name},
            )  # fmt: skip

    def _started(self, region: str) -> Any:
        def play(parsed: dict[str, Any], **_: object) -> None:
            experiment = parsed["experiment"]
            self.set_status(region, experiment["id"], "running")
            if experiment["tags"][EXPERIMENT_TAG] == "region-loss":
                target = {"Region": TOPOLOGY.peer_of(region), "Functions": list(LOST_FUNCTIONS)}
                self._before[experiment["id"]] = {**target, **concurrency_script.note(target, None)}
                concurrency_script.take(target, None)

        return play

    def _stopped(self, region: str) -> Any:
        def play(parsed: dict[str, Any], **_: object) -> None:
            experiment_id = parsed["experiment"]["id"]
            self.set_status(region, experiment_id, "stopped")
            if experiment_id in self._before and self.automation_works:
                concurrency_script.give_back(self._before[experiment_id], None)

        return play

    def set_status(self, region: str, experiment_id: str, status: str) -> None:
        get_backend("fis")[DEFAULT_ACCOUNT_ID][region].experiments[experiment_id].status = status

    def statuses(self, region: str) -> list[str]:
        """Of every experiment that was ever started in a Region."""
        return [
            found["state"]["status"] for found in self.access.client("fis", region).list_experiments()["experiments"]
        ]

    def reserved(self, region: str) -> dict[str, int | None]:
        client = self.access.client("lambda", region)
        return {
            name: client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
            for name in LOST_FUNCTIONS
        }

    def alarm(self, region: str, name: str) -> None:
        """An alarm of the project is on."""
        client = self.access.client("cloudwatch", region)
        client.put_metric_alarm(
            AlarmName=name, Namespace="Relevo", MetricName="Any", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
