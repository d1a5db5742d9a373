"""What the lab changes in MiniStack: few workers that are waited for, punctual schedules, dead requests dropped."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from ministack.services import dynamodb

from loadtests.lab.emulator import emulated_services, gateway, workers
from loadtests.lab.faults import slow_functions
from loadtests.lab.layout import Layout
from tests.lab.running_lab import eventually


class Platform:
    """As much of MiniStack as the changes touch: pools of workers that run a handler."""

    def __init__(self, handler: Callable[[Any], Any]) -> None:
        self.handler = handler
        self.spawned = 0
        platform = self

        class Worker:
            def __init__(self, name: str) -> None:
                self.func_name = name
                self.in_use = True
                self._lock = threading.Lock()
                self._proc: Any = None
                self._cold = True

            def _spawn(self) -> None:
                platform.spawned += 1
                self._proc = SimpleNamespace(poll=lambda: None)

            def invoke(self, event: Any, *_: Any) -> Any:
                if self._proc is None:
                    self._spawn()
                return {"status": "ok", "result": platform.handler(event)}

        self.runtime = SimpleNamespace(
            _workers={},
            _lock=threading.Lock(),
            _worker_key=lambda name, *_: f"account:region:{name}:$LATEST",
            Worker=Worker,
        )
        self.service = SimpleNamespace(
            acquire_worker=self._acquire, release_worker=self._release, invalidate_worker=lambda *_, **__: None,
            _execute_function_warm=self._execute,
        )  # fmt: skip
        workers.prepare_workers(Worker)
        workers.pool_workers(self.service, self.runtime)

    def _acquire(self, name: str, *_: Any, **__: Any) -> Any:
        pool = self.runtime._workers.setdefault(f"account:region:{name}:$LATEST", [])
        for worker in pool:
            if not worker.in_use:
                worker.in_use = True
                return worker, "reused"
        pool.append(self.runtime.Worker(name))
        return pool[-1], "spawn"

    def _release(self, worker: Any) -> None:
        worker.in_use = False

    def _execute(self, name: str, event: Any, request_id: str) -> Any:
        worker, _ = self.service.acquire_worker(name, {}, b"")
        if worker is None:
            return "throttled"
        try:
            return worker.invoke(event)["result"]
        finally:
            self.service.release_worker(worker)

    def invoke_at_once(self, *events: Any) -> list[Any]:
        answers: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda event=event: answers.append(self.service._execute_function_warm("f", event, "id"))
            )
            for event in events
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        return answers


def test_invocations_that_come_together_share_the_worker_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 5.0)  # longer than a busy machine keeps them from their turn
    platform = Platform(lambda event: time.sleep(0.02) or event)
    platform.invoke_at_once(0)
    assert sorted(platform.invoke_at_once(*range(10))) == list(range(10))
    assert platform.spawned == 1


def test_a_function_that_stays_busy_gets_workers_one_by_one_and_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(workers, "MORE_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(workers, "MAX_WORKERS", 3)
    platform = Platform(lambda event: time.sleep(0.3) or event)
    assert sorted(platform.invoke_at_once(*range(9))) == list(range(9))
    assert platform.spawned == 3


def test_an_invocation_that_waited_too_long_is_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_WORKERS", 1)
    monkeypatch.setattr(workers, "WAIT_SECONDS", 0.1)
    platform = Platform(lambda _: time.sleep(1.5) or "done")
    assert sorted(platform.invoke_at_once("a", "b")) == ["done", "throttled"]


def test_preparing_starts_as_many_workers_as_are_asked_for_and_runs_no_handler() -> None:
    called: list[Any] = []
    platform = Platform(called.append)
    platform.runtime.Worker._spawn = slowly(platform.runtime.Worker._spawn)
    platform.invoke_at_once(*[workers.PREPARE] * 3)
    assert (platform.spawned, called) == (3, [])


def test_a_function_that_is_to_be_slow_is_slow_while_it_holds_its_worker_and_no_other_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout.at(tmp_path)
    folder = layout.temporary_folder / "us-east-1"
    folder.mkdir(parents=True)
    service = SimpleNamespace(acquire_worker=lambda *_: ("worker", "reused"))
    slow_functions.heed_slowness(service, folder)

    slept: list[float] = []
    monkeypatch.setattr(slow_functions.time, "sleep", slept.append)

    def seconds(name: str) -> float:
        slept.clear()
        assert service.acquire_worker(name, {}, b"") == ("worker", "reused")
        return sum(slept)

    slow_functions.slow_down(layout, "us-east-1", "relevo-api", 0.3)
    slow_functions.slow_down(layout, "us-east-1", "relevo-relay", 0.2)
    assert [seconds(name) for name in ("relevo-api", "relevo-relay", "relevo-health")] == [0.3, 0.2, 0]
    slow_functions.speed_up(layout, "us-east-1")
    assert seconds("relevo-api") == 0


@pytest.mark.parametrize("form", [json.dumps, lambda answer: json.dumps(answer).encode(), dict])
def test_a_callers_key_is_the_one_that_the_authorizer_named_also_out_of_the_cache(form: Callable[[Any], Any]) -> None:
    """MiniStack keeps the context of an answer and nothing else of it; what a header says is not read."""
    answers = {
        "ana": {"usageIdentifierKey": "key-of-ana", "context": {"sub": "ana"}},
        "old": {"context": {"sub": "old"}},
    }
    cache: dict[str, Any] = {}

    async def invoke(token: str) -> Any:
        return {"body": form(answers[token])} if token in answers else {"error": True, "body": "Unauthorized"}

    async def authorize(token: str) -> Any:
        if token not in cache:
            done = await apigateway._invoke_authorizer_lambda(token)
            if done.get("error"):
                return "401", None
            body = done["body"]
            found = json.loads(body) if isinstance(body, (str, bytes)) else body
            cache[token] = {name: value for name, value in found["context"].items() if value is not None}
        return None, cache[token]

    apigateway = SimpleNamespace(
        _invoke_authorizer_lambda=invoke, _authorize_request_v1=authorize, _api_key_from_request=lambda sent: sent
    )
    emulated_services.know_keys_of_authorizers(apigateway)

    async def request(token: str) -> Any:
        error, context = await apigateway._authorize_request_v1(token)
        return error, context, apigateway._api_key_from_request({"x-api-key": "sent"})

    async def requests() -> list[Any]:
        return [await request(token) for token in ("ana", "old", "ana", "nobody", "ana")]

    ana = (None, {"sub": "ana"}, "key-of-ana")
    assert asyncio.run(requests()) == [ana, (None, {"sub": "old"}, None), ana, ("401", None, None), ana]


def slowly(work: Callable[[Any], None]) -> Callable[[Any], None]:
    def worked(self: Any) -> None:
        time.sleep(0.2)
        work(self)

    return worked


def test_a_scheduled_invocation_that_is_throttled_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulated_services, "SCHEDULE_LOOK_SECONDS", 0.02)
    results = [{"throttle": True}, {"throttle": True}, {}]
    got: list[Any] = []
    eventbridge = SimpleNamespace(_parse_rate_seconds=lambda _: 60.0)
    service = SimpleNamespace(
        _get_func_record_for_ref=lambda _: ("record", "config", "name"),
        _execution_record_for_config=lambda *_: "execution",
        _execute_function_with_config_scope=lambda _, event: got.append(event) or results[len(got) - 1],
    )
    emulated_services.keep_schedules(eventbridge, service, scale=0.1)
    eventbridge._dispatch_to_lambda("function", json.dumps({"a": 1}))
    eventually(lambda: len(got) == 3, within=5, what="the third try")
    time.sleep(0.1)
    assert got == [{"a": 1}] * 3
    assert eventbridge._parse_rate_seconds("rate(1 minute)") == 6.0


def test_workers_find_the_whole_package_without_unpacking_it_each(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("module.py", "VALUE = 1")
        archive.writestr("package/inner.py", "VALUE = 2")
    runtime = SimpleNamespace()
    workers.share_packages(runtime, tmp_path / "packages")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with runtime.zipfile.ZipFile(str(tmp_path / "code.zip")) as archive:
            archive.extractall(tmp_path / name)
        assert (tmp_path / name / "package" / "inner.py").read_text() == "VALUE = 2"
    assert len(list((tmp_path / "packages").iterdir())) == 1


def serve_one(*, frozen_before: bool, messages: list[dict[str, Any]]) -> list[Any]:
    """Give one request to an application behind ``HangUps``; returns what the application received."""
    received: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.append((await receive())["type"])

    async def receive() -> Any:
        return messages.pop(0)

    async def run() -> None:
        served = gateway.HangUps(application)
        if frozen_before:
            served._ticked_at -= 60
        await served({"type": "http"}, receive, None)

    asyncio.run(run())
    return received


REQUEST = {"type": "http.request", "body": b"{}", "more_body": False}
GONE = {"type": "http.disconnect"}


def test_a_request_whose_client_hung_up_while_the_region_was_frozen_is_dropped() -> None:
    assert serve_one(frozen_before=True, messages=[GONE]) == []


def test_a_request_whose_client_still_waits_after_a_freeze_is_served() -> None:
    assert serve_one(frozen_before=True, messages=[REQUEST]) == ["http.request"]


def test_without_a_freeze_nothing_is_looked_at() -> None:
    assert serve_one(frozen_before=False, messages=[GONE]) == ["http.disconnect"]


def test_what_a_function_reserves_limits_its_versions_too() -> None:
    function = {"concurrency": 1, "config": {}}
    service = SimpleNamespace(
        _reserved_concurrency=lambda record, _: record.get("concurrency"),
        _account_region_from_function_config=lambda _: ("1", "us-east-1"),
        _functions=SimpleNamespace(get_scoped=lambda *key: {("1", "us-east-1", "f"): function}.get(key)),
    )
    emulated_services.reserve_for_versions(service)
    assert service._reserved_concurrency({"config": {}}, {"FunctionName": "f"}) == 1
    assert service._reserved_concurrency({"config": {}}, {"FunctionName": "deleted meanwhile"}) is None


ITEM = {"pk": {"S": "ORDER#1"}, "sk": {"S": "ROW"}, "count": {"N": "3"}, "tags": {"L": [{"S": "a"}]}}
VALUES = {":pk": {"S": "ORDER#1"}, ":low": {"N": "1"}, ":high": {"N": "5"}, ":a": {"S": "a"}}


@pytest.mark.parametrize(
    "expression",
    [
        "pk = :pk",
        "#pk = :pk AND begins_with(sk, :a)",
        "attribute_not_exists(pk) OR #count < :high",
        "NOT (contains(tags, :a) AND #count BETWEEN :low AND :high)",
        "#count BETWEEN :high AND :low",
        "size(tags) > :low",
        "pk = :missing",
        "#missing = :pk",
        "pk = ",
        "((pk = :pk))",
        "",
    ],
)
def test_an_expression_that_was_read_before_holds_or_fails_as_it_does_at_first(
    monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    monkeypatch.setattr(dynamodb, "_evaluate_condition", dynamodb._evaluate_condition)
    names = {"#pk": "pk", "#count": "count"}

    def outcomes() -> list[Any]:
        found: list[Any] = []
        for item in (ITEM, {}, ITEM | {"pk": {"S": "other"}, "sk": {"S": "a-row"}, "count": {"N": "9"}}):
            for slot in ("ConditionExpression", "KeyConditionExpression"):
                try:
                    found.append(dynamodb._evaluate_condition(expression, item, VALUES, names, slot))
                except ValueError as error:
                    found.append(str(error))
        return found

    as_shipped = outcomes()
    emulated_services.remember_expressions(dynamodb)
    assert [outcomes(), outcomes()] == [as_shipped, as_shipped]
