"""Passes a connection's bytes on to one of two targets, decided anew for each request. Knows nothing of what it passes.

HTTP/1.1 without pipelining is all it relies on: what a client sends after something was sent to it is a new request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

Target = tuple[str, int]

BACKLOG: Final = 1024


class _Answers(asyncio.Protocol):
    """The side of a target: hands its bytes to the caller, and its end too."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        self._caller.answer(self, data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._caller.target_lost(self)


@dataclass(eq=False)
class Caller(asyncio.Protocol):
    """The side of a client. Connects to a target with the first bytes of a request.

    A target that cannot be had, or that ends, ends the client's connection, as if there were nothing in between.
    """

    choose: Callable[[], Target]
    _transport: asyncio.Transport | None = field(default=None, init=False)
    _answers: _Answers | None = field(default=None, init=False)
    _target: Target | None = field(default=None, init=False)
    _answered: bool = field(default=True, init=False)  # what comes next from the client is a new request
    _connecting: asyncio.Task[None] | None = field(default=None, init=False)
    _waiting: list[bytes] = field(default_factory=list, init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answered:
            self._answered = False
            target = self.choose()
            if target != self._target:
                self._leave_target()
                self._target = target
                self._connecting = asyncio.get_running_loop().create_task(self._connect(target))
        if self._answers is not None and self._answers.transport is not None:
            self._answers.transport.write(data)
        else:
            self._waiting.append(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._leave_target()

    def answer(self, answers: _Answers, data: bytes) -> None:
        if answers is self._answers and self._transport is not None:
            self._answered = True
            self._transport.write(data)

    def target_lost(self, answers: _Answers) -> None:
        if answers is self._answers and self._transport is not None:
            self._transport.close()

    async def _connect(self, target: Target) -> None:
        answers = _Answers(self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: answers, *target)
        except OSError:
            if self._transport is not None:
                self._transport.close()
            return
        assert answers.transport is not None
        if self._transport is None:  # the client has gone meanwhile
            answers.transport.close()
            return
        self._answers = answers
        answers.transport.writelines(self._waiting)
        self._waiting.clear()

    def _leave_target(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        answers, self._answers, self._target = self._answers, None, None
        if answers is not None and answers.transport is not None:
            answers.transport.close()


async def serve_splice(address: str, port: int, choose: Callable[[], Target]) -> asyncio.Server:
    """Listen, and pass each request on to the target that ``choose`` names when its first byte comes."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Caller(choose), address, port, backlog=BACKLOG)
