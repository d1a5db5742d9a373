"""Why a drill on AWS may not begin. All of it is looked up, nothing is changed."""

from __future__ import annotations

from loadtests.drills.aws.access import AwsAccess
from loadtests.drills.aws.experiments import reserved_concurrency, template_id
from loadtests.drills.target import TargetError
from runbooks.healthy_side import HealthySide
from runbooks.lab_folder import lab_file
from runbooks.target import Target
from shared.alarms import ALARMS
from shared.experiments import DRILL_ALLOWED, DRILL_TAG, LOST_FUNCTIONS, Experiment
from shared.topology import TOPOLOGY, Topology, function_name


def refuse_unless_fit(
    access: AwsAccess, region: str, experiment: Experiment | None, *, topology: Topology = TOPOLOGY
) -> None:
    """Raise ``TargetError`` with the first reason why a drill may not harm this Region now."""
    if lab_file().exists():
        raise TargetError("a lab runs here, and commands would act on it: `relevo down` first")
    if topology.domain.endswith(".test"):
        raise TargetError("no domain is configured: set `domain` and `hosted_zone_id` in shared/topology.py")
    if not topology.drills_allowed:
        raise TargetError("drills are not allowed: set `drills_allowed` in shared/topology.py and deploy")
    _refuse_unless_tagged(access, region, experiment)
    if experiment is not None:
        template_id(access.client, experiment, experiment.home(region, topology))
    for name in topology.region_names:
        if red := access.experiments.red(name, tuple(alarm.alarm_name for alarm in ALARMS)):
            raise TargetError(f"not while an alarm is on in {name}: {', '.join(red)}")
    for name in (topology.peer_of(region), region):
        _refuse_unless_serving(name)
    if experiment is not None and experiment.name == "region-loss":
        off = [name for name, reserved in reserved_concurrency(access.client, region).items() if reserved == 0]
        if off:
            raise TargetError(
                f"functions of {region} are off already: {', '.join(off)}; give them back what topology says"
            )


def _refuse_unless_tagged(access: AwsAccess, region: str, experiment: Experiment | None) -> None:
    """The topology may say more than was deployed."""
    names = LOST_FUNCTIONS if experiment is not None and experiment.name == "region-loss" else (function_name("api"),)
    functions = access.client("lambda", region)
    for name in names:
        arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
        if functions.list_tags(Resource=arn).get("Tags", {}).get(DRILL_TAG) != DRILL_ALLOWED:
            raise TargetError(f"{name} in {region} does not carry {DRILL_TAG} = {DRILL_ALLOWED}: deploy the stack")


def _refuse_unless_serving(region: str) -> None:
    target = Target("aws", {}).brief()
    if not HealthySide(target, TOPOLOGY.peer_of(region)).serves():
        raise TargetError(f"{region} does not say that it serves; no drill while a Region is not healthy")
    if HealthySide(target, region).register().drains(region):
        raise TargetError(f"{region} is drained; readmit it first")
