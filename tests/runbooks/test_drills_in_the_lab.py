"""Drills in a lab that is not the one they need: nothing was judged, which is not the exit code of a broken promise."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loadtests.drills.commands import drill
from runbooks.lab_folder import FOLDER_VARIABLE


class Control(BaseHTTPRequestHandler):
    """The control API of a lab that is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def quick_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What tells commands of a lab with quick timing and eventual consistency."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Control) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        control = f"http://127.0.0.1:{server.server_port}"
        state = {"quick": True, "regions": {}, "dns": "127.0.0.1:1", "control": control, "consistency": "eventual"}
        (tmp_path / "lab.json").write_text(json.dumps(state))
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
        yield tmp_path
        server.shutdown()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("growth",), "a lab with quick timing is running, this drill needs real: `relevo down` first"),
        (
            ("region-loss", "--quick", "--consistency", "strong"),
            "a lab with eventual consistency is running, this drill needs strong: `relevo down` first",
        ),
    ],
)
def test_a_drill_that_cannot_be_run_says_why_in_one_line_and_breaks_no_promise(
    quick_lab: Path, arguments: tuple[str, ...], reason: str
) -> None:
    done = CliRunner().invoke(drill, [*arguments, "--out", str(quick_lab / "out")])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"relevo: {reason}"]
