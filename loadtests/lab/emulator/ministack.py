"""Starts one MiniStack per Region, with IAM enforced and all of its files inside the lab's folder.

Its Lambda workers inherit its environment: their way to AWS leads through the Region's own path, where faults happen.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadtests.lab import loopback
from loadtests.lab.emulator.gateway import SCALE_VARIABLE, STORE_VARIABLE
from loadtests.lab.layout import ACCOUNT, ROOT, Layout, Seat
from loadtests.lab.processes import ProcessBook, Started, exit_code, is_alive

ROLE: Final = "ministack"
ROOT_KEY: Final = "test"  # MiniStack's root credentials, id and secret alike
READY_SECONDS: Final = 60.0  # the first time after an installation, Python compiles it
# Nothing of the caller's own AWS set-up, proxies or Python paths may reach the lab.
FOREIGN_PREFIXES: Final = ("AWS_", "PYTHON", "MINISTACK_", "LOCALSTACK_", "LAMBDA_")
FOREIGN_NAMES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SERVICES", "PERSIST_STATE", "USE_SSL")


class ProcessFailedError(Exception):
    """A process of the lab ended or did not get ready; the text says which and where its log is."""


def clean_environment(caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The caller's environment without what would make the lab reach out of itself."""
    kept = {
        name: value
        for name, value in caller.items()
        if not name.upper().startswith(FOREIGN_PREFIXES) and name.upper() not in FOREIGN_NAMES
    }
    return kept | {
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def environment_of(seat: Seat, folder: Path, time_scale: float) -> dict[str, str]:
    """Everything that makes a MiniStack process this Region."""
    return clean_environment() | {
        "BIND_HOST": seat.address,
        "GATEWAY_PORT": str(seat.gateway_port),
        "MINISTACK_HOST": seat.address,  # a custom resource's Lambda answers to this host
        "MINISTACK_REGION": seat.region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AWS_DEFAULT_REGION": seat.region,
        SCALE_VARIABLE: f"{time_scale:g}",
        "AUTH": "true",
        "PERSIST_STATE": "0",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder),
        "LOG_LEVEL": "WARNING",
        "MINISTACK_WORKER_THREADS": "256",  # invocations that wait for each other hold one each
        "LAMBDA_WARM_TTL_SECONDS": "86400",
        "AWS_ENDPOINT_URL": seat.own_path,
        "IOT_MTLS_ENABLED": "0",  # one port for both processes otherwise
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",  # it would remove other MiniStacks' containers
    }


def check_installed() -> None:
    """Raise ``ProcessFailedError`` when this Python cannot run MiniStack and the proxy before it."""
    missing = [name for name in ("ministack", "microburst", "boto3") if importlib.util.find_spec(name) is None]
    if missing:
        raise ProcessFailedError(
            f"{sys.executable} lacks {', '.join(missing)}: run `make setup`, then `.venv/bin/relevo up`"
        )


def start_ministack(
    book: ProcessBook, layout: Layout, seat: Seat, time_scale: float, *, strong: bool = False
) -> Started:
    """Start a Region's MiniStack; it is ready some time later (``wait_until_ready``)."""
    more = {STORE_VARIABLE: layout.store.endpoint} if strong else {}
    return _start(book, layout, seat, time_scale, f"ministack-{seat.region}", seat.region, more)


def start_store(book: ProcessBook, layout: Layout) -> Started:
    """Start what holds the strong tables: a MiniStack that belongs to no Region, so no Region's loss stops it."""
    return _start(book, layout, layout.store, 1.0, "store", None, {})


def _start(
    book: ProcessBook, layout: Layout, seat: Seat, time_scale: float, name: str, region: str | None,
    more: Mapping[str, str],
) -> Started:  # fmt: skip
    folder = layout.temporary_folder / name.removeprefix("ministack-")
    folder.mkdir(parents=True, exist_ok=True)
    return book.start(
        name, ROLE, region, [sys.executable, "-m", "loadtests.lab.emulator.gateway"],
        environment={**environment_of(seat, folder, time_scale), **more}, folder=ROOT,
        log=layout.log_folder / f"{name}.log",
    )  # fmt: skip


def wait_until_ready(started: Started, url: str, log: Path, *, patience_seconds: float = READY_SECONDS) -> None:
    """Wait until a process answers at ``url``, whatever it answers; raises ``ProcessFailedError`` when it does not."""
    deadline = time.monotonic() + patience_seconds
    while not loopback.answers(url):
        if not is_alive(started):
            raise ProcessFailedError(f"{started.name} ended with {exit_code(started)}: {last_line(log)} (see {log})")
        if time.monotonic() > deadline:
            raise ProcessFailedError(f"{started.name} was not ready in {patience_seconds:.0f} s: see {log}")
        time.sleep(0.05)


def last_line(log: Path) -> str:
    """The last thing that a process wrote."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1].strip() if lines else "it wrote nothing"
