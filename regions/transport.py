"""Refuses requests without TLS to queues, topics and the import bucket, wherever AWS itself answers them.

The lab's emulator speaks HTTP and enforces policies, so there the condition is false; the template is the same.
"""

from __future__ import annotations

from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs


def refuse_plain_http(target: sqs.Queue | sns.Topic | s3.Bucket, *, where: cdk.CfnCondition) -> None:
    """Put the condition ``where`` on the statement that ``enforce_ssl`` made; cdk-nag judges the statement itself."""
    policy = cast(
        "sqs.CfnQueuePolicy | sns.CfnTopicPolicy | s3.CfnBucketPolicy",
        target.node.find_child("Policy").node.default_child,
    )
    document: dict[str, Any] = cdk.Stack.of(target).resolve(policy.policy_document)
    (index,) = (n for n, statement in enumerate(document["Statement"]) if "aws:SecureTransport" in str(statement))
    refusal = document["Statement"][index]
    policy.add_property_override(
        f"PolicyDocument.Statement.{index}", {"Fn::If": [where.logical_id, refusal, {"Ref": "AWS::NoValue"}]}
    )
