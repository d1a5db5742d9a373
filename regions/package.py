"""Builds the Lambda package `.build/lambda`: our own code for Lambda and pinned third-party code, and nothing else.

Same inputs, same contents; nothing is done while they are unchanged. Run `python -m regions.package` before a synth.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / ".build" / "lambda"
LOCK: Final = ROOT / "regions" / "handlers" / "requirements.lock"

# What of ours runs in Lambda. `regions` itself is taken without its constructs, which need the CDK.
SOURCES: Final = ("shared/**/*", "regions/__init__.py", "regions/handlers/**/*")
SOURCE_SUFFIXES: Final = (".py", ".json")

# botocore describes some 400 services in 30 MB; a function reads only those that it calls.
SERVICES: Final = ("dynamodb", "events", "lambda", "s3", "secretsmanager", "sns", "sqs")
SDK_DATA_FILES: Final = ("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json")
# Not needed at run time: metadata and scripts, boto3's resource models and examples, the Swagger page of Powertools,
# urllib3's code for browsers, and zones of dateutil, which botocore never asks for.
UNUSED: Final = (
    "*.dist-info",
    "bin",
    "boto3/data",
    "boto3/examples",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.js",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.css",
    "dateutil/zoneinfo/*.tar.gz",
    "urllib3/contrib/emscripten",
    "**/py.typed",
    "**/__pycache__",
)


class PackageError(RuntimeError):
    """The package could not be built, or would contain what must not be in it."""


def build(package: Path = PACKAGE) -> Path:
    """Bring ``package`` up to date and return it; a reader never sees it half written."""
    package.parent.mkdir(parents=True, exist_ok=True)
    stamp = package.with_name(f"{package.name}.stamp")
    wanted = _digest([*source_files(), LOCK, Path(__file__)])
    if package.is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return package
    third_party = _third_party(package.with_name("third-party"))
    # The process id keeps two builders apart: each makes its own copy and the last rename wins.
    fresh, outgoing = (package.with_name(f"{package.name}.{kind}.{os.getpid()}") for kind in ("fresh", "outgoing"))
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(third_party, fresh)
    for source in source_files():
        target = fresh / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if package.is_dir():
        package.rename(outgoing)
    fresh.rename(package)
    shutil.rmtree(outgoing, ignore_errors=True)
    stamp.write_text(wanted)
    return package


def source_files() -> Iterator[Path]:
    """Yield our own files that go into the package, sorted."""
    found = {path for pattern in SOURCES for path in ROOT.glob(pattern) if path.suffix in SOURCE_SUFFIXES}
    for path in sorted(found):
        if not any(part.startswith((".", "__pycache__")) for part in path.relative_to(ROOT).parts):
            yield path


def _third_party(folder: Path) -> Path:
    """Install the lock into ``folder`` and prune it, unless it holds just that already."""
    stamp = folder.with_name(f"{folder.name}.stamp")
    wanted = _digest([LOCK, Path(__file__)])
    if folder.is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return folder
    fresh = folder.with_name(f"{folder.name}.fresh.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"]
    install += ["--only-binary", ":all:", "--requirement", str(LOCK), "--target", str(fresh)]
    if subprocess.run(install, check=False).returncode != 0:  # noqa: S603 - fixed arguments, hashes checked
        raise PackageError(f"pip could not install {LOCK.relative_to(ROOT)}; its own message is above")
    _prune(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    stamp.write_text(wanted)
    return folder


def _prune(folder: Path) -> None:
    """Drop what no function uses; refuse compiled code, since the lab's processor is not Lambda's."""
    keep = {*SERVICES, *SDK_DATA_FILES}
    surplus = [path for path in (folder / "botocore" / "data").iterdir() if path.name not in keep]
    surplus += [path for pattern in UNUSED for path in folder.glob(pattern)]
    for path in surplus:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if compiled := sorted(path.name for path in folder.rglob("*") if path.suffix in (".so", ".pyd", ".dylib")):
        raise PackageError(f"compiled code in the package: {', '.join(compiled)}")


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    try:
        print(build().relative_to(ROOT))  # noqa: T201 - a command's output
    except PackageError as error:
        sys.exit(f"package: {error}")
