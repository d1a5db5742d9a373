"""The product's functions loaded into this process for a simulation: one thing at a time, counting and logging nowhere.

Each call loads modules of its own, as every Region has functions of its own; what was loaded before stays as it was.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime
from types import ModuleType
from typing import Any, Final

from shared.topology import TOPOLOGY

OWN: Final = (
    "regions.handlers.", "shared.adapters.settings", "shared.adapters.clients", "shared.adapters.webhooks",
)  # fmt: skip
ENVIRONMENT: Final = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
    "ORDER_LOG_TABLE": TOPOLOGY.order_log_table,
    "ORDER_VIEW_TABLE": TOPOLOGY.order_view_table,
    "ACCOUNTS_TABLE": TOPOLOGY.accounts_table,
    "CONTROL_TABLE": TOPOLOGY.control_table,
    "EFFECT_BUS_NAME": TOPOLOGY.effect_bus,
    "EVENT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:relevo-events.fifo",
    "KEYRING_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:relevo/keyring",
    "WEBHOOK_QUEUE_URL": TOPOLOGY.webhook_queue,
    "TIME_SCALE": "1",
    "STATUS": "created",
    "PEER_ENDPOINT": "http://peer",
    "PEER_AWS_ENDPOINT_URL": "",
    "POWERTOOLS_SERVICE_NAME": "relevo",
    "POWERTOOLS_METRICS_NAMESPACE": "Relevo",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


class InlinePool(Executor):
    """Runs at once what a pool would run beside others, so that a history depends on its steps alone."""

    def __init__(self, *_: object) -> None:
        """Take what a pool takes."""

    def map(self, fn: Any, *values: Any, timeout: float | None = None, chunksize: int = 1) -> Iterator[Any]:
        del timeout, chunksize
        return iter([fn(*each) for each in zip(*values, strict=True)])

    def submit(self, call: Any, /, *values: Any, **named: Any) -> Any:
        call(*values, **named)
        return InlinePool

    @staticmethod
    def result() -> None:
        """Nothing to wait for."""


class Counted(Counter[str]):
    """In place of the metrics."""

    def add_metric(self, *, name: str, unit: object, value: float) -> None:
        del unit
        self[name] += round(value)

    def log_metrics(self, **_: object) -> Callable[[Any], Any]:
        return lambda handler: handler

    def flush_metrics(self) -> None:
        """Nothing to write."""


class Quiet:
    """In place of the logger."""

    def inject_lambda_context(self, **_: object) -> Callable[[Any], Any]:
        return lambda handler: handler

    def ignore(self, *_: object, **__: object) -> None:
        """Take a line and say nothing."""

    info = warning = error = exception = append_keys = ignore


class Product:
    """The product's modules, as one Region has them."""

    def __init__(self, region: str, peer: str, names: tuple[str, ...], clock: Callable[[], datetime]) -> None:
        self.counts = Counted()
        self.modules: dict[str, ModuleType] = {}
        with _fresh_modules({**ENVIRONMENT, "AWS_REGION": region, "PEER_REGION": peer}):
            clients = importlib.import_module("shared.adapters.clients")
            for service in ("dynamodb", "brief_dynamodb", "sns", "events", "secretsmanager", "sqs"):
                setattr(clients, service, _late(self, service))
            clients.peer_dynamodb = lambda *_: self.clients["peer_dynamodb"]  # type: ignore[attr-defined]
            self.clients: dict[str, Any] = {}
            runtime: Any = importlib.import_module("regions.handlers.runtime")
            # Before the other modules take them from there.
            runtime.logger, runtime.metrics, runtime.now = Quiet(), self.counts, clock
            webhooks: Any = importlib.import_module("shared.adapters.webhooks")
            webhooks.ThreadPoolExecutor = InlinePool
            self.webhooks = webhooks
            self.prepare(runtime)
            for name in names:
                module = importlib.import_module(f"regions.handlers.{name}")
                if hasattr(module, "ThreadPoolExecutor"):
                    module.ThreadPoolExecutor = InlinePool  # type: ignore[attr-defined]
                self.modules[name] = module
            self.modules["runtime"] = runtime

    def prepare(self, runtime: Any) -> None:
        """Change what a speed needs otherwise, before the functions are imported."""

    def __getitem__(self, name: str) -> Any:
        return self.modules[name]


class _Client:
    """An AWS client that is known only when a history begins."""

    def __init__(self, product: Product, service: str) -> None:
        self._product, self._service = product, service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._product.clients[self._service], name)


def _late(product: Product, service: str) -> Callable[[], Any]:
    client = _Client(product, service)
    return lambda: client


@contextmanager
def _fresh_modules(environment: Mapping[str, str]) -> Iterator[None]:
    """Import modules afresh that others of this process have, or will have, for themselves."""
    packages = {name: importlib.import_module(name) for name in ("regions.handlers", "shared.adapters")}

    def take_out() -> dict[str, ModuleType]:
        found = {name: module for name, module in sys.modules.items() if name.startswith(OWN)}
        for name in found:
            del sys.modules[name]
            package, _, short = name.rpartition(".")
            vars(packages[package]).pop(short, None)
        return found

    before, environment_before = take_out(), dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        take_out()
        os.environ.clear()
        os.environ.update(environment_before)
        for name, module in before.items():
            sys.modules[name] = module
            package, _, short = name.rpartition(".")
            setattr(packages[package], short, module)
