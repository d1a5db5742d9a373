"""The app, synthesized once for all tests here; what is tested is what would be deployed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from regions.package import PACKAGE, ROOT, build
from shared.topology import TOPOLOGY
from tests.infra.templates import Template

# The CDK's Node comes from PyPI and lies beside the interpreter, whether or not the environment is activated.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")

# No proxy, no credentials and no account: whatever would call out fails.
OFFLINE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@dataclass(frozen=True)
class SecondSynthesis:
    """`python app.py` in a process of its own, writing to ``outdir``."""

    outdir: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="session")
def package() -> Path:
    return build()


@pytest.fixture(scope="session")
def second_synthesis(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondSynthesis]:
    """A process that synthesizes offline; it runs beside the first synthesis, since either takes ten seconds."""
    outdir = tmp_path_factory.mktemp("again")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**environment, **OFFLINE, "CDK_OUTDIR": str(outdir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield SecondSynthesis(outdir, process)
        if process.poll() is None:
            process.kill()


@pytest.fixture(scope="session")
def assembly(package: Path, second_synthesis: SecondSynthesis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import app  # here: starting the CDK's Node process takes a second that other suites need not pay

    assert package == PACKAGE
    outdir = tmp_path_factory.mktemp("assembly")
    app.build(outdir=str(outdir)).synth()
    return outdir


@pytest.fixture(scope="session")
def data(assembly: Path) -> Template:
    return Template.read(assembly, "relevo-data")


@pytest.fixture(scope="session", params=TOPOLOGY.region_names)
def region(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def template(assembly: Path, region: str) -> Template:
    """The stack of each Region in turn."""
    return Template.read(assembly, f"relevo-{region}")
