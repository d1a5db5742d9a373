"""The loss of the peer Region, which no FIS action knows: an automation that takes the functions' concurrency away.

It lives in the Region that survives, so that its alarms can stop it and its roll-back does not depend on what is lost.
Whatever ends it after the first step (its time, a cancel by FIS, an error) leads to the step that gives back what was
noted. A cancelled automation has two minutes for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from regions import concurrency_script
from shared.experiments import DRILL_ALLOWED, DRILL_TAG, EXPERIMENT, LOST_FUNCTIONS
from shared.topology import Topology

SCRIPT: Final = Path(concurrency_script.__file__)
RUNTIME: Final = "python3.11"
EXPERIMENT_HERE: Final = EXPERIMENT["region-loss"]


class RegionLoss(Construct):
    """The automation document and the role that it works with, in the peer alone and on tagged functions alone."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, region: str) -> None:
        super().__init__(scope, construct_id)
        peer = topology.peer_of(region)
        stack = cdk.Stack.of(self)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "ssm.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
            ),
            description="Takes and gives back the concurrency of the peer's functions in a drill",
        )
        functions = [
            stack.format_arn(
                service="lambda",
                resource="function",
                resource_name=name,
                region=peer,
                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            )
            for name in LOST_FUNCTIONS
        ]
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=[f"lambda:{verb}FunctionConcurrency" for verb in ("Get", "Put", "Delete")],
                resources=functions,
                # Without the tag not even the first step works, so nothing is taken.
                conditions={"StringEquals": {f"aws:ResourceTag/{DRILL_TAG}": DRILL_ALLOWED}},
            )
        )
        self.document = ssm.CfnDocument(
            self,
            "Document",
            name=EXPERIMENT_HERE.full_name,
            document_type="Automation",
            document_format="JSON",
            update_method="NewVersion",
            content=content(role_arn=self.role.role_arn, region=peer, minutes=EXPERIMENT_HERE.minutes),
        )
        # The role's policy must be there before anything can start the document, and after it is gone.
        self.document.node.add_dependency(self.role)
        self.arn = stack.format_arn(service="ssm", resource="document", resource_name=EXPERIMENT_HERE.full_name)
        # A new execution is of the document's name; its id is made when it starts.
        self.definition_arn = stack.format_arn(
            service="ssm",
            resource="automation-definition",
            resource_name=f"{EXPERIMENT_HERE.full_name}:*",
        )
        self.execution_arn = stack.format_arn(service="ssm", resource="automation-execution", resource_name="*")


def content(*, role_arn: str, region: str, minutes: int) -> dict[str, Any]:
    """The automation: note, take, wait, give back."""
    script = SCRIPT.read_text(encoding="utf-8")
    target = {"Region": region, "Functions": list(LOST_FUNCTIONS)}
    undo = "step:giveBack"

    def step(name: str, handler: str, payload: dict[str, Any], **more: object) -> dict[str, Any]:
        inputs = {"Runtime": RUNTIME, "Handler": handler, "InputPayload": payload, "Script": script}
        return {"name": name, "action": "aws:executeScript", "timeoutSeconds": 60, "inputs": inputs, **more}

    noted = [{"Name": "Before", "Selector": "$.Payload.Before", "Type": "String"}]
    return {
        "schemaVersion": "0.3",
        "description": f"Takes the concurrency of all functions in {region} for {minutes} minutes and gives it back.",
        "assumeRole": role_arn,
        "mainSteps": [
            step("note", "note", target, outputs=noted, onFailure="Abort", nextStep="take"),
            step("take", "take", target, onFailure=undo, onCancel=undo, nextStep="wait"),
            {
                "name": "wait",
                "action": "aws:sleep",
                "inputs": {"Duration": f"PT{minutes}M"},
                "onFailure": undo,
                "onCancel": undo,
                "nextStep": "giveBack",
            },
            step(
                "giveBack",
                "give_back",
                {"Region": region, "Before": "{{ note.Before }}"},
                maxAttempts=3,
                onFailure="Abort",
                isCritical=True,
                isEnd=True,
            ),
        ],
    }
