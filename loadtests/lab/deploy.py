"""Deploys the synthesized stacks into one Region of the lab, and seeds what people put there on AWS: the keyring.

Templates go in unchanged but for the left-out types; other differences from AWS are in ``LAB_DIFFERENCES`` and printed.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from loadtests.lab.assets import assets_of, zipped
from loadtests.lab.emulator.ministack import ROOT_KEY
from loadtests.lab.layout import ACCOUNT, Layout, Seat
from loadtests.lab.templates import LEFT_OUT_TYPES, REPLICATED_TYPES, LeftOut, Template, leave_out, role_statements
from shared.topology import TOPOLOGY

DATA_STACK: Final = "relevo-data"
TEMPLATE_BUCKET: Final = f"lab-templates-{ACCOUNT}"
STACK_SECONDS: Final = 120.0

# Actions that MiniStack asks for where AWS is content with another one: granted by the lab, on the same resources.
EXTRA_ACTIONS: Final[Mapping[str, str]] = {"sns:Publish": "sns:PublishBatch"}
LAB_DIFFERENCES: Final = (
    "roles that may sns:Publish may also sns:PublishBatch, for which MiniStack asks and which is no IAM action on AWS",
    "calls to the peer's DynamoDB are signed with the root key: the other MiniStack does not know the role's session",
    "the Lambda package carries bytecode: MiniStack unpacks and imports it for every worker",
    "reserved concurrency is set by the lab as the template says: MiniStack's CloudFormation leaves it out",
    "API names are plain HTTP on the Regions' lab ports, HTTPS on 443 on AWS",
)


class DeployError(Exception):
    """A stack could not be deployed; the text names the stack and the reason."""


def client(seat: Seat, service: str, *, timeout_seconds: float = 30.0, attempts: int = 3) -> Any:
    """A client of a Region's MiniStack with the lab's root credentials."""
    return boto3.session.Session(ROOT_KEY, ROOT_KEY, region_name=seat.region).client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=seat.endpoint,
        config=Config(
            connect_timeout=timeout_seconds, read_timeout=timeout_seconds, proxies={},
            retries={"total_max_attempts": attempts, "mode": "standard"}, s3={"addressing_style": "path"},
        ),
    )  # fmt: skip


def new_keyring() -> str:
    """A keyring with one random signing key."""
    return json.dumps({"current": "K1", "keys": {"K1": secrets.token_hex(48)}})


def check_app(app: Path) -> None:
    """Raise ``DeployError`` when the app was not synthesized."""
    for stack in (DATA_STACK, *(region_stack(region) for region in TOPOLOGY.region_names)):
        for kind in ("template", "assets"):
            if not (app / f"{stack}.{kind}.json").is_file():
                raise DeployError(f"{app / f'{stack}.{kind}.json'} is missing: run `make synth`")


def region_stack(region: str) -> str:
    return f"relevo-{region}"


def deploy_region(layout: Layout, seat: Seat, app: Path, time_scale: float, keyring: str) -> list[LeftOut]:
    """Deploy the data stack and the Region's stack into one Region; returns what was left out."""
    stack = region_stack(seat.region)
    _upload_assets(layout, seat, app, stack)
    owner = seat.region == TOPOLOGY.owner_region
    data_reasons = LEFT_OUT_TYPES if owner else {**LEFT_OUT_TYPES, **REPLICATED_TYPES}
    data, left_out = leave_out(_template(app, DATA_STACK), data_reasons)
    template, left_out_here = leave_out(_template(app, stack), LEFT_OUT_TYPES)
    _create_stack(seat, DATA_STACK, data, {})
    _put_keyring(seat, keyring)
    peer = layout.peer_seat(seat.region)
    _create_stack(
        seat, stack, template,
        {"TimeScale": f"{time_scale:g}", "PeerEndpoint": peer.endpoint, "PeerAwsEndpointUrl": seat.peer_path},
    )  # fmt: skip
    _grant_extra_actions(seat, stack, template)
    _reserve_concurrency(seat, template)
    return left_out + left_out_here


