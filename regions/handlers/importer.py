"""The importer: files of orders out of this Region's import bucket, order by order through the API's own rules.

Every step may be taken twice: an order is a command whose identity comes from the file, so a file that comes again, in
this Region or the other one, changes nothing. Before its time is over the importer hands over to itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.typing import LambdaContext

from regions.handlers import requests, runtime
from regions.handlers.registration import register
from regions.handlers.runtime import logger
from shared.adapters.import_files import (
    GIVEN_UP,
    INBOX,
    RUNNING,
    FileGoneError,
    ImportFiles,
    Progress,
    account_of,
    error_row,
    errors_key,
    is_newer,
)
from shared.adapters.settings import settings
from shared.domain.auth import ROLES
from shared.domain.commands import Command
from shared.domain.instants import to_text
from shared.domain.order_files import (
    MAX_ROW_BYTES,
    Entry,
    EntryRefusedError,
    Fault,
    FileRefusedError,
    Layout,
    Position,
    command_of,
    entries,
    layout_of,
)
from shared.domain.problems import ProblemError
from shared.topology import TOPOLOGY

IMPORTS = TOPOLOGY.imports
BATCH = max(1, round(IMPORTS.orders_per_second))  # a second's worth
CHECKPOINT_SECONDS = 5.0
HAND_OVER_SECONDS = 30.0  # before the time limit: longer than a batch takes in which every call is tried three times
LAST_ATTEMPT = 3  # of Lambda at one asynchronous event; they have one request id
Start = Literal["go on", "last attempt", "nothing to do"]
Outcome = tuple[bool, list[Fault]]  # whether it is new, or what is wrong


class StoppedError(Exception):
    """The import must not go on; the text says why."""


class GivenUpError(Exception):
    """The importer ended in the middle of this file too often. Raised so that Lambda keeps the event for a redrive."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Import the file that S3 tells of, from where the last invocation for it left off."""
    for record in event["Records"]:
        files = runtime.import_files(record["s3"]["bucket"]["name"])
        one = Import(files, record["s3"]["object"], context.aws_request_id)
        one.take(lambda: context.get_remaining_time_in_millis() / 1000, record)


