"""The programs that a drill starts: `relevo` commands, and Locust in its own process (gevent patches everything)."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.drills.lab_access import LabAccess, LabError
from loadtests.drills.target import DrillTarget, TargetError
from loadtests.shapes import Steering
from shared.topology import TOPOLOGY, Consistency

PROJECT: Final = Path(__file__).resolve().parents[2]
SPARES_SECONDS: Final = 60.0
ROLES: Final = ("courier", "client", "operator")


def relevo(*arguments: str, stdin: str | None = None, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a `relevo` command as an operator would; the caller looks at the return code."""
    try:
        return subprocess.run(
            _command(*arguments),
            cwd=PROJECT,
            env=_environment(),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(f"`relevo {' '.join(arguments)}` did not end within {seconds:.0f} s") from error


def interrupted_relevo(*arguments: str, when: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Kill a `relevo` command as soon as something is true; return whether it was cut short."""
    command = subprocess.Popen(
        _command(*arguments), cwd=PROJECT, env=_environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + seconds
    try:
        while command.poll() is None and time.monotonic() < end and not when():
            time.sleep(0.01)
    finally:
        cut_short = command.poll() is None
        command.kill()
        command.wait()
    return cut_short


def _command(*arguments: str) -> list[str]:
    beside = Path(sys.executable).with_name("relevo")
    return [*([str(beside)] if beside.exists() else [sys.executable, "-m", "runbooks.cli"]), *arguments]


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said last: its error without the traceback that may stand above it."""
    lines = [line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit code {done.returncode}"


def _environment() -> dict[str, str]:
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def running_lab() -> LabAccess | None:
    """The lab of this checkout, if it answers."""
    with contextlib.suppress(LabError):
        lab = LabAccess.read()
        lab.status()
        return lab
    return None


def ensure_lab(quick: bool, consistency: Consistency = TOPOLOGY.consistency) -> bool:
    """Use the lab that is running, or start one; return whether it was started here (and must be ended here).

    Raises ``LabError`` when the lab that runs is not of the wanted kind, or none can be started.
    """
    if (lab := running_lab()) is not None:
        if lab.quick != quick:
            wanted, running = ("quick", "real") if quick else ("real", "quick")
            raise LabError(f"a lab with {running} timing is running, this drill needs {wanted}: `relevo down` first")
        if lab.consistency != consistency:
            raise LabError(
                f"a lab with {lab.consistency} consistency is running, this drill needs {consistency}: "
                "`relevo down` first"
            )
        return False
    options = [*(["--quick"] if quick else []), "--consistency", consistency]
    done = relevo("up", "--detach", *options, seconds=120.0)
    if done.returncode != 0:
        raise LabError(f"`relevo up` failed: {last_line(done)}")
    await_spares()
    return True


def await_spares() -> None:
    """Wait until the lab's spare workers are up, so that their starts are not measured; raises ``LabError``."""
    deadline = time.monotonic() + SPARES_SECONDS
    while not LabAccess.read().spares_ready:
        if time.monotonic() > deadline:
            raise LabError(f"the lab's workers were not up in {SPARES_SECONDS:.0f} s; see .lab/supervisor.log")
        time.sleep(0.2)


def make_accounts(run: str, path: Path) -> dict[str, tuple[str, str]]:
    """Make one account per role by the product's own command; write them for Locust and return name and password."""
    accounts: dict[str, tuple[str, str]] = {}
    for role in ROLES:
        username, password = f"drill-{role}-{run.lower()}", secrets.token_urlsafe(18)
        done = relevo("account", "add", username, "--role", role, stdin=f"{password}\n")
        if done.returncode != 0:
            raise TargetError(f"`relevo account add` failed: {last_line(done)}")
        accounts[role] = (username, password)
    rows = [{"username": name, "password": word, "role": role} for role, (name, word) in accounts.items()]
    path.touch(mode=0o600)
    path.write_text(json.dumps(rows), encoding="utf-8")
    return accounts


@dataclass
class LoadProcess:
    """Locust, steered through a file."""

    process: subprocess.Popen[bytes]
    steering: Path

    @classmethod
    def start(
        cls, *, target: DrillTarget, run: str, seed: str, accounts: Path, ledger: Path, locations: str, folder: Path,
        first: Steering,
    ) -> LoadProcess:  # fmt: skip
        steering = folder / "steering.json"
        first.write(steering)
        options = {
            **target.load_options(),
            "--relevo-users": str(accounts),
            "--relevo-ledger": str(ledger),
            "--relevo-locations": locations,
            "--relevo-seed": seed,
            "--relevo-run": run,
            "--relevo-steer": str(steering),
            "--stop-timeout": "40",
        }
        command = [sys.executable, "-m", "locust", "-f", str(PROJECT / "loadtests" / "locustfile.py")]
        command += ["--headless", "--only-summary", *(part for pair in options.items() for part in pair)]
        environment = {name: value for name, value in _environment().items() if name != "RELEVO_SHAPE"}
        with (folder / "locust.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        return cls(process, steering)

    def steer(self, phase: str, multiple: float | None) -> None:
        Steering(phase, multiple).write(self.steering)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self, seconds: float = 60.0) -> None:
        """Stop the load and wait for Locust's own end; kill it only if it does not come."""
        if self.running:
            self.steer("stop", None)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