def deploy_store(layout: Layout, app: Path) -> None:
    """Make the global tables in the store of strong tables; secrets stay with the Regions."""
    data, _ = leave_out(_template(app, DATA_STACK), {**LEFT_OUT_TYPES, **REPLICATED_TYPES})
    _create_stack(layout.store, DATA_STACK, data, {})


def _reserve_concurrency(seat: Seat, template: Template) -> None:
    """Reserve what the template reserves: MiniStack's CloudFormation leaves it out, and sentinels would pile up."""
    functions = client(seat, "lambda")
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Function" and "ReservedConcurrentExecutions" in properties:
            functions.put_function_concurrency(
                FunctionName=properties["FunctionName"],
                ReservedConcurrentExecutions=properties["ReservedConcurrentExecutions"],
            )


def _template(app: Path, stack: str) -> Template:
    template: Template = json.loads((app / f"{stack}.template.json").read_text())
    return template


def _upload_assets(layout: Layout, seat: Seat, app: Path, stack: str) -> None:
    s3 = client(seat, "s3")
    for asset in assets_of(app, stack):
        _make_bucket(s3, seat, asset.bucket)
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=zipped(asset, layout.asset_folder).read_bytes())


def _make_bucket(s3: Any, seat: Seat, bucket: str) -> None:
    where = {} if seat.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": seat.region}}
    try:
        s3.create_bucket(Bucket=bucket, **where)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _create_stack(seat: Seat, stack: str, template: Template, parameters: Mapping[str, str]) -> None:
    s3, cloudformation = client(seat, "s3"), client(seat, "cloudformation")
    _make_bucket(s3, seat, TEMPLATE_BUCKET)
    key = f"{stack}.json"  # by URL, as the CDK does: a request carries 51,200 bytes at most
    s3.put_object(Bucket=TEMPLATE_BUCKET, Key=key, Body=json.dumps(template).encode())
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"{seat.endpoint}/{TEMPLATE_BUCKET}/{key}",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    deadline = time.monotonic() + STACK_SECONDS
    while time.monotonic() < deadline:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if status == "CREATE_COMPLETE":
            return
        if status != "CREATE_IN_PROGRESS":
            raise DeployError(f"{stack} in {seat.region}: {status}: {_first_failure(cloudformation, stack)}")
        time.sleep(0.05)
    raise DeployError(f"{stack} in {seat.region} was not complete within {STACK_SECONDS:.0f} s")


def _first_failure(cloudformation: Any, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    if not failed:
        return "no reason given"
    first = min(failed, key=lambda event: event["Timestamp"])
    reason = first.get("ResourceStatusReason", "no reason given")
    return f"{first['LogicalResourceId']} ({first['ResourceType']}): {reason}"


def _put_keyring(seat: Seat, keyring: str) -> None:
    manager = client(seat, "secretsmanager")
    try:
        manager.put_secret_value(SecretId=TOPOLOGY.keyring_secret, SecretString=keyring)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        manager.create_secret(Name=TOPOLOGY.keyring_secret, SecretString=keyring)


def _grant_extra_actions(seat: Seat, stack: str, template: Template) -> None:
    """Give roles the actions that MiniStack wants beside AWS's, on the resources that their own policy names."""
    cloudformation, iam = client(seat, "cloudformation"), client(seat, "iam")
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    for action, extra in EXTRA_ACTIONS.items():
        for role, resource in role_statements(template, action):
            # A topic's Ref is its ARN; whatever else the policy names is not guessed at.
            granted = physical[resource["Ref"]] if isinstance(resource, dict) and "Ref" in resource else resource
            statement = {"Effect": "Allow", "Action": extra, "Resource": granted}
            iam.put_role_policy(
                RoleName=physical[role], PolicyName=f"lab-{extra.replace(':', '-')}",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            )  # fmt: skip
