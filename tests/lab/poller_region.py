"""One MiniStack of a test's own, with tables, queues and functions made on the spot, whose functions keep a journal."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from loadtests.lab.polling.event_sources import Source
from loadtests.lab.polling.pollers import Pollers
from loadtests.lab.polling.region_clients import RegionClients
from tests.lab.two_ministacks import accepts, eventually, free_port, running

REGION = "us-east-1"
ADDRESS = "127.0.0.1"

# Works through its records in order and stops at the first that fails. A record says how it behaves:
# fails = how often it fails, takes = how long it works, meets = how long it waits for another invocation at work.
# With RAISES it raises where it would report.
FUNCTION = """
import json, os, time
failed = {}
def note(**what):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(json.dumps({"pid": os.getpid(), "at": time.time(), **what}) + "\\n")
def read(record):
    if "dynamodb" in record:
        image = record["dynamodb"]["NewImage"]
        plan = json.loads(image["plan"]["S"])
        return record["dynamodb"]["SequenceNumber"], image["pk"]["S"], image["sk"]["S"], plan
    body = json.loads(record["body"])
    return record["messageId"], record["attributes"]["MessageGroupId"], body["name"], body["plan"]
def count_failure(name, limit):
    path = os.environ["JOURNAL"] + "." + name.replace("/", "_")
    with open(path, "a") as failures:
        failures.write("x")
    return os.path.getsize(path) <= limit
def is_alone(batch):
    with open(os.environ["JOURNAL"]) as journal:
        notes = [json.loads(line) for line in journal if line.endswith("\\n")]
    begun, ended = ({note["batch"] for note in notes if note["kind"] == kind} for kind in ("begins", "ends"))
    return begun - ended == {batch}
def handler(event, context):
    if not event["Records"]:
        return None
    records = [read(record) for record in event["Records"]]
    batch = f"{time.time()}-{os.getpid()}"
    note(kind="begins", batch=batch, records=[(group, name) for _, group, name, _ in records], event=event)
    try:
        stopped, failures = set(), []
        for identifier, group, name, plan in records:
            if group in stopped:
                failures.append(identifier)
                continue
            time.sleep(plan.get("takes", 0))
            give_up_at = time.monotonic() + plan.get("meets", 0)
            while time.monotonic() < give_up_at and is_alone(batch):
                time.sleep(0.02)
            if plan.get("fails") and count_failure(group + name, plan["fails"]):
                if os.environ.get("RAISES"):
                    raise ValueError(name)
                failures.append(identifier)
                stopped.add(group)
                continue
            note(kind="handled", batch=batch, group=group, name=name)
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in reversed(failures)]}
    finally:
        note(kind="ends", batch=batch)
