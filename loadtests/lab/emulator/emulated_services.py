"""What MiniStack's services do otherwise than AWS, or twice, put right from outside; `gateway` names each change."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from contextvars import ContextVar
from typing import Any, Final

from shared.topology import LIVE

SCHEDULE_LOOK_SECONDS: Final = 0.5
SCHEDULED_EVENT_SECONDS: Final = 60.0
ASYNCHRONOUS_CALL_SECONDS: Final = 6 * 3600.0
PRINCIPAL_SECONDS: Final = 1.0
EXPRESSIONS: Final = 1024  # the product has some thirty
LATEST: Final = "$LATEST"
KEY: Final = "usageIdentifierKey"


def keep_schedules(eventbridge: Any, lambda_svc: Any, scale: float) -> None:
    """Fire schedules within half a second, and let what is throttled wait its turn instead of dropping it.

    A sentinel that ends a second late would otherwise rest for a minute.
    """

    def dispatch(function: str, payload: str) -> None:
        record, config, _ = lambda_svc._get_func_record_for_ref(function)  # noqa: SLF001
        if record is None or config is None:
            return
        execution = lambda_svc._execution_record_for_config(record, config)  # noqa: SLF001

        def run() -> None:
            deadline = time.monotonic() + SCHEDULED_EVENT_SECONDS
            while time.monotonic() < deadline:
                result = lambda_svc._execute_function_with_config_scope(execution, json.loads(payload))  # noqa: SLF001
                if not result.get("throttle"):
                    return
                time.sleep(SCHEDULE_LOOK_SECONDS)

        threading.Thread(target=run, daemon=True).start()

    rate_seconds = eventbridge._parse_rate_seconds  # noqa: SLF001

    def scaled_rate_seconds(expression: str) -> float | None:
        seconds = rate_seconds(expression)
        return None if seconds is None else seconds * scale

    eventbridge._parse_rate_seconds = scaled_rate_seconds  # noqa: SLF001
    eventbridge._SCHEDULER_TICK_INTERVAL = SCHEDULE_LOOK_SECONDS  # noqa: SLF001
    eventbridge._dispatch_to_lambda = dispatch  # noqa: SLF001


def keep_asynchronous_calls(lambda_svc: Any) -> None:
    """Let an asynchronous call that is throttled wait its turn: it counted as a failed try, and three drop the call."""
    call, execute = lambda_svc.invoke_async_with_retry, lambda_svc._execute_function  # noqa: SLF001
    asynchronous = ContextVar("asynchronous", default=False)  # MiniStack takes the context into the call's thread

    def call_marked(function: Any, event: object) -> None:
        token = asynchronous.set(True)
        try:
            call(function, event)
        finally:
            asynchronous.reset(token)

    def execute_in_turn(function: Any, event: object) -> Any:
        deadline = time.monotonic() + ASYNCHRONOUS_CALL_SECONDS
        while True:
            result = execute(function, event)
            if not (asynchronous.get() and result.get("throttle")) or time.monotonic() > deadline:
                return result
            time.sleep(SCHEDULE_LOOK_SECONDS)

    lambda_svc.invoke_async_with_retry = call_marked
    lambda_svc._execute_function = execute_in_turn  # noqa: SLF001


def heed_aliases(lambda_svc: Any) -> None:
    """Call asynchronously as is said of the alias, failure destination included: MiniStack asks the function alone."""
    call = lambda_svc.invoke_async_with_retry

    def call_as_said(execution: Any, event: object) -> None:
        account, region = lambda_svc._account_region_from_function_config(execution["config"])  # noqa: SLF001
        function = lambda_svc._functions.get_scoped(account, region, execution["config"]["FunctionName"])  # noqa: SLF001
        said = (function or {}).get("event_invoke_configs", {}).get(LIVE)  # nobody calls a function otherwise
        call({**execution, "event_invoke_config": said}, event)

    lambda_svc.invoke_async_with_retry = call_as_said


def reserve_for_versions(lambda_svc: Any) -> None:
    """Let what a function reserves hold for its versions too: their records are without it, and were not limited."""
    reserved = lambda_svc._reserved_concurrency  # noqa: SLF001

    def reserved_by_function(record: Any, config: Any) -> Any:
        account, region = lambda_svc._account_region_from_function_config(config)  # noqa: SLF001
        function = lambda_svc._functions.get_scoped(account, region, config["FunctionName"])  # noqa: SLF001
        return reserved(function or record, config)

    lambda_svc._reserved_concurrency = reserved_by_function  # noqa: SLF001


def give_up_health(app: Any) -> None:
    """Leave ``/health`` to the API: MiniStack would answer it whatever host is asked for."""
    app._HEALTH_PATHS = ("/_ministack/health",)  # noqa: SLF001


def know_fifo_topics(sns: Any) -> None:
    """Take a topic for FIFO by its name: what CloudFormation made is otherwise without groups and deduplication."""
    sns._is_fifo_topic = lambda topic: str(topic["arn"]).endswith(".fifo")  # noqa: SLF001


def know_keys_of_authorizers(apigateway: Any) -> None:
    """Take a caller's key from the authorizer, as the API's template says: MiniStack looks for it in a header.

    On its way it lies in the authorizer's context, which MiniStack keeps with the answer; no handler sees it.
    """
    key: ContextVar[str | None] = ContextVar("key", default=None)
    invoke, authorize = apigateway._invoke_authorizer_lambda, apigateway._authorize_request_v1  # noqa: SLF001

    async def invoke_keeping_the_key(*arguments: Any) -> Any:
        done = await invoke(*arguments)
        if done is None or done.get("error"):
            return done
        body = done["body"]
        answer = json.loads(body) if isinstance(body, (str, bytes)) else body
        return {**done, "body": {**answer, "context": {**answer["context"], KEY: answer.get(KEY)}}}

    async def authorize_taking_the_key(*arguments: Any) -> Any:
        error, context = await authorize(*arguments)
        kept = dict(context or {})
        key.set(kept.pop(KEY, None))
        return error, kept or context

    apigateway._invoke_authorizer_lambda = invoke_keeping_the_key  # noqa: SLF001
    apigateway._authorize_request_v1 = authorize_taking_the_key  # noqa: SLF001
    apigateway._api_key_from_request = lambda _: key.get()  # noqa: SLF001


def remember_principals(iam_evaluator: Any) -> None:
    """Keep who a key is, and what its policies say, for a moment: they were parsed anew, twice in each call."""
    resolve = iam_evaluator.resolve_principal
    known: dict[tuple[str, str], tuple[Any, float]] = {}

    def resolve_once(key: str, account: str, credential: Any = None) -> Any:
        found, until = known.get((key, account), (None, 0.0))
        if time.monotonic() < until and (credential is None or credential.principal_arn == found.arn):
            return found
        found = resolve(key, account, credential)
        if not isinstance(found, iam_evaluator.AuthError):
            known[key, account] = found, time.monotonic() + PRINCIPAL_SECONDS
        return found

    iam_evaluator.resolve_principal = resolve_once


def remember_expressions(dynamodb: Any) -> None:
    """Read an expression and check its form once: both were done anew for each item that a query looks at."""
    evaluate = dynamodb._evaluate_condition  # noqa: SLF001
    read: dict[tuple[str, str], Any] = {}

    def evaluate_again(expr: str, item: Any, values: Any, names: Any, slot: str = "ConditionExpression") -> Any:
        if (tokens := read.get((expr, slot))) is not None:
            with contextlib.suppress(Exception):  # whatever is wrong is said below, in the service's words
                return dynamodb._ExprEval(tokens, item, values, names).evaluate()  # noqa: SLF001
        holds = evaluate(expr, item, values, names, slot)
        # The bounds of a BETWEEN are values, and are checked each time.
        if expr and "between" not in expr.lower() and len(read) < EXPRESSIONS:
            read[expr, slot] = dynamodb._tokenize(expr)  # noqa: SLF001
        return holds

    dynamodb._evaluate_condition = evaluate_again  # noqa: SLF001
