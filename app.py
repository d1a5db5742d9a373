"""Builds the CDK app: `python app.py` synthesizes into `cdk.out` (or CDK_OUTDIR), offline, twice the same bytes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from global_stack.data import DataStack
from global_stack.site import SiteStack
from global_stack.stack import GlobalStack
from regions.package import PACKAGE
from regions.stack import RegionStack
from shared.topology import TOPOLOGY, Topology


def build(topology: Topology = TOPOLOGY, outdir: str | None = None) -> cdk.App:
    """Wire every stack of ``topology``; the flags of cdk.json hold without the CLI too."""
    flags = json.loads((Path(__file__).parent / "cdk.json").read_text())["context"]
    # Traces through jsii name no line of ours, and they are the one thing that differs from run to run.
    app = cdk.App(context=flags, outdir=outdir, analytics_reporting=False, stack_traces=False, tree_metadata=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    data = DataStack(app, "relevo-data", topology=topology)
    GlobalStack(app, "relevo-global", topology=topology)
    SiteStack(app, "relevo-site", topology=topology)
    for region in topology.region_names:
        stack = RegionStack(app, f"relevo-{region}", topology=topology, region=region, package=PACKAGE)
        stack.add_stack_dependency(data)
    return app


if __name__ == "__main__":
    if not PACKAGE.is_dir():
        sys.exit("app.py: no Lambda package; run `python -m regions.package` first")
    build(outdir=os.environ.get("CDK_OUTDIR", "cdk.out")).synth()