"""


@dataclass
class PollerRegion:
    """The Region and what tests do to it."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.endpoint = f"http://{ADDRESS}:{self.port}"
        self.clients = RegionClients.open(REGION, self.endpoint)
        self.functions: Any = boto3.client(  # type: ignore[call-overload]
            "lambda", region_name=REGION, endpoint_url=self.endpoint, aws_access_key_id="test",
            aws_secret_access_key="test", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def name(self, kind: str) -> str:
        """A name that no other test has."""
        return f"{kind}-{next(self._numbers)}"

    def make_function(self, **environment: str) -> Function:
        name = self.name("function")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", FUNCTION)
        journal = self.folder / f"{name}.journal"
        journal.touch()
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": code.getvalue()},
            Timeout=20,
            Environment={"Variables": {"JOURNAL": str(journal), **environment}},
        )
        # A worker of its own before anything is timed: cold starts are slow on a busy machine.
        self.functions.invoke(FunctionName=name, Payload=b'{"Records": []}')
        return Function(name, journal)

    def make_table(self) -> str:
        name = self.name("table")
        self.clients.tables.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return name

    def write(self, table: str, partition: str, name: str, **plan: float) -> None:
        item = {"pk": {"S": partition}, "sk": {"S": name}, "plan": {"S": json.dumps(plan)}}
        self.clients.tables.put_item(TableName=table, Item=item)

    def make_queue(self, *, fifo: bool = True, **attributes: str) -> Queue:
        name = self.name("queue") + (".fifo" if fifo else "")
        kind = {"FifoQueue": "true", "DeduplicationScope": "messageGroup"} if fifo else {}
        answer = self.clients.queues.create_queue(QueueName=name, Attributes={**kind, **attributes})  # type: ignore[arg-type]
        attributes = self.clients.queues.get_queue_attributes(QueueUrl=answer["QueueUrl"], AttributeNames=["QueueArn"])[
            "Attributes"
        ]
        return Queue(name, answer["QueueUrl"], attributes["QueueArn"])

    def send(self, queue: Queue, group: str, name: str, **plan: float) -> None:
        self.clients.queues.send_message(
            QueueUrl=queue.url,
            MessageBody=json.dumps({"name": name, "plan": plan}),
            MessageGroupId=group,
            MessageDeduplicationId=f"{group}-{name}",
            MessageAttributes={"status": {"DataType": "String", "StringValue": "created"}},
        )

    def received(self, queue: Queue) -> list[Any]:
        """What is visible in a queue now."""
        answer = self.clients.queues.receive_message(
            QueueUrl=queue.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], WaitTimeSeconds=0
        )
        return list(answer.get("Messages", []))

    def count(self, queue: Queue) -> int:
        """How many messages a queue holds, hidden ones included."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self.clients.queues.get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(names))
        return sum(int(found["Attributes"][name]) for name in names)  # type: ignore[index]

    @contextmanager
    def polling(self, *sources: Source, shards: int = 4) -> Iterator[Pollers]:
        """Poll inside this process, with a clock ten times as quick."""
        pollers = Pollers(sources, self.clients, time_scale=0.1, shards=shards)
        pollers.start()
        try:
            yield pollers
        finally:
            pollers.close()
        assert pollers.failure_code is None


@dataclass(frozen=True)
class Queue:
    """A queue of the Region."""

    name: str
    url: str
    arn: str


@dataclass(frozen=True)
class Function:
    """A function and its journal."""

    name: str
    journal: Path

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """The journal's complete lines of one kind, in order."""
        lines = self.journal.read_text().splitlines(keepends=True)
        notes = [json.loads(line) for line in lines if line.endswith("\n")]
        return [note for note in notes if note["kind"] == kind]

    def batches(self) -> list[list[str]]:
        """The names delivered, invocation by invocation."""
        return [[name for _, name in note["records"]] for note in self.notes("begins")]

    def handled(self, group: str | None = None) -> list[str]:
        """The names handled, in order, repetitions included."""
        return [note["name"] for note in self.notes("handled") if group in (None, note["group"])]

    def first_handled(self, group: str | None = None) -> list[str]:
        """The names handled, in the order of their first time."""
        return list(dict.fromkeys(self.handled(group)))

    def spans(self) -> list[tuple[float, float, set[str]]]:
        """When each invocation began and ended, and the groups that it worked on."""
        ends = {note["batch"]: note["at"] for note in self.notes("ends")}
        return [
            (note["at"], ends[note["batch"]], {group for group, _ in note["records"]})
            for note in self.notes("begins")
            if note["batch"] in ends
        ]


def overlapping(spans: Sequence[tuple[float, float, set[str]]]) -> list[tuple[set[str], set[str]]]:
    """The groups of every two invocations that ran at the same time."""
    return [
        (first[2], second[2])
        for first, second in itertools.combinations(spans, 2)
        if first[0] < second[1] and second[0] < first[1]
    ]


@contextmanager
def one_region(folder: Path) -> Iterator[PollerRegion]:
    """Run one MiniStack without IAM."""
    port = free_port(ADDRESS)
    environment = {
        "AUTH": "false", "BIND_HOST": ADDRESS, "GATEWAY_PORT": str(port), "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING", "STATE_DIR": str(folder / "state"), "PYTHONWARNINGS": "ignore",
        "AWS_ENDPOINT_URL": f"http://{ADDRESS}:{port}",
    }  # fmt: skip
    with running([sys.executable, "-m", "ministack"], folder / "ministack.log", **environment) as process:
        eventually(lambda: accepts(ADDRESS, port), what="MiniStack listening")
        yield PollerRegion(port, folder, process)
