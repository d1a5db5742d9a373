"""The two Lambda packages of a release drill: the one that the lab runs, and one from before it or after it.

Both are real packages, made as for AWS. A clone need not have the history that an older release is in, so by default
this version plays the older part: the newer one is the same but for what it writes, which the older one has to bear.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadtests.drills.lab_access import LabError
from loadtests.drills.programs import PROJECT
from loadtests.lab.assets import Asset, assets_of, write_zip
from loadtests.lab.deploy import region_stack
from shared.topology import TOPOLOGY

CONTRACT: Final = "regions/handlers/contract.py"
ITEMS: Final = "shared/adapters/items.py"
VERSION: Final = re.compile(r'^VERSION: Final = "(.+)"$', re.MULTILINE)
MARK: Final = "written_by"  # an attribute that no version knows
NEWER_ITEMS: Final = f"""

_event_to_plain, _effect_to_plain = event_to_plain, effect_to_plain


def event_to_plain(event):
    return {{**_event_to_plain(event), "{MARK}": "a newer version"}}


def effect_to_plain(effect):
    return {{**_effect_to_plain(effect), "{MARK}": "a newer version"}}
"""
BUILD_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Package:
    """One version of the code: its name, what it is, and its zip."""

    name: str
    words: str
    file: Path

    @property
    def fingerprint(self) -> str:
        """What Lambda says of a function that runs it."""
        return base64.b64encode(hashlib.sha256(self.file.read_bytes()).digest()).decode()


def packages_for(previous: str | None, work: Path, app: Path = PROJECT / "cdk.out") -> tuple[Package, Package]:
    """This checkout's package, and the one that it is to run beside; raises ``LabError``."""
    ours = deployed_asset(app).folder
    this = _zipped(ours, work / "this.zip", "this checkout")
    if previous is None:
        return this, _zipped(
            newer_version(ours, work / "newer"), work / "other.zip", f"this checkout, writing {MARK!r} into each item"
        )
    other = _zipped(_built_from(previous, work), work / "other.zip", previous)
    if other.name == this.name:  # between two releases
        other = replace(other, name=f"{other.name} of {previous}")
    return this, other


def deployed_asset(app: Path = PROJECT / "cdk.out", region: str = TOPOLOGY.owner_region) -> Asset:
    """The product's package among a Region's assets in the synthesized app."""
    if not app.is_dir():
        raise LabError(f"{app} is missing: run `make synth`")
    for asset in assets_of(app, region_stack(region)):
        if (asset.folder / CONTRACT).is_file():
            return asset
    raise LabError(f"{app} has no package of the product: run `make synth`")


def newer_version(ours: Path, folder: Path) -> Path:
    """Make of a package one that says that it is newer, and that writes an attribute more into every item."""
    shutil.copytree(ours, folder)
    contract, items = folder / CONTRACT, folder / ITEMS
    text = contract.read_text(encoding="utf-8")
    contract.write_text(VERSION.sub(r'VERSION: Final = "\1+newer"', text), encoding="utf-8")
    items.write_text(items.read_text(encoding="utf-8") + NEWER_ITEMS, encoding="utf-8")
    return folder


def _built_from(previous: str, work: Path) -> Path:
    """Build the package of another checkout, or of a commit, by that checkout's own builder."""
    checkout = Path(previous)
    if not checkout.is_dir():
        checkout = work / "checkout"
        checkout.mkdir()
        archive = work / "checkout.tar"
        _run("git", "archive", "--output", str(archive), previous, folder=PROJECT)
        shutil.unpack_archive(archive, checkout, filter="data")
    # The builder takes these as its own when its lock is the same, and saves an installation.
    for built in (PROJECT / ".build").glob("third-party*"):
        target = checkout / ".build" / built.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if built.is_dir() else shutil.copy)(built, target)
    _run(sys.executable, "-m", "regions.package", folder=checkout)
    return checkout / ".build" / "lambda"


def _run(*command: str, folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder)},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"`{' '.join(command)}` failed: {error}") from error
    if done.returncode != 0:
        raise LabError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-300:]}")


def _zipped(folder: Path, file: Path, words: str) -> Package:
    found = VERSION.search((folder / CONTRACT).read_text(encoding="utf-8"))
    if found is None:
        raise LabError(f"{folder / CONTRACT} does not say which version it is")
    write_zip(folder, file)
    return Package(found[1], words, file)
