"""What comes from elsewhere: pinned by hash, under a licence that lets us use it, and in the bills of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PAGE = ROOT / "global_stack" / "site" / "package-lock.json"
BROWSER_TESTS = ROOT / "tests" / "site" / "package-lock.json"
# As packages name them: free to use, to change and to pass on inside something else.
LICENCES = re.compile(
    r"MIT|0?BSD|Apache|ISC|MPL|Mozilla|PSF|Python|ZPL|Zope|Unlicense|Permission is hereby granted, free of charge"
)
NOT_THESE = re.compile(r"GPL|GNU|Affero|SSPL|Commercial|Proprietary")
NPM_LICENCES = {"0BSD", "Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    """The entry of each package of the lock, by its name."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    return {plain(entry.partition("==")[0]): entry for entry in entries}


def npm_packages(lock: Path) -> dict[str, dict[str, Any]]:
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_text())["packages"]
    return {name: package for name, package in packages.items() if name}


def licence_of(found: Distribution) -> str:
    """What a package says of its licence; where that is all of the text, how it begins."""
    said = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    classified = [line for line in found.metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    return " ".join([said[:120], *classified])


def test_every_python_package_is_one_version_with_its_hashes() -> None:
    assert len(pinned()) > 100
    for name, entry in pinned().items():
        assert re.match(r"\S+==[\w.!+]+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), name
        for line in entry.splitlines()[1:]:
            assert re.fullmatch(r"    (--hash=sha256:[0-9a-f]{64}( \\)?|# .+)", line), f"{name}: {line}"


@pytest.mark.parametrize("lock", [PAGE, BROWSER_TESTS], ids=["page", "browser tests"])
def test_every_npm_package_is_one_version_with_its_hash_and_a_licence(lock: Path) -> None:
    packages = npm_packages(lock)
    assert len(packages) > 20
    for name, package in packages.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*", package["version"]), name
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
        assert package["license"] in NPM_LICENCES, name


def test_nothing_is_installed_but_what_the_locks_say_and_no_package_runs_a_script() -> None:
    installs = re.findall(r"^\t@.*(?:pip install|npm .*\bci\b).*$", MAKEFILE, re.MULTILINE)
    assert len(installs) == 3
    python, own, npm = installs
    assert "--no-deps --require-hashes -r requirements.lock" in python
    assert "--no-deps --no-build-isolation" in own
    assert own.endswith("-e .")
    assert "ci --ignore-scripts" in npm


def test_every_installed_package_has_a_licence_that_lets_us_use_it() -> None:
    installed = {plain(found.metadata["Name"]): licence_of(found) for found in distributions()}
    known = {name: installed[name] for name in pinned() if name in installed}
    assert len(known) > 0.9 * len(pinned())  # the others are those of other systems
    for name, licence in known.items():
        assert LICENCES.search(licence), f"{name}: {licence}"
        assert not NOT_THESE.search(licence), f"{name}: {licence}"


def test_the_pages_bill_of_materials_has_every_package_with_hash_and_licence() -> None:
    ready = f"{sys.prefix}/.ready"
    told = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ready, f"VENV={sys.prefix}", "sbom"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    lines = told.stdout.splitlines()
    python = [line for line in lines if "cyclonedx-py environment" in line]
    assert len(python) == 1
    # The Makefile's own lines, but for the Python packages': those take half a minute.
    subprocess.run(["bash", "-ec", "\n".join(line for line in lines if line not in python)], cwd=ROOT, check=True)
    bill = json.loads((ROOT / "out" / "sbom-page.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    packages = {(name.rpartition("node_modules/")[2], found["version"]) for name, found in npm_packages(PAGE).items()}
    listed = {"/".join(filter(None, (found.get("group"), found["name"]))): found for found in bill["components"]}
    assert {(name, found["version"]) for name, found in listed.items()} == packages
    for name, found in listed.items():
        assert found["purl"].startswith("pkg:npm/"), name
        assert found["hashes"][0]["alg"] == "SHA-512", name
        assert found["licenses"], name
