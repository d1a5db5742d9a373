"""The lab's main process: starts everything, tells when something dies, and ends all that it started.

It restarts nothing: a process that died is a finding. `python -m loadtests.lab.supervisor` is the detached form.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, get_args

from botocore.exceptions import BotoCoreError, ClientError

from loadtests import last_drill
from loadtests.lab import deploy, loopback, warming
from loadtests.lab.assets import assets_of, zipped
from loadtests.lab.control import serve_control
from loadtests.lab.emulator import ministack
from loadtests.lab.emulator.ministack import ProcessFailedError, clean_environment, wait_until_ready
from loadtests.lab.faults import aws_faults
from loadtests.lab.faults.injection import Faults
from loadtests.lab.lab_state import LabState
from loadtests.lab.layout import LOOPBACK, ROOT, Layout, Seat
from loadtests.lab.preflight import StartError, check_listeners, only_lab
from loadtests.lab.processes import ProcessBook, Started, end_all, exit_code, is_alive
from loadtests.lab.status import Status
from loadtests.lab.stopping import run_until_stopped
from shared.adapters.reports import Reports
from shared.slo import QUICK, REAL
from shared.topology import TOPOLOGY, Consistency

WATCH_SECONDS: Final = 0.5

Say = Callable[[str], None]


class _StopRequested(BaseException):
    """A stop signal came while the lab was starting."""


class Supervisor:
    """One lab from start to end."""

    def __init__(self, layout: Layout, app: Path, *, quick: bool, consistency: Consistency, say: Say) -> None:
        self.layout = layout
        self._began = time.monotonic()
        self._say = say
        clock = QUICK if quick else REAL
        self.state = LabState(app, quick, consistency, clock, warming.LabAccount.new(), [])
        self.book = ProcessBook(layout.process_file, "")
        self._seats = list(layout.seats.values())

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start, serve until SIGTERM or SIGINT, and end everything whatever happens; raises ``StartError``."""
        with only_lab(self.layout):
            previous = {number: signal.signal(number, _request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                self._start()
                asyncio.run(self._serve(on_ready))
            except _StopRequested:
                self.say("stopped while starting")
            except (ProcessFailedError, deploy.DeployError, warming.WarmingError) as error:
                raise StartError(str(error)) from error
            except (BotoCoreError, ClientError, loopback.NoAnswerError) as error:
                raise StartError(f"a Region did not answer: {error}") from error
            finally:
                for number in previous:
                    signal.signal(number, signal.SIG_IGN)  # the end must not be cut short
                self._end()
                for number, handler in previous.items():
                    signal.signal(number, handler)

    def say(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._began:6.1f} s  {text}")

    def _start(self) -> None:
        ministack.check_installed()
        deploy.check_app(self.state.app)
        sweep(self.layout, self.say)
        check_listeners(self.layout, strong=self._strong)
        self.book = ProcessBook.new(self.layout.process_file)
        shutil.rmtree(self.layout.log_folder, ignore_errors=True)
        self._start_regions()
        self._deploy()
        self._warm()
        self._start_surroundings()

    @property
    def _strong(self) -> bool:
        return self.state.consistency == "strong"

    def _start_regions(self) -> None:
        store = ministack.start_store(self.book, self.layout) if self._strong else None
        gateways = {
            seat.region: ministack.start_ministack(
                self.book, self.layout, seat, self.state.clock.time_scale, strong=self._strong
            )
            for seat in self._seats
        }
        paths = {seat.region: aws_faults.start_paths(self.book, self.layout, seat) for seat in self._seats}
        for asset in {
            asset for seat in self._seats for asset in assets_of(self.state.app, deploy.region_stack(seat.region))
        }:
            zipped(asset, self.layout.asset_folder)  # while the Regions start
        if store is not None:
            wait_until_ready(store, f"{self.layout.store.endpoint}/_ministack/ready", self._log(store))
        for seat in self._seats:
            wait_until_ready(
                gateways[seat.region], f"{seat.endpoint}/_ministack/ready", self._log(gateways[seat.region])
            )
            wait_until_ready(paths[seat.region], f"{seat.microburst}/_microburst/health", self._log(paths[seat.region]))
        self.say(f"two Regions listen: {', '.join(f'{seat.region} on {seat.endpoint}' for seat in self._seats)}")

    def _deploy(self) -> None:
        keyring = deploy.new_keyring()
        if self._strong:
            deploy.deploy_store(self.layout, self.state.app)

        def deploy_to(seat: Seat) -> None:
            left_out = deploy.deploy_region(self.layout, seat, self.state.app, self.state.clock.time_scale, keyring)
            self.state.left_out += [kind for kind in left_out if kind not in self.state.left_out]

        self._in_each_region(deploy_to)
        warming.add_account(self._seats[0], self.state.account)
        if drill := last_drill.newest():
            Reports(deploy.client(self._seats[0], "dynamodb"), TOPOLOGY.control_table).note_drill(drill)
        self.say("the stacks are deployed")

    def _warm(self) -> None:
        """Bring the functions up before pollers and health checkers ask for them and start workers by the dozen."""
        self._write_state()
        link = None if self._strong else self._start_part("replication.link")
        self._in_each_region(warming.prepare_workers)
        if link is not None:
            wait_until_ready(link, f"{self.layout.link_control}/stats", self._log(link))
        warming.wait_for_account(self._seats[1], self.state.account)
        self._in_each_region(lambda seat: warming.try_api(seat, self.state.account))
        self.say("every function is up")

    def _start_surroundings(self) -> None:
        for seat in self._seats:
            self._start_part("polling.pollers", seat.region)
        dns, edge = self._start_part("route53.dns"), self._start_part("edge")
        wait_until_ready(dns, f"{self.layout.dns_control}/health", self._log(dns))
        wait_until_ready(edge, f"http://{LOOPBACK}:{self.layout.edge_port}/", self._log(edge))
        # Last: a sentinel that cannot see its peer yet would take it for lost.
        self._in_each_region(warming.start_sentinel)
        for process in self.book.started:
            if not is_alive(process):
                raise ProcessFailedError(self._obituary(process))
        self.say(f"pollers, {'one store for both Regions' if self._strong else 'replication'}, DNS and edge run")

    def _start_part(self, module: str, region: str | None = None) -> Started:
        """Start one of the lab's own processes, which read the lab file."""
        role = module.rpartition(".")[2]
        name = role if region is None else f"{role}-{region}"
        command = [sys.executable, "-m", f"loadtests.lab.{module}", "--lab", str(self.layout.lab_file)]
        started = self.book.start(
            name, role, region, [*command, *([] if region is None else ["--region", region])],
            environment=clean_environment(), folder=ROOT, log=self.layout.log_folder / f"{name}.log",
        )  # fmt: skip
        self._write_state()
        return started

    def _prepare_spares(self) -> None:
        try:
            self._in_each_region(warming.prepare_spares)
        except Exception as error:  # noqa: BLE001  # the lab may be frozen or ended meanwhile, and it works without
            self.say(f"spare workers were not all started: {error}")
        self.state.spares_ready = True
        self._write_state()

    def _in_each_region(self, work: Callable[[Seat], None]) -> None:
        pool = ThreadPoolExecutor(len(self._seats))
        try:
            list(pool.map(work, self._seats))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a failure, or Ctrl-C, waits for nobody

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        faults = Faults(self.layout, self.book, strong=self._strong)
        async with serve_control(self.layout, faults, Status(self.layout, self.book, faults)):
            self.state.ready_seconds = round(time.monotonic() - self._began, 1)
            self._write_state()
            on_ready()
            threading.Thread(target=self._prepare_spares, name="spares", daemon=True).start()
            await run_until_stopped(self._watch())

    async def _watch(self) -> None:
        """Tell when a process dies."""
        told: set[str] = set()
        while True:
            for started in self.book.started:
                if started.name not in told and not is_alive(started):
                    told.add(started.name)
                    self.say(self._obituary(started))
            await asyncio.sleep(WATCH_SECONDS)

    def _obituary(self, started: Started) -> str:
        log = self._log(started)
        return f"{started.name} died with {exit_code(started)}: {ministack.last_line(log)} (see {log})"

    def _log(self, started: Started) -> Path:
        return self.layout.log_folder / f"{started.name}.log"

    def _write_state(self) -> None:
        self.state.write(self.layout, self.book)

    def _end(self) -> None:
        if self.book.lab:
            end_all(self.book.started, self.book.lab, say=self.say)
            forget(self.layout)


def sweep(layout: Layout, say: Say) -> None:
    """End what an earlier lab left running because its supervisor was killed."""
    book = ProcessBook.read(layout.process_file)
    if book is None:
        return
    left = [started for started in book.started if is_alive(started)]
    end_all(book.started, book.lab, say=say)
    if left:
        say(f"ended {len(left)} processes that an earlier lab had left")
    forget(layout)


def forget(layout: Layout) -> None:
    """Remove the files of an ended lab; logs and zipped packages stay."""
    for file in (layout.lab_file, layout.process_file):
        file.unlink(missing_ok=True)
    shutil.rmtree(layout.temporary_folder, ignore_errors=True)


def _request_stop(*_: object) -> None:
    raise _StopRequested


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs a lab until it is told to stop.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--consistency", choices=get_args(Consistency), default=TOPOLOGY.consistency)
    parser.add_argument("--app", type=Path, required=True)
    arguments = parser.parse_args()
    os.umask(0o077)

    def say(text: str) -> None:
        print(text, flush=True)

    try:
        Supervisor(
            Layout.from_environment(), arguments.app.absolute(), quick=arguments.quick,
            consistency=arguments.consistency, say=say,
        ).run()  # fmt: skip
    except StartError as error:
        sys.exit(f"relevo: {error}")


if __name__ == "__main__":
    main()
