"""A first-in, first-out buffer between the reader of a stream and the worker of one lane."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable

from loadtests.lab.polling.stream_batches import Record


class Lane:
    """Records on their way to one worker, in the order of the stream."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._records)

    def put(self, records: Iterable[Record]) -> None:
        with self._changed:
            self._records.extend(records)
            self._changed.notify()

    def close(self) -> None:
        """Wake the worker for good; what is still here is left undelivered."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self, size: int, window_seconds: float) -> tuple[Record, ...]:
        """Wait for records and take up to ``size`` of them; a window lets a batch fill up first. Empty when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._records)
            due = time.monotonic() + window_seconds
            while not self._closed and len(self._records) < size and (left := due - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._closed:
                return ()
            return tuple(self._records.popleft() for _ in range(min(size, len(self._records))))
