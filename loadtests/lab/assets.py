"""Zips the Lambda packages that a synthesized app names, with bytecode added.

AWS starts a function from a prepared image. MiniStack imports the package anew for each worker, and compiling it each
time would take most of the lab's start.
"""

from __future__ import annotations

import compileall
import json
import py_compile
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtests.lab.layout import ACCOUNT


@dataclass(frozen=True)
class Asset:
    """A folder of the synthesized app and where a template expects it zipped."""

    folder: Path
    bucket: str
    key: str


def assets_of(app: Path, stack: str) -> Iterator[Asset]:
    """The zipped assets of a stack, as its asset manifest names them."""
    manifest = json.loads((app / f"{stack}.assets.json").read_text())
    for file in manifest["files"].values():
        if file["source"]["packaging"] != "zip":
            continue
        for destination in file["destinations"].values():
            yield Asset(
                app / file["source"]["path"],
                destination["bucketName"].replace("${AWS::AccountId}", ACCOUNT),
                destination["objectKey"],
            )


def zipped(asset: Asset, cache: Path) -> Path:
    """The asset as a zip with bytecode for this interpreter, made once per content (the folder's name has its hash)."""
    target = cache / f"{asset.folder.name}.{sys.implementation.cache_tag}.zip"
    if target.is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    for outdated in cache.glob("*.zip"):
        outdated.unlink()
    write_zip(asset.folder, target)
    return target


def write_zip(package: Path, target: Path) -> None:
    """Zip a package with bytecode for this interpreter; a reader never sees it half written."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        copy = Path(scratch) / "package"
        shutil.copytree(package, copy)
        compileall.compile_dir(
            copy,
            quiet=2,
            workers=0,
            stripdir=str(copy),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        fresh = Path(scratch) / "package.zip"
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(copy.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(copy))
        fresh.replace(target)
