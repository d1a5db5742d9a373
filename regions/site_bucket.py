"""This Region's copy of the dashboard page: a private bucket that only CloudFront reads.

The distribution finds it by its name; publishing puts the same files into every Region's bucket.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from shared.topology import Topology

OLD_VERSIONS_KEPT = cdk.Duration.days(30)


class SiteBucket(Construct):
    """A bucket for the built page; what was published before can be brought back for a while."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, region: str) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=topology.site_bucket(region),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[s3.LifecycleRule(noncurrent_version_expiration=OLD_VERSIONS_KEPT)],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects("*")],
                # Which distribution is known only to the stack that has it, and no stack refers to another one.
                conditions={
                    "ArnLike": {"AWS:SourceArn": f"arn:{stack.partition}:cloudfront::{stack.account}:distribution/*"}
                },
            )
        )
        cdk.Validations.of(bucket).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-S1",
                reason="It holds the public files of a page, CloudFront alone reads it, and it has no data of anybody.",
            )
        )
