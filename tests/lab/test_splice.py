"""The splice before a Region's own services: bytes pass unchanged, and the target is chosen anew for each request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from loadtests.lab.faults.splice import Target, serve_splice


class Echo:
    """A target that says its name before each line; ``left`` gets one item for each client that hung up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.left: asyncio.Queue[str] = asyncio.Queue()
        self._talks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Target]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[:2]
        finally:
            server.close()
            async with asyncio.timeout(5):
                await asyncio.gather(*self._talks)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        while line := await reader.readline():
            writer.write(f"{self.name} ".encode() + line)
            if line == b"bye\n":
                break
        self.left.put_nowait(self.name)
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def spliced(choose: Callable[[], Target]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = await serve_splice("127.0.0.1", 0, choose)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()
        server.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> str:
    writer.write(text.encode() + b"\n")
    return (await asyncio.wait_for(reader.readline(), 5)).decode().strip()


def test_each_request_goes_where_it_should_at_that_moment() -> None:
    async def run() -> None:
        straight, faulty = Echo("straight"), Echo("faulty")
        async with straight.listening() as straight_target, faulty.listening() as faulty_target:
            target = [straight_target]
            async with spliced(lambda: target[0]) as (reader, writer):
                assert await ask(reader, writer, "one") == "straight one"
                assert await ask(reader, writer, "two") == "straight two"
                assert straight.left.empty()
                target[0] = faulty_target
                assert await ask(reader, writer, "three") == "faulty three"
                target[0] = straight_target
                assert await ask(reader, writer, "four") == "straight four"
                assert await ask(reader, writer, "x" * 60_000) == "straight " + "x" * 60_000
                assert await asyncio.wait_for(straight.left.get(), 5) == "straight"
                assert await asyncio.wait_for(faulty.left.get(), 5) == "faulty"

    asyncio.run(run())


def test_a_target_that_ends_or_cannot_be_had_ends_the_connection() -> None:
    async def run() -> None:
        async with Echo("it").listening() as there, spliced(lambda: there) as (reader, writer):
            assert await ask(reader, writer, "bye") == "it bye"
            assert await asyncio.wait_for(reader.read(), 5) == b""
        async with spliced(lambda: there) as (reader, writer):
            writer.write(b"hello\n")
            assert await asyncio.wait_for(reader.read(), 5) == b""

    asyncio.run(run())


def test_a_client_that_hangs_up_is_seen_by_its_target() -> None:
    async def run() -> None:
        echo = Echo("it")
        async with echo.listening() as there:
            async with spliced(lambda: there) as (reader, writer):
                assert await ask(reader, writer, "one") == "it one"
            assert await asyncio.wait_for(echo.left.get(), 5) == "it"

    asyncio.run(run())
