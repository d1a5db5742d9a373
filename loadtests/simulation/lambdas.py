"""The handlers speed: the product's Lambda functions as they are deployed, over in-memory AWS clients."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from loadtests.simulation.calling import Calling
from loadtests.simulation.clients import SUBJECTS, Answer, Seen, Sent, subject_of
from loadtests.simulation.dynamodb import MemoryDynamoDB
from loadtests.simulation.gateway import answered, own_event
from loadtests.simulation.hearing import Settings
from loadtests.simulation.history import Salt
from loadtests.simulation.loading import (
    FIRST_SECRET,
    PASSWORD,
    Context,
    LoadedRegion,
    account_item,
    cheap_passwords,
    loaded,
)
from loadtests.simulation.memory_log import REGISTER
from loadtests.simulation.product import InlinePool
from loadtests.simulation.queues import Message
from loadtests.simulation.replica import Change
from loadtests.simulation.services import MemoryBus, MemoryQueues, MemoryTopic, PeerDynamoDB, RegionQueues, sqs_record
from loadtests.simulation.shore import UNAVAILABLE, KilledError
from loadtests.simulation.stored import StoredShore
from loadtests.simulation.world import World
from runbooks import dead_letters
from runbooks.rotation import Ring, Waits, after, next_step
from shared.adapters.control import RegisterTakenError
from shared.adapters.order_rows import waits_for
from shared.adapters.projection import ProjectionError
from shared.domain.auth import KeyringError
from shared.domain.instants import to_text
from shared.topology import STATUSES, TOPOLOGY

WAITS: Final = Waits.scaled(1.0)
TOKEN_RENEWED: Final = timedelta(minutes=12)  # clients log in again well before a token ends, whatever clocks say


class LambdaShore(StoredShore):
    """One Region of the handlers speed."""

    calling: Calling

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        names = [name for name, _ in world.links] or [name]
        order = list(dict.fromkeys(names))
        self._peer_name = order[(order.index(name) + 1) % len(order)]
        self.settings = self.replicas["accounts"] = Settings(world, name, self.clock)
        for subject in SUBJECTS:
            self.settings.partitions[f"ACCOUNT#{subject}"]["ACCOUNT"] = account_item(subject)
        self.calling = Calling(self)
        tables = {
            TOPOLOGY.order_log_table: self.log, TOPOLOGY.control_table: self.control,
            TOPOLOGY.order_view_table: self.view, TOPOLOGY.accounts_table: self.settings,
        }  # fmt: skip
        self.dynamodb = MemoryDynamoDB(tables, self.step, partly=True)
        self._clients: dict[str, Any] = {
            "dynamodb": self.dynamodb, "brief_dynamodb": self.dynamodb, "sns": MemoryTopic(self),
            "events": MemoryBus(self), "sqs": RegionQueues(self),
            "peer_dynamodb": PeerDynamoDB(self, lambda: self._peer().dynamodb),
        }  # fmt: skip
        self.secret = FIRST_SECRET
        self._read_secret: tuple[str, float] | None = None
        self._processes: list[LoadedRegion] = []
        self._in_use = 0
        self.functions = self._started(0)  # for who looks and operates from outside

    def _started(self, number: int) -> LoadedRegion:
        found = loaded(self.name, self._peer_name, number)
        found.shore = self
        found.clients.update(self._clients)
        found.restart()
        self._processes.append(found)
        return found

    @contextmanager
    def _process(self) -> Iterator[LoadedRegion]:
        """A process that runs nothing else meanwhile, as Lambda gives each invocation; a killed one starts cold."""
        if self._in_use == len(self._processes):
            self._started(self._in_use)
        found = self._processes[self._in_use]
        self._in_use += 1
        try:
            yield found
        except KilledError:
            found.restart()
            raise
        finally:
            self._in_use -= 1

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Invoke a function."""
        with self._process() as functions, own_event():
            return functions[function].handler(event, Context())

    def replace_killed(self) -> None:
        """The process of what was killed has started cold already."""

    def _peer(self) -> LambdaShore:
        found = self.world.peer_of(self)
        assert isinstance(found, LambdaShore)  # one speed a world
        return found

    def restart(self) -> None:
        self._read_secret = None
        for process in self._processes:
            process.restart()

    def read_secret(self, fresh: bool, cache_seconds: int) -> str:
        """As Powertools reads it: from its cache, until that is too old."""
        now = self.functions.seconds()
        if fresh or self._read_secret is None or now - self._read_secret[1] >= cache_seconds:
            try:
                self.step()
            except UNAVAILABLE as error:
                raise KeyringError("the keyring secret cannot be read") from error
            self._read_secret = (self.secret, now)
        return self._read_secret[0]

    def sees_peer(self) -> bool:
        """What the sentinel's request to the peer's health endpoint finds."""
        self.step()
        return self.world.sees(self, serving=self._peer().says_it_serves)

    def says_it_serves(self) -> bool:
        """What the health endpoint answers."""
        answer = self.run(lambda: self.invoke("health", {"path": "/health"}))
        return bool(answer and answer["statusCode"] == 200)

    # Clients.

    def _token(self, session: int, subject: str) -> str | None:
        """A session's token; logs in here if it has none, or an old one."""
        known = self.world.tokens.get((session, subject))
        if known is None or self.world.now - known[1] > TOKEN_RENEWED:
            with cheap_passwords():
                text = json.dumps({"username": subject, "password": PASSWORD})
                answer = answered(self.invoke, self.clock(), "POST", "/token", None, text)
            if answer["statusCode"] != 200:
                return None
            known = self.world.tokens[session, subject] = (json.loads(answer["body"])["access_token"], self.world.now)
        return str(known[0])

    def ask(
        self, session: int, subject: str, method: str, path: str, body: str | None = None, **more: Any
    ) -> tuple[int, Any]:
        """Send a request of a client system's session, and read the answer."""
        token = self._token(session, subject)
        if token is None:
            return 503, {"type": "urn:relevo:problem:login"}
        answer = answered(self.invoke, self.clock(), method, path, token, body, **more)
        return answer["statusCode"], json.loads(answer["body"])

    def post(self, sent: Sent) -> Answer:
        headers = {"Idempotency-Key": sent.key} if sent.key is not None else {}
        text = json.dumps(sent.body, default=float)
        status, said = self.ask(sent.session, sent.subject, "POST", "/v1/orders", text, headers=headers)
        return Answer(status, said.get("event_id", ""), said.get("type", "").rpartition(":")[2])

    def get(self, order_id: str, at_least: str | None) -> Answer:
        query = {"at_least": at_least} if at_least is not None else None
        status, said = self.ask(0, subject_of(0), "GET", f"/v1/orders/{quote(order_id)}", query=query)
        if status != 200:
            return Answer(status, kind=said.get("type", "").rpartition(":")[2])
        says = {
            event["event_id"]: (event["status"], event["attempt"], event["courier"], event["note"])
            for event in said["events"]
        }
        terminal = {"delivered": 2, "cancelled": 1}
        standings = [
            (terminal.get(of, 0), attempt, STATUSES.index(of), event_id)
            for event_id, (of, attempt, _, _) in says.items()
        ]
        shown = (terminal.get(said["status"], 0), said["attempt"], STATUSES.index(said["status"]))
        # The state has to be what one of the events says; the furthest of them names it.
        best = max((found for found in standings if found[:3] == shown), default=(*shown, ""))
        effects = frozenset(effect["event_id"] for effect in said["effects"])
        return Answer(200, seen=Seen(best, says, effects))

    # What the event sources and the schedule call.

    def relay(self, records: Sequence[Change]) -> int:
        event = {
            "Records": [
                {"eventName": "INSERT", "dynamodb": {"NewImage": found.content, "SequenceNumber": str(found.number)}}
                for found in records
            ]
        }
        try:
            failures = self.invoke("relay", event)["batchItemFailures"]
        except UNAVAILABLE:
            return 0
        if not failures:
            return -1
        failed = int(failures[0]["itemIdentifier"])
        return next(place for place, found in enumerate(records) if found.number == failed)

    def process(self, status: str, batch: Sequence[Message]) -> set[int]:
        del status  # the code of all processors is one
        records = [sqs_record(message, number) for number, message in enumerate(batch)]
        try:
            answer = self.invoke("processor", {"Records": records})
        except BatchProcessingError:  # all of them failed
            return set(range(len(batch)))
        failed = {int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]}
        for place, message in enumerate(batch):
            if place not in failed:
                self.note_done(json.loads(message.body)["event_id"])
        return failed

    def look(self) -> None:
        before = self.control.get(REGISTER)
        self.invoke("sentinel", {})
        after = self.control.get(REGISTER)
        if before is not after and after["by"]["S"] == f"sentinel of {self.name}":
            self.world.note_drained(self)

    def project(self, order_id: str) -> None:
        with suppress(*UNAVAILABLE, ProjectionError), self._process() as functions:
            functions["runtime"].projection().project(order_id, even_if_equal=True)

    # Operators, and what somebody puts into the log.

    def garble(self, salt: int) -> None:
        key = (f"ORDER#o{salt % 4}", f"EVENT#x{salt}")
        if self.log.get(key) is None:
            self.log.put(key, {"pk": {"S": key[0]}, "sk": {"S": key[1]}, "entity": {"S": "event"}})

    def write_register(self, *, drained: str | None, readmitted: str | None) -> bool:
        control = self.functions["runtime"].control()
        try:
            if drained is not None:
                control.drain(drained, by="operator", reason="", now=self.clock())
            elif readmitted is not None:
                control.readmit(readmitted, by="operator", reason="", now=self.clock())
        except RegisterTakenError:
            return False
        return True

    def unpark(self) -> int:
        runtime = self.functions["runtime"]
        parked = runtime.order_queries().pending(f"{self.name}#parked")
        for work in parked:
            fields = {**waits_for(self.name, work.order_id, due_at=self.clock()), "attempt": 0}
            runtime.order_work().update(work.order_id, work.event_id, set_fields=fields, remove=("parked_at",))
        return len(parked)

    def redrive(self, status: str) -> None:
        def meanwhile(_seconds: float) -> None:
            self.world.now += timedelta(seconds=dead_letters.LOOK_SECONDS)
            self.process_some(status, 0, 10)

        vars(dead_letters)["ThreadPoolExecutor"] = InlinePool
        dead_letters.Redrive(
            sqs=MemoryQueues(self, status), log=self.functions["runtime"].order_log(), queue="queue",
            dead_letters="dead letters", wait=3.0, sleep=meanwhile,
            clock=self.functions.seconds,
        ).run()  # fmt: skip

    def rotate_key(self, salt: Salt) -> None:
        """As `relevo keys rotate`: the next step if it is due; a Region's copy of the secret comes when it comes."""
        shores = [shore for shore in self.world.shores if isinstance(shore, LambdaShore)]
        primary = shores[0]
        ring = Ring.parse(primary.secret)
        due = next_step(ring, now=self.world.now, waits=WAITS)
        behind = [shore for shore in shores if shore.secret != primary.secret]
        if behind and (salt.one_in(2) or due.step.startswith("confirm")):
            behind[0].secret = primary.secret
        elif due.is_due and not behind:
            new_key = f"key-of-{to_text(self.world.now)}-for-everybody"
            primary.secret = after(ring, due.step, now=self.world.now, new_key=new_key).text()
