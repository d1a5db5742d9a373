"""Runs the functions' code against one Region and measures it; a process of its own, started by `relevo bench`.

Prints nothing, since the functions' logs and metrics go to standard output; the measurements go into a file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import boto3
from boto3.dynamodb.types import TypeSerializer

from loadtests.bench.history import END, History
from loadtests.bench.wire import Wire
from shared.adapters import clients, items
from shared.adapters.event_topic import message_of
from shared.adapters.items import event_from_plain
from shared.topology import TOPOLOGY

JOURNEY: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "created",
        {
            "city": "Medellín",
            "items": [
                {"product": "Café de origen Huila 500 g", "price": "32000", "quantity": 2},
                {"product": "Panela orgánica 1 kg", "price": "12500"},
            ],
        },
    ),
    ("assigned", {"courier": "Luz Marina Gómez"}),
    ("in_transit", {}),
    ("delivered", {}),
)
ORDERS: Final = 10  # journeys whose calls are counted
READS: Final = 20  # of each kind and size
SCOPE: Final = "orders:write orders:read orders:list metrics:read status:read"
BATCH: Final = 50  # records of a full batch of the relay, as it is measured


class Context(SimpleNamespace):
    """What Lambda passes beside the event."""

    function_name = "relevo-bench"
    function_version = "1"
    memory_limit_in_mb = 1024
    aws_request_id = "bench"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:relevo-bench"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass
class Timed:
    """Milliseconds of the clock and of this process's own work, call by call."""

    wall: list[float]
    cpu: list[float]

    def document(self, each: int = 1) -> dict[str, float]:
        return {
            "ms_median": round(statistics.median(self.wall) / each, 3),
            "cpu_ms_median": round(statistics.median(self.cpu) / each, 3),
        }


def timed(calls: Iterable[Callable[[], object]]) -> Timed:
    found = Timed([], [])
    for call in calls:
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        found.cpu.append((time.process_time() - cpu) * 1000)
        found.wall.append((time.perf_counter() - wall) * 1000)
    return found


class Functions:
    """The functions of a Region, called as AWS calls them."""

    def __init__(self) -> None:
        from regions.handlers import runtime  # noqa: PLC0415  # the clock is set before the others take it from there

        self.at: datetime | None = None
        real = runtime.now
        runtime.now = lambda: self.at or real()
        from regions.handlers import api, processor, relay  # noqa: PLC0415

        self._api, self._relay, self._processor = api.handler, relay.handler, processor.handler
        self.wire = Wire(
            [clients.dynamodb(), clients.brief_dynamodb(), clients.sns(), clients.events(), clients.secretsmanager()]
        )
        self.own_client = boto3.client("dynamodb")  # nobody counts what goes through it
        self._sequence = 0

    def call(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> Any:
        headers = {"Host": TOPOLOGY.api_name, "Content-Type": "application/json"}
        event = {
            "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
            "pathParameters": None, "stageVariables": None,
            "requestContext": {
                "path": path, "stage": "live", "requestId": "r", "httpMethod": method, "apiId": "api",
                "identity": {"sourceIp": "203.0.113.9"},
                "authorizer": {"sub": "bench", "scope": SCOPE, "principalId": "bench"},
            },
            "body": json.dumps(body) if body is not None else None, "isBase64Encoded": False,
        }  # fmt: skip
        answer = self._api(event, Context())
        if answer["statusCode"] not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer['statusCode']} {answer['body'][:300]}")
        return json.loads(answer["body"])

    def stored(self, order_id: str, event_id: str, kind: str) -> items.Plain:
        """An event or an effect as the log has it, read past the counters."""
        key = items.event_key(event_id) if kind == "event" else items.effect_key(event_id)
        answer = self.own_client.get_item(
            TableName=TOPOLOGY.order_log_table, Key=items.to_wire({"pk": items.order_key(order_id), "sk": key})
        )
        return items.from_wire(answer["Item"])

    def relay(self, stored: Sequence[items.Plain]) -> None:
        records = []
        for item in stored:
            self._sequence += 1
            image = {name: TypeSerializer().serialize(value) for name, value in item.items()}
            records.append({
                "eventID": str(self._sequence), "eventName": "INSERT", "eventSource": "aws:dynamodb",
                "awsRegion": TOPOLOGY.region_names[0],
                "dynamodb": {
                    "Keys": {name: image[name] for name in ("pk", "sk")}, "NewImage": image,
                    "SequenceNumber": f"{self._sequence:021d}", "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            })  # fmt: skip
        if failures := self._relay({"Records": records}, Context())["batchItemFailures"]:
            raise RuntimeError(f"the relay reports {failures}")

    def process(self, event: items.Plain) -> None:
        record = {
            "messageId": event["event_id"], "receiptHandle": "h", "body": message_of(event_from_plain(event)),
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000)), "SenderId": "sns",
                "ApproximateFirstReceiveTimestamp": str(int(time.time() * 1000)), "MessageGroupId": event["order_id"],
                "MessageDeduplicationId": event["event_id"], "SequenceNumber": "1",
            },
            "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": TOPOLOGY.region_names[0],
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:relevo-created.fifo",
        }  # fmt: skip
        if failures := self._processor({"Records": [record]}, Context())["batchItemFailures"]:
            raise RuntimeError(f"the processor reports {failures}")

    def register(self, order_id: str, status: str, **fields: Any) -> items.Plain:
        """Register a status; returns the event as it was stored."""
        document = self.call("POST", "/v1/orders", {"order_id": order_id, "status": status, **fields})
        return self.stored(order_id, document["event_id"], "event")

    def through(self, order_id: str, status: str, **fields: Any) -> None:
        """One status change from the request to its announced effect."""
        event = self.register(order_id, status, **fields)
        self.relay([event])
        self.process(event)
        self.relay([self.stored(order_id, event["event_id"], "effect")])


