"""A probe looks at one thing again and again beside the load, in a thread of its own, and keeps what it saw."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.drills.target import TargetError

# What a Region that is frozen, cut off or under load makes of a call; the probe looks again later.
TROUBLE = (OSError, BotoCoreError, ClientError, TargetError)


class Probe(ABC):
    """Calls ``look`` at an interval until stopped; trouble on the way is counted, never fatal."""

    def __init__(self, name: str, every_seconds: float) -> None:
        self.name = name
        self.every_seconds = every_seconds
        self.troubles = 0
        self.last_trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Look once."""

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 15.0) -> None:
        """Ask the probe to end after its current look and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self.look()
            except TROUBLE as error:
                self.troubles += 1
                self.last_trouble = f"{type(error).__name__}: {error}"[:200]
            except Exception as error:
                # A thread that dies unseen would leave a promise unmeasured without a word.
                self.troubles += 1
                self.last_trouble = f"BUG {type(error).__name__}: {error}"[:200]
                raise
            self._stopping.wait(max(0.02, self.every_seconds - (time.monotonic() - began)))
