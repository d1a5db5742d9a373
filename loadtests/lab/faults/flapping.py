"""The fault of flapping health checks: a Region's health function goes away and comes back, again and again."""

from __future__ import annotations

import logging
import threading
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.lab.deploy import client
from loadtests.lab.layout import Seat
from shared.topology import function_name

STOP_SECONDS: Final = 15.0
log = logging.getLogger("relevo.flapping")


class Flapping:
    """Takes the health function's concurrency away for so many seconds, gives it back for as many, and so on."""

    def __init__(self, seat: Seat, seconds: float) -> None:
        self._functions = client(seat, "lambda", timeout_seconds=5.0, attempts=1)
        self._name = function_name("health")
        found = self._functions.get_function_concurrency(FunctionName=self._name)
        self._reserved: int | None = found.get("ReservedConcurrentExecutions")
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._flap, name=f"flapping {seat.region}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop flapping and leave the function as it was; raises when the Region does not answer."""
        self._over.set()
        self._thread.join(STOP_SECONDS)
        self._give_back()

    def _flap(self) -> None:
        while True:
            for step in (self._take_away, self._give_back):
                try:
                    step()
                except (BotoCoreError, ClientError) as error:  # the Region may be lost meanwhile
                    log.info("%s: %s", self._name, error)
                if self._over.wait(self._seconds):
                    return

    def _take_away(self) -> None:
        self._functions.put_function_concurrency(FunctionName=self._name, ReservedConcurrentExecutions=0)

    def _give_back(self) -> None:
        if self._reserved is None:
            self._functions.delete_function_concurrency(FunctionName=self._name)
        else:
            self._functions.put_function_concurrency(
                FunctionName=self._name, ReservedConcurrentExecutions=self._reserved
            )
