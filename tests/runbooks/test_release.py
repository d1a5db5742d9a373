"""`relevo release`: one Region at a time, baked on real orders and alarms, taken back alone, and safe to run again."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runbooks import healthy_side, live_versions, release, release_run, synthetic_orders
from runbooks.release_judgement import STEPS, Step
from runbooks.release_run import Outcome, Release
from runbooks.target import Target
from shared.domain.takeover import Guard
from shared.slo import RELEASE_LIMITS
from shared.topology import LIVE, TOPOLOGY, function_name
from tests.runbooks.two_regions import TwoRegions, moto

FIRST, SECOND = TOPOLOGY.release_order
PARTS = ("api", "relay", "sentinel")  # as many as tell a function from all: moto is slow
STACKS = [step.stack for step in STEPS]


class Api(ThreadingHTTPServer):
    """A Region's API as far as a bake uses it: takes orders, and shows them with their effects."""

    def __init__(self, region: str) -> None:
        super().__init__(("127.0.0.1", 0), ApiHandler)
        self.region = region
        self.serving = True
        self.answers_orders = 201
        self.works = True  # events get their effects
        self.orders: dict[str, list[str]] = {}


class ApiHandler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200 if self.server.serving else 503, {"serving": self.server.serving})
            return
        statuses = self.server.orders[self.path.rpartition("/")[2]]
        events = [{"event_id": status, "status": status} for status in statuses]
        effects = [{"event_id": status} for status in statuses if self.server.works]
        self._answer(200, {"status": statuses[-1], "events": events, "effects": effects})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Host"] == TOPOLOGY.region_api_name(self.server.region)
        assert self.headers["Authorization"].startswith("Bearer ey")
        order_id = body.get("order_id") or self.path.split("/")[3]
        self.server.orders.setdefault(order_id, []).append(body.get("status", "created"))
        self._answer(self.server.answers_orders, {"order_id": order_id})

    def _answer(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    thread = threading.Thread(target=api.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield api
    finally:
        api.shutdown()
        thread.join()
        api.server_close()


@pytest.fixture
def apis() -> Iterator[dict[str, Api]]:
    with ExitStack() as stack:
        yield {region: stack.enter_context(serving(Api(region))) for region in TOPOLOGY.region_names}


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, apis: dict[str, Api]) -> Iterator[TwoRegions]:
    """Two Regions that are well and run version 1, with bakes of a moment."""
    with moto(monkeypatch, tmp_path):
        monkeypatch.setattr(Target, "api_url", lambda _, region: f"http://127.0.0.1:{apis[region].server_port}")
        target = Target("aws", {}, 0.0005)  # a bake of 0.3 s
        monkeypatch.setattr(release, "current_target", lambda: target)
        monkeypatch.setattr(live_versions, "PARTS", PARTS)
        monkeypatch.setattr(healthy_side, "LOOK_EVERY_SECONDS", 0.02)
        monkeypatch.setattr(synthetic_orders, "SHOWN_SECONDS", 0.3)
        made = TwoRegions(monkeypatch)
        made.make_keyring_copies()
        for region in TOPOLOGY.region_names:
            target.accounts(region).add(synthetic_orders.new_account(), now=datetime.now(UTC))
            target.order_queries(region).keep_guard(Guard(looked_at=datetime.now(UTC) + timedelta(minutes=5)))
            make_functions(made, region)
            made.make_usage_plans(region)
        yield made


def package(content: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("code.py", content)
    return written.getvalue()


def make_functions(regions: TwoRegions, region: str) -> None:
    iam = regions.client("iam", region)
    names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    if "any" not in names:
        iam.create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    role = iam.get_role(RoleName="any")["Role"]["Arn"]
    functions = regions.client("lambda", region)
    for part in PARTS:
        name = function_name(part)
        functions.create_function(
            FunctionName=name, Runtime="python3.13", Role=role, Handler="code.f", Code={"ZipFile": package("1")}
        )
        functions.publish_version(FunctionName=name)
        functions.create_alias(FunctionName=name, Name=LIVE, FunctionVersion="1")


class Deployments:
    """CloudFormation as `relevo release` sees it: publishes code once, and moves aliases that it has not moved yet."""

    def __init__(self, regions: TwoRegions, code: str = "2") -> None:
        self.regions = regions
        self.code = code
        self.stacks: list[str] = []
        self.fails_at: str | None = None
        self.then: Callable[[Step], None] = lambda _: None

    def __call__(self, step: Step) -> int:
        self.stacks.append(step.stack)
        if step.is_baked:
            functions = self.regions.client("lambda", step.region)
            for part in PARTS:
                self._deploy(functions, function_name(part))
        self.then(step)
        return 1 if step.stack == self.fails_at else 0

    def _deploy(self, functions: Any, name: str) -> None:
        tags = functions.list_tags(Resource=functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"])
        if tags["Tags"].get("code") == self.code:
            return  # no change: CloudFormation leaves the alias alone, wherever it is
        functions.update_function_code(FunctionName=name, ZipFile=package(self.code))
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.update_alias(FunctionName=name, Name=LIVE, FunctionVersion=version)
        functions.tag_resource(
            Resource=functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"], Tags={"code": self.code}
        )


def run(deployments: Deployments, *, accepted: tuple[str, ...] = (), is_first: bool = False) -> Outcome:
    said: list[str] = []
    target = release.current_target()
    return Release(target, deployments, said.append, accepted, is_first=is_first).run()


def live(regions: TwoRegions, region: str) -> set[str]:
    return {found.version for found in live_versions.look(regions.client("lambda", region)).values()}


def alarm(regions: TwoRegions, region: str, name: str) -> None:
    """Let an alarm be on; moto has no composite alarms, and the command asks for both kinds alike."""
    cloudwatch = regions.client("cloudwatch", region)
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")


def test_a_good_release_goes_through_all_stacks_in_order_with_orders_in_each_region(
    regions: TwoRegions, apis: dict[str, Api]
) -> None:
    deployments = Deployments(regions)
    outcome = run(deployments)
    assert outcome == Outcome(deployed=STACKS, baked=[FIRST, SECOND])
    assert deployments.stacks == STACKS
    for region in TOPOLOGY.region_names:
        assert live(regions, region) == {"2"}
        assert len(apis[region].orders) >= 2
        assert all(statuses == ["created", "assigned", "cancelled"] for statuses in apis[region].orders.values())


@pytest.mark.parametrize("trouble", ["refuses orders", "no effects", "its own alarm", "its peer's alarm"])
def test_a_bad_bake_takes_its_region_back_and_leaves_the_other_untouched(
    regions: TwoRegions, apis: dict[str, Api], trouble: str
) -> None:
    def bring(step: Step) -> None:
        if step.region != FIRST or not step.is_baked:
            return
        apis[FIRST].answers_orders = 500 if trouble == "refuses orders" else 201
        apis[FIRST].works = trouble != "no effects"
        if trouble == "its own alarm":
            alarm(regions, FIRST, "relevo-release-errors-relay")
        if trouble == "its peer's alarm":
            alarm(regions, SECOND, "relevo-region-impaired")

    deployments = Deployments(regions)
    deployments.then = bring
    outcome = run(deployments)
    assert outcome.stopped_at == f"relevo-{FIRST}"
    assert outcome.reasons
    assert len(outcome.taken_back) == len(PARTS)
    assert (live(regions, FIRST), live(regions, SECOND)) == ({"1"}, {"1"})
    assert f"relevo-{SECOND}" not in deployments.stacks


def test_a_failed_deployment_is_put_back_if_cloudformation_did_not(regions: TwoRegions) -> None:
    deployments = Deployments(regions)
    deployments.fails_at = f"relevo-{FIRST}"
    outcome = run(deployments)
    assert outcome.stopped_at == f"relevo-{FIRST}"
    assert (live(regions, FIRST), live(regions, SECOND)) == ({"1"}, {"1"})
    # Where CloudFormation left it is not what it should be: the next release does not go forward to it.
    functions = regions.client("lambda", FIRST)
    live_versions.note_deployed(functions, live_versions.look(functions))
    assert live(regions, FIRST) == {"1"}


def test_running_it_again_after_a_bad_bake_goes_forward_and_bakes_again(
    regions: TwoRegions, apis: dict[str, Api]
) -> None:
    deployments = Deployments(regions)
    apis[FIRST].works = False
    assert run(deployments).stopped_at == f"relevo-{FIRST}"
    assert live(regions, FIRST) == {"1"}
    assert run(deployments).stopped_at == f"relevo-{FIRST}"  # still bad: forward, and back once more
    assert live(regions, FIRST) == {"1"}
    apis[FIRST].works = True
    assert run(deployments).baked == [FIRST, SECOND]
    assert (live(regions, FIRST), live(regions, SECOND)) == ({"2"}, {"2"})


def test_a_run_that_was_interrupted_in_its_bake_can_still_be_taken_back(
    regions: TwoRegions, apis: dict[str, Api]
) -> None:
    """The second run deploys nothing new, and knows all the same where to go back to."""
    deployments = Deployments(regions)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release_run, "judge", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(deployments)
    assert live(regions, FIRST) == {"2"}
    apis[FIRST].works = False
    assert run(deployments).stopped_at == f"relevo-{FIRST}"
    assert live(regions, FIRST) == {"1"}


def test_a_fix_after_a_bad_bake_is_deployed_over_it(regions: TwoRegions, apis: dict[str, Api]) -> None:
    apis[FIRST].works = False
    assert run(Deployments(regions, "2")).taken_back
    apis[FIRST].works = True
    assert run(Deployments(regions, "3")).baked == [FIRST, SECOND]
    assert live(regions, FIRST) == {"3"}


@pytest.mark.parametrize("region", TOPOLOGY.region_names)
def test_nothing_is_deployed_while_a_region_does_not_serve(
    regions: TwoRegions, apis: dict[str, Api], region: str
) -> None:
    apis[region].serving = False
    deployments = Deployments(regions)
    outcome = run(deployments)
    assert outcome.stopped_at == STACKS[0]
    assert any("only healthy one" in reason for reason in outcome.reasons)
    assert deployments.stacks == []


@pytest.mark.parametrize("drained", TOPOLOGY.region_names)
def test_nothing_is_deployed_while_a_region_is_drained(regions: TwoRegions, drained: str) -> None:
    control = Target("aws", {}).control(TOPOLOGY.peer_of(drained))
    control.drain(drained, by="test", reason="a rehearsal", now=datetime.now(UTC))
    deployments = Deployments(regions)
    assert any(f"{drained} is drained" in reason for reason in run(deployments).reasons)
    assert deployments.stacks == []


def test_the_second_region_is_left_alone_when_the_first_falls_ill_after_its_bake(
    regions: TwoRegions, apis: dict[str, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = live_versions.note_baked

    def note_and_fall_ill(client: Any) -> None:
        noted(client)
        apis[FIRST].serving = False

    monkeypatch.setattr(live_versions, "note_baked", note_and_fall_ill)
    outcome = run(Deployments(regions))
    assert outcome.stopped_at == f"relevo-{SECOND}"
    assert (live(regions, FIRST), live(regions, SECOND)) == ({"2"}, {"1"})


def test_an_alarm_that_is_on_forbids_it_unless_it_is_accepted_and_signals_do_not(regions: TwoRegions) -> None:
    alarm(regions, SECOND, "relevo-signal-dead-letters-created")
    alarm(regions, SECOND, "relevo-dead-letters")
    assert run(Deployments(regions)).stopped_at == STACKS[0]
    assert run(Deployments(regions), accepted=("relevo-dead-letters",)).stopped_at is None


def test_the_first_deployment_needs_no_region_and_is_refused_once_one_serves(
    regions: TwoRegions, apis: dict[str, Api]
) -> None:
    assert "this is not the first time" in run(Deployments(regions), is_first=True).reasons[0]
    for api in apis.values():
        api.serving = False
    assert run(Deployments(regions), is_first=True) == Outcome(deployed=STACKS)


def test_without_yes_the_plan_the_undo_and_what_forbids_it_are_printed_and_nothing_is_done(
    regions: TwoRegions, apis: dict[str, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Step) -> int:
        raise AssertionError("deployed without --yes")

    monkeypatch.setattr(release, "deploy_with_cdk", never)
    apis[FIRST].serving = False
    done = regions.run("release")
    assert done.exit_code == 0
    for text in (*STACKS, f"undo: relevo release --back {FIRST} --yes", f"not now: {FIRST} does not serve"):
        assert text in done.output
    assert "nothing done; add --yes to act" in done.output
    plan = regions.run_json("release")
    assert [step["stack"] for step in plan["steps"]] == STACKS
    assert plan["not_now"]


def test_with_yes_the_outcome_is_printed_and_the_exit_code_tells_it(
    regions: TwoRegions, apis: dict[str, Api], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cdk.out").mkdir()
    (tmp_path / "cdk.out" / "manifest.json").write_text("{}")
    monkeypatch.setattr(release, "deploy_with_cdk", Deployments(regions))
    done = regions.run("release", "--yes", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["baked"] == [FIRST, SECOND]
    apis[SECOND].serving = False
    refused = regions.run("release", "--yes", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["stopped_at"] == STACKS[0]
    assert "Nothing after it was touched" in refused.stderr


def test_without_an_app_nothing_is_done(regions: TwoRegions) -> None:
    refused = regions.run("release", "--yes")
    assert refused.exit_code == 1
    assert "run `make synth`" in refused.stderr


def test_a_release_that_was_good_can_be_taken_back_region_by_region(regions: TwoRegions) -> None:
    assert "nothing to take back" in regions.run("release", "--back", FIRST, "--yes").output
    run(Deployments(regions))
    planned = regions.run("release", "--back", FIRST)
    assert "relevo-api 2 -> 1" in planned.output
    assert "undo: relevo release --yes" in planned.output
    assert live(regions, FIRST) == {"2"}
    assert regions.run("release", "--back", FIRST, "--yes").exit_code == 0
    assert (live(regions, FIRST), live(regions, SECOND)) == ({"1"}, {"2"})
    assert "nothing to take back" in regions.run("release", "--back", FIRST, "--yes").output
    # The undo: the same code again moves aliases forward, though CloudFormation has nothing to do.
    run(Deployments(regions))
    assert live(regions, FIRST) == {"2"}


def test_nothing_is_taken_back_under_a_deployment(regions: TwoRegions) -> None:
    run(Deployments(regions))
    functions = regions.client("lambda", FIRST)
    moving = {"AdditionalVersionWeights": {"1": 0.1}}
    functions.update_alias(FunctionName=function_name("api"), Name=LIVE, RoutingConfig=moving)
    refused = regions.run("release", "--back", FIRST, "--yes")
    assert refused.exit_code == 1
    assert "a deployment is under way (relevo-api 2)" in refused.stderr
    assert live(regions, FIRST) == {"2"}


def test_the_cdk_is_asked_for_one_stack_and_its_exit_code_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in for npx that writes down what it was asked and fails."""
    npx = tmp_path / "npx"
    npx.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 3\n')
    npx.chmod(0o755)
    monkeypatch.setattr(release_run.sys, "executable", str(tmp_path / "python"))
    assert release_run.deploy_with_cdk(STEPS[0]) == 3
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--yes", release_run.CDK, "deploy", "--app", "cdk.out", "--exclusively", "relevo-data"]


def test_a_bake_is_longer_than_its_alarms_look_back() -> None:
    assert RELEASE_LIMITS.bake_minutes >= 2 * RELEASE_LIMITS.of_minutes
    assert RELEASE_LIMITS.bake_minutes * 60 / RELEASE_LIMITS.order_seconds >= 10