class Import:
    """One invocation's part of one file."""

    def __init__(self, files: ImportFiles, told: dict[str, Any], request_id: str) -> None:
        self.files = files
        self.key, self.etag = unquote_plus(told["key"]), str(told["eTag"])
        self.request_id = request_id
        now = to_text(runtime.now())
        self.progress = Progress(
            file=self.key,
            account=account_of(self.key),
            region=settings().region,
            import_id=str(told["sequencer"]),
            size=int(told["size"]),
            started_at=now,
            updated_at=now,
            errors_file=errors_key(self.key),
        )
        self.errors: list[list[str]] = []
        self.layout = Layout(",", ())

    def take(self, seconds_left: Callable[[], float], record: dict[str, Any]) -> None:
        """Go on until the file or the time is over; in the latter case hand over."""
        match self._start():
            case "nothing to do":
                return
            case "last attempt":
                self._save_or_give_up(record)
                return
        try:
            self._check()
            position = self._open()
            finished = self._register_everything(position, seconds_left)
        except FileGoneError:
            self._end("stopped", "the file was removed or replaced before all of it was read")
        except (FileRefusedError, StoppedError) as error:
            self._end("refused" if isinstance(error, FileRefusedError) else "stopped", str(error))
        else:
            if finished:
                self._end("finished")
            else:
                self._tell()
                runtime.call_importer({"Records": [record]})
        done = self.progress
        logger.info(
            "imported", import_id=done.import_id, state=done.state, rows=done.rows, new=done.created,
            repeats=done.repeats, refused=done.failed,
        )  # fmt: skip

    def _start(self) -> Start:
        """Find out what is left to do: S3 may tell twice or late, and Lambda tries again what ended in the middle."""
        before = self.files.progress(self.key)
        if before is not None and before.import_id == self.progress.import_id:
            # People send a given-up event again; what Lambda delivers once more has the old request id.
            redriven = before.state == GIVEN_UP and before.request_id != self.request_id
            if before.complete and not redriven:
                return "nothing to do"
            self.progress = before
        elif before is not None and is_newer(before.import_id, than=self.progress.import_id):
            return "nothing to do"  # what S3 tells late: the file is another one now
        now = self.progress
        if now.request_id != self.request_id:
            now.request_id, now.attempt, now.attempted_from = self.request_id, 0, now.offset
            now.state, now.complete, now.reason = RUNNING, False, ""
        now.attempt += 1
        if now.attempt == LAST_ATTEMPT:
            return "last attempt"
        self.files.tell(now)
        return "go on"

    def _save_or_give_up(self, record: dict[str, Any]) -> None:
        """Lambda drops the event after this attempt: an event of one's own goes on, if this one came any further."""
        if self.progress.offset > self.progress.attempted_from:
            runtime.call_importer({"Records": [record]})
            return
        reason = f"the importer ended {LAST_ATTEMPT - 1} times near line {self.progress.line}; its log says why"
        self._remember_errors()
        self._end(GIVEN_UP, reason)
        raise GivenUpError(f"{self.progress.import_id}: {reason}")

    def _check(self) -> None:
        """Raise ``StoppedError`` unless the account may write and this Region takes work, now as for a request."""
        account = runtime.accounts().account(self.progress.account) if self.progress.account else None
        if account is None:
            raise StoppedError(f"there is no account {self.progress.account!r}: a file lies in {INBOX}<account>/")
        if account.locked or "orders:write" not in ROLES.get(account.role, frozenset()):
            raise StoppedError(f"the account {self.progress.account!r} is locked or may not write orders")
        try:
            requests.shed()
        except ProblemError as drained:
            raise StoppedError(f"{drained.detail}; put the file into the other Region's bucket") from drained

    def _open(self) -> Position:
        if self.progress.size > IMPORTS.file_bytes:
            raise FileRefusedError(f"the file has more than {IMPORTS.file_bytes} bytes; split it")
        head = self.files.chunks(self.key, etag=self.etag, start=0, size=min(self.progress.size, MAX_ROW_BYTES))
        self.layout, beginning = layout_of(b"".join(head))
        self.progress.delimiter = self.layout.delimiter
        if not self.progress.offset:
            return beginning
        self._remember_errors()
        return Position(self.progress.offset, self.progress.line)

    def _remember_errors(self) -> None:
        self.errors = self.files.errors(self.key, delimiter=self.progress.delimiter, before_line=self.progress.line)

    def _register_everything(self, position: Position, seconds_left: Callable[[], float]) -> bool:
        """Whether the whole file is done; ``False`` when the time is nearly over."""
        chunks = self.files.chunks(self.key, etag=self.etag, start=position.offset, size=self.progress.size)
        found = entries(chunks, self.layout, position, most_lines=IMPORTS.lines)
        checked_at = time.monotonic()
        with ThreadPoolExecutor(IMPORTS.side_by_side) as pool:
            while batch := list(islice(found, BATCH)):
                began, before = time.monotonic(), self.progress.created
                self._register(batch, pool)
                new = self.progress.created - before
                if began - checked_at >= CHECKPOINT_SECONDS:
                    self._tell()
                    self._check()
                    checked_at = began
                if seconds_left() < HAND_OVER_SECONDS:
                    return False
                # The promised pace, in the lab too: clients and their orders come first.
                paced = new + (len(batch) - new) / IMPORTS.repeats_per_order
                time.sleep(max(0.0, began + paced / IMPORTS.orders_per_second - time.monotonic()))
        return True

    def _register(self, batch: list[Entry], pool: ThreadPoolExecutor) -> None:
        """Register a batch: an order's own entries one after the other, orders side by side."""
        lanes: dict[str, list[Entry]] = {}
        for entry in batch:
            cells = entry.rows[0].cells
            lanes.setdefault(cells.get("order_id") or f"key {cells.get('key')}", []).append(entry)
        outcomes = pool.map(lambda lane: [self._outcome(entry) for entry in lane], lanes.values())
        faults: list[Fault] = []
        for is_new, wrong in (outcome for lane in outcomes for outcome in lane):
            self.progress.created += is_new and not wrong
            self.progress.repeats += not is_new and not wrong
            self.progress.failed += bool(wrong)
            faults += wrong
        self.progress.rows += sum(entry.count for entry in batch)
        self.progress.offset, self.progress.line = batch[-1].end.offset, batch[-1].end.line
        self.errors += [error_row(fault) for fault in sorted(faults, key=lambda fault: fault.line)]
        if len(self.errors) > IMPORTS.errors:
            raise StoppedError(f"more than {IMPORTS.errors} errors: mend the file and import it again")
        if self.progress.rows > IMPORTS.rows:
            raise StoppedError(f"more than {IMPORTS.rows} rows; split the file")

    def _outcome(self, entry: Entry) -> Outcome:
        try:
            command: Command = command_of(entry, now=runtime.now())
            done = register(
                runtime.order_log(), command, subject=self.progress.account, region=settings().region,
                now=runtime.now(),
            )  # fmt: skip
        except EntryRefusedError as refused:
            return False, refused.faults
        except ProblemError as problem:
            return False, [entry.rows[0].fault("", problem.detail)]
        return done.is_new, []

    def _tell(self, *, complete: bool = False) -> None:
        """Write the errors, then the progress that counts them."""
        self.progress.errors, self.progress.updated_at = len(self.errors), to_text(runtime.now())
        self.progress.complete = complete
        if self.errors or complete:
            self.files.tell_errors(self.key, self.errors, delimiter=self.progress.delimiter, complete=complete)
        self.files.tell(self.progress)

    def _end(self, state: str, reason: str = "") -> None:
        self.progress.state, self.progress.reason = state, reason
        self._tell(complete=True)
