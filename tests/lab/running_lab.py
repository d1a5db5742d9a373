"""A quick lab of the tests' own, driven as a person would: through the `relevo` command and the HTTP of the API."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from click.testing import Result
from typer.testing import CliRunner

from loadtests.lab.deploy import client
from loadtests.lab.layout import SHIFT_VARIABLE, Layout
from loadtests.lab.processes import ProcessBook, members
from runbooks.cli import build
from runbooks.lab_folder import FOLDER_VARIABLE
from shared.adapters.control import Control, RegisterTakenError
from shared.topology import TOPOLOGY

PROJECT = Path(__file__).parents[2]
TOKEN_MARGIN_SECONDS = 30.0
RELEVO = "from runbooks.cli import main; main()"


def eventually(look: Callable[[], Any], *, within: float, what: str) -> Any:
    """Look again and again until what is seen is true; fails when it never is."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what} did not come true within {within} s: {seen!r}"
        time.sleep(0.1)


def runs(pid: int) -> bool:
    """Whether a process lives, be it by one thread; one that ended and that nobody has collected does not."""
    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Answer:
    """What the API said; status 0 when nobody answered in time."""

    status: int
    region: str | None
    body: Any


class RunningLab:
    """A lab in a folder of its own, on ports of its own, so that it disturbs no other."""

    def __init__(self, folder: Path, shift: int) -> None:
        self.layout = Layout.at(folder, shift)
        self.environment = {**os.environ, FOLDER_VARIABLE: str(folder), SHIFT_VARIABLE: str(shift)}
        self._token, self._token_until = "", 0.0

    def relevo(self, *arguments: str, given: str | None = None) -> Result:
        """Run a `relevo` command for this lab in this process, which saves a second each time."""
        places = {name: self.environment[name] for name in (FOLDER_VARIABLE, SHIFT_VARIABLE)}
        return CliRunner().invoke(build(), list(arguments), input=given, env=places)

    def relevo_apart(self, *arguments: str, within: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a `relevo` command for this lab in a process of its own, as a person does."""
        return subprocess.run(
            [sys.executable, "-c", RELEVO, *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def state(self) -> Any:
        return json.loads(self.layout.lab_file.read_text())

    def status(self) -> Any:
        done = self.relevo("fault", "status", "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def control(self, path: str) -> Any:
        with urllib.request.urlopen(self.layout.control + path, timeout=10) as answer:
            return json.load(answer)

    def api(self, path: str, body: object = None, *, region: str | None = None, within: float = 5.0) -> Answer:
        """Call the API as the lab's account: through the edge, or one Region directly."""
        open_to_all = path in ("/token", "/health")
        base = self.layout.edge if region is None else self.layout.seats[region].endpoint
        headers = {"Content-Type": "application/json"}
        if region is not None:
            headers["Host"] = TOPOLOGY.region_api_name(region)
        if not open_to_all:
            headers["Authorization"] = f"Bearer {self.token()}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(base + path, content, headers)
        try:
            with urllib.request.urlopen(request, timeout=within) as answer:
                return Answer(answer.status, answer.headers["X-Region"], json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers["X-Region"], error.read().decode())
        except OSError:
            return Answer(0, None, None)

    def token(self) -> str:
        """A token of the lab's account, from the first Region that answers; every Region takes it while it lives."""
        if time.monotonic() > self._token_until - TOKEN_MARGIN_SECONDS:
            account = self.state()["account"]
            login = {"username": account["username"], "password": account["password"]}
            answers = (self.api("/token", login, region=region, within=20.0) for region in TOPOLOGY.region_names)
            asked_at = time.monotonic()
            given = next(answer.body for answer in answers if answer.status == 200)
            self._token, self._token_until = given["access_token"], asked_at + given["expires_in"]
        return self._token

    def order(self, order_id: str, *, region: str | None = None) -> Answer:
        items = [{"product": "panela", "price": "4500"}]
        body = {"order_id": order_id, "courier": "Ana", "items": items}
        return self.api("/v1/orders", body, region=region, within=20.0)

    def effects(self, order_id: str, region: str) -> list[Any]:
        """The order's effects as a Region's log has them."""
        found = self.api(f"/v1/orders/{order_id}", region=region, within=10.0)
        return list(found.body["effects"]) if found.status == 200 else []

    def process_ids(self) -> list[int]:
        """Everything that runs for this lab, Lambda workers included."""
        book = ProcessBook.read(self.layout.process_file)
        return [] if book is None else [pid for started in book.started for pid in members(started, book.lab)]

    def heal(self) -> None:
        """End all faults, let a drained Region in again, and wait until DNS offers both."""
        if self.control("/faults")[-1:] and self.control("/faults")[-1]["request"] == {"heal": "all"}:
            return
        done = self.relevo("fault", "heal")
        assert done.exit_code == 0, done.stderr
        eventually(self._serves_everywhere, within=60.0, what="both Regions healthy")

    def _serves_everywhere(self) -> bool:
        regions = self.control("/status")["regions"]
        for drained in (name for name, seen in regions.items() if seen["drained"]):
            peer = self.layout.peer_seat(drained)
            with contextlib.suppress(RegisterTakenError):
                Control(client(peer, "dynamodb"), TOPOLOGY.control_table).readmit(
                    drained, by="test", reason="the test is over", now=datetime.now(UTC)
                )
        return all(seen["healthy"] for seen in regions.values())
