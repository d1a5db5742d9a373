"""A Region sees its peer serve only if it says so in time; who is lost and who may refuse work rests on this."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.adapters import peer
from shared.adapters.peer import peer_serves

SERVING = b'{"serving":true,"region":"us-east-2"}'


class Peer(ThreadingHTTPServer):
    """Answers `/health` as told, or not before it is let go."""

    def __init__(self, status: int, body: bytes, *, answers: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), PeerHandler)
        self.status, self.body, self.let_go = status, body, threading.Event()
        if answers:
            self.let_go.set()
        self.asked: list[tuple[str, str | None]] = []


class PeerHandler(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"]))
        self.server.let_go.wait()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running(server: Peer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("status", "body", "serves"),
    [
        (200, SERVING, True),
        (200, b'{"serving":false,"region":"us-east-2"}', False),
        (200, b"<html>Welcome</html>", False),
        (503, SERVING, False),
    ],
)
def test_a_peer_serves_if_it_says_so(status: int, body: bytes, serves: bool) -> None:
    there = Peer(status, body)
    with running(there) as endpoint:
        assert peer_serves(endpoint, "us-east-2.api.cargo.test") is serves
    assert there.asked == [("/health", "us-east-2.api.cargo.test")]


@pytest.mark.enable_socket
def test_a_peer_that_answers_late_or_not_at_all_was_not_seen_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "TIMEOUT_SECONDS", 0.1)
    with running(Peer(200, SERVING, answers=False)) as endpoint:
        assert peer_serves(endpoint, "there") is False
    assert peer_serves(endpoint, "there") is False
