"""Runs a Region's event source pollers: ``python -m loadtests.lab.polling.pollers --region us-east-1``.

Reads the event source mappings of the Region's synthesized template and starts one poller for each; the mappings
themselves are not deployed, since the local Region's own poller loses what a function reports as failed. Settings are
the template's; the pollers' own backoffs follow the lab's time scale (a tenth of them in a quick lab), visibility
timeouts and record ages do not.

Survives a frozen or unreachable Region, and being frozen with it. A restart delivers the streams again from their
oldest record. Ends with 0 on SIGTERM, and with 1 when a part of it failed: a poller that is half alive would lose time
unseen.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from loadtests.lab.polling.event_sources import MappingError, Source, StreamSource, read_sources
from loadtests.lab.polling.queue_poller import QueuePoller
from loadtests.lab.polling.region_clients import RegionClients
from loadtests.lab.polling.stream_poller import SHARDS, StreamPoller

STOP_SECONDS: Final = 3.0  # for work under way, and for the long polls to end

log = logging.getLogger("relevo.pollers")


class Pollers:
    """All pollers of one Region."""

    def __init__(
        self, sources: Sequence[Source], clients: RegionClients, *, time_scale: float = 1.0, shards: int = SHARDS
    ) -> None:
        self._stop = threading.Event()
        self.failure_code: int | None = None
        self._ended: SimpleQueue[int] = SimpleQueue()  # may be put to from a signal handler, unlike an Event
        self._pollers = [
            StreamPoller(source, clients, self._stop, time_scale=time_scale, shards=shards)
            if isinstance(source, StreamSource)
            else QueuePoller(source, clients, self._stop, time_scale=time_scale)
            for source in sources
        ]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start polling."""
        for poller in self._pollers:
            for name, part in poller.parts().items():
                # A call to a dead Region must not hold up the end: daemon.
                thread = threading.Thread(target=self._run, args=(part,), name=name, daemon=True)
                thread.start()
                self._threads.append(thread)

    def _run(self, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception:
            log.critical("%s failed", threading.current_thread().name, exc_info=True)
            self.failure_code = 1
            self.end(self.failure_code)

    def end(self, code: int = 0) -> None:
        """Let ``wait`` return with this exit code."""
        self._ended.put(code)

    def wait(self) -> int:
        """Wait until a signal, or an error that nobody expected in any part; returns the exit code."""
        return self._ended.get()

    def close(self) -> None:
        """Stop polling and wait a moment for what is under way; the rest is delivered again by the next poller."""
        self._stop.set()
        for poller in self._pollers:
            poller.close()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Poll until a stop signal; returns the exit code."""
    parser = argparse.ArgumentParser(description="The event source pollers of one Region of the lab.")
    parser.add_argument("--region", required=True)
    parser.add_argument("--lab", type=Path, required=True, help="the lab file")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        lab = json.loads(options.lab.read_text())
        region = lab["regions"][options.region]
        endpoint, own_path = region["endpoint"], region["own_path"]
        template = Path(lab.get("template_dir", "cdk.out")) / f"relevo-{options.region}.template.json"
        sources = read_sources(json.loads(template.read_text()))
    except (OSError, KeyError, ValueError, MappingError) as error:
        parser.error(f"nothing to poll: {error!r}")
    pollers = Pollers(
        sources, RegionClients.open(options.region, endpoint, own_path), time_scale=float(lab.get("time_scale", 1))
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pollers.end())
    pollers.start()
    for source in sources:
        log.info("polling %s", source)
    code = pollers.wait()
    pollers.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
