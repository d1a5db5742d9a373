"""All probes of a drill together: made before the load, running beside it, stopped and removed after it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from loadtests.addressing import NameResolver
from loadtests.drills.announcements import AnnouncementCollector
from loadtests.drills.evidence import Announcement
from loadtests.drills.freshness import FreshnessReader, Sighting
from loadtests.drills.probe import TROUBLE, Probe
from loadtests.drills.probes import DnsProbe, LedgerFeed, Listener, StatusProbe
from loadtests.drills.reader import Reader
from loadtests.drills.target import DrillTarget
from loadtests.drills.tracker import ReplicaTracker
from loadtests.ledger import Ledger
from shared.slo import Timing
from shared.topology import TOPOLOGY

SAMPLE_ONE_IN = 4  # of new orders, for freshness
QUIET_DRAIN_SECONDS = 2.0


class Observers:
    """Watches both Regions from outside."""

    def __init__(
        self, lab: DrillTarget, *, timing: Timing, run: str, ledger: Path, reader: Reader,
        make_resolver: Callable[[str], NameResolver],
    ) -> None:  # fmt: skip
        self.lab = lab
        self.reader = reader
        real = timing == "real"
        regions = list(lab.regions.values())
        self.trackers = {region.name: ReplicaTracker(region, 2.0 if real else 1.0) for region in regions}
        self.readers = [
            FreshnessReader(
                region.name,
                region.api(TOPOLOGY.api_name),
                partial(reader.token, region.name),
                2.0 if real else 1.0,
                SAMPLE_ONE_IN,
            )
            for region in regions
        ]
        self.collectors = [AnnouncementCollector(region, run) for region in regions]
        self.status = StatusProbe(lab, 2.0 if real else 1.0)
        self.dns = DnsProbe(TOPOLOGY.api_name, make_resolver, lab, 1.0 if real else 0.25)
        listeners: list[Listener] = [tracker.hear for tracker in self.trackers.values()]
        listeners += [reader.hear for reader in self.readers]
        self.feed = LedgerFeed(ledger, listeners)

    @property
    def ledger(self) -> Ledger:
        return self.feed.ledger

    def _probes(self) -> list[Probe]:
        return [self.feed, self.dns, self.status, *self.trackers.values(), *self.readers, *self.collectors]

    def start(self) -> None:
        """Subscribe to the announcements first: nothing may happen unheard."""
        for collector in self.collectors:
            collector.subscribe()
        for probe in self._probes():
            probe.start()

    def complete_until(self, acked_until: float) -> bool:
        """Whether every command acknowledged up to a moment has its event and its effect in both logs."""
        self.feed.look()
        return not any(tracker.incomplete(acked_until) for tracker in self.trackers.values())

    def listen_for(self, wanted: set[str], seconds: float) -> None:
        """Go on listening until all wanted effects were announced or there is nothing more to hear."""
        end = time.monotonic() + seconds
        quiet_since = time.monotonic()
        heard = -1
        while time.monotonic() < end:
            if wanted <= {announcement.event_id for announcement in self.announcements()}:
                return
            if len(self.announcements()) != heard:
                heard, quiet_since = len(self.announcements()), time.monotonic()
            elif time.monotonic() - quiet_since > max(QUIET_DRAIN_SECONDS, seconds / 2):
                return
            time.sleep(0.25)

    def announcements(self) -> list[Announcement]:
        return [announcement for collector in self.collectors for announcement in list(collector.heard)]

    def sightings(self) -> list[Sighting]:
        return [sighting for reader in self.readers for sighting in reader.sightings()]

    def stop(self) -> list[str]:
        """Stop every probe and remove the queues; return what could not be removed or kept failing."""
        for probe in self._probes():
            probe.stop()
        with contextlib.suppress(*TROUBLE):
            self.feed.look()
        return [text for collector in self.collectors for text in collector.unsubscribe()]

    def troubles(self) -> list[str]:
        return [
            f"{probe.name}: {probe.troubles} looks failed (last: {probe.last_trouble})"
            for probe in self._probes()
            if probe.troubles
        ]