def per_order(functions: Functions) -> dict[str, Any]:
    """AWS requests and billed units of a status change, from the request to its announced effect, each alone."""
    # At one moment, so that nothing is counted that comes with time: a new bucket of the list, a look at the guard.
    functions.at = END - timedelta(days=30)
    functions.through("warm-up", JOURNEY[0][0], **JOURNEY[0][1])
    with functions.wire.counting() as counts:
        for number in range(ORDERS):
            for status, fields in JOURNEY:
                functions.through(f"counted-{number}", status, **fields)
    functions.at = None
    changes = ORDERS * len(JOURNEY)
    return {
        "status_changes": changes,
        "requests": {name: round(count / changes, 3) for name, count in sorted(counts.requests.items())},
        "requests_in_all": round(counts.requests.total() / changes, 3),
        "write_units": {name: round(units / changes, 3) for name, units in sorted(counts.write_units.items())},
        "read_units": {name: round(units / changes, 3) for name, units in sorted(counts.read_units.items())},
    }


def processor_time(functions: Functions, changes: int) -> dict[str, Any]:
    """This process's own time for a request and for an event; the emulator works in another one."""
    stored: list[items.Plain] = []

    def write(number: int) -> None:
        functions.call("POST", "/v1/orders", {"order_id": f"cpu-{number}", **JOURNEY[0][1]})

    writes = timed([lambda number=number: write(number) for number in range(changes)])  # type: ignore[misc]
    for number in range(changes):
        answer = functions.call("GET", f"/v1/orders/cpu-{number}")
        stored += [functions.stored(f"cpu-{number}", event["event_id"], "event") for event in answer["events"]]
    reads = timed(
        [lambda number=number: functions.call("GET", f"/v1/orders/cpu-{number}") for number in range(changes)]  # type: ignore[misc]
    )
    half = changes // 2
    alone = timed([lambda event=event: functions.relay([event]) for event in stored[:half]])  # type: ignore[misc]
    batches = [stored[start : start + BATCH] for start in range(half, changes, BATCH)]
    batched = timed([lambda batch=batch: functions.relay(batch) for batch in batches if len(batch) == BATCH])  # type: ignore[misc]
    effects = timed([lambda event=event: functions.process(event) for event in stored])  # type: ignore[misc]
    return {
        "request: register a status": writes.document(),
        "request: read an order": reads.document(),
        "event: relay, alone in its batch": alone.document(),
        f"event: relay, {BATCH} in a batch": batched.document(each=BATCH),
        "event: processor": effects.document(),
    }


def reading(functions: Functions, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """The dashboard and a page of orders with more and more orders in the view."""
    found: list[dict[str, Any]] = []
    functions.at = END
    history = History(functions.own_client)  # the product's own gives up after two seconds
    for size in sizes:
        history.grow_to(size)
        kinds = {"metrics": ("/v1/metrics", None), "page": ("/v1/orders", {"limit": "50"})}
        measured: dict[str, Any] = {"orders": size}
        for kind, (path, query) in kinds.items():
            document = functions.call("GET", path, query=query)
            with functions.wire.counting() as counts:
                functions.call("GET", path, query=query)
            times = timed([lambda path=path, query=query: functions.call("GET", path, query=query)] * READS)  # type: ignore[misc]
            measured[kind] = {
                "calls": counts.requests.total(),
                "read_units": counts.read_units[TOPOLOGY.order_view_table],
                **times.document(),
                "shows": sum(document["orders_by_status"].values()) if kind == "metrics" else len(document["orders"]),
            }
        found.append(measured)
    functions.at = None
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--changes", type=int, required=True)
    wanted = parser.parse_args()
    functions = Functions()
    found = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "per_order": per_order(functions),
        "processor_time": processor_time(functions, wanted.changes),
        "reading": reading(functions, wanted.sizes),
    }
    wanted.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
