"""The app as a whole: the same bytes each time, without a network, and clean under cfn-lint and cdk-nag."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regions.package import ROOT
from tests.infra.conftest import SecondSynthesis


def test_a_second_synthesis_offline_gives_the_same_bytes(assembly: Path, second_synthesis: SecondSynthesis) -> None:
    printed, _ = second_synthesis.process.communicate(timeout=240)
    assert second_synthesis.process.returncode == 0, printed
    again = second_synthesis.outdir
    names = [path.name for path in assembly.iterdir() if path.is_file()]
    assert sorted(names) == sorted(path.name for path in again.iterdir() if path.is_file())
    _, different, unreadable = filecmp.cmpfiles(assembly, again, names, shallow=False)
    assert not different
    assert not unreadable


def test_templates_hold_no_path_and_no_account(assembly: Path) -> None:
    for path in assembly.glob("*.template.json"):
        text = path.read_text()
        assert str(ROOT) not in text
        assert str(Path.home()) not in text


def test_cdk_nag_and_cloudformation_validation_found_nothing(assembly: Path) -> None:
    """A finding fails the synthesis itself; warnings would stand in the report."""
    report = json.loads((assembly / "validation-report.json").read_text())
    assert report["pluginReports"] == []


def test_cdk_nag_looks_at_these_stacks(package: Path, tmp_path: Path) -> None:
    import aws_cdk as cdk
    from aws_cdk import aws_sqs as sqs

    import app

    built = app.build(outdir=str(tmp_path))
    sqs.Queue(cdk.Stack(built, "careless"), "Queue")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        built.synth()
    rules = {
        violation["ruleName"]
        for report in json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"]
        for violation in report["violations"]
    }
    assert "AwsSolutions-SQS4" in rules


def test_cfn_lint_finds_nothing(assembly: Path) -> None:
    linter = shutil.which("cfn-lint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert linter
    # One Region's template stands for both: they differ by names only (test_regions_alike).
    stacks = ("relevo-data", "relevo-global", "relevo-site", "relevo-us-east-2")
    command = [
        linter,
        "--config-file",
        str(ROOT / ".cfnlintrc"),
        *(str(assembly / f"{stack}.template.json") for stack in stacks),
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)
    assert found.returncode == 0, found.stdout + found.stderr


def test_without_a_package_the_app_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "regions", tmp_path / "regions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "global_stack", tmp_path / "global_stack", ignore=shutil.ignore_patterns("__pycache__", "site")
    )
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, tmp_path)
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "app.py: no Lambda package; run `python -m regions.package` first"
    assert "Traceback" not in ended.stderr
