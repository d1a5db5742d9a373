"""Files of orders: this Region's import bucket, the importer that S3 calls for each file in it, and what it gave up."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_s3 as s3
from constructs import Construct

from regions.functions import ProductFunction, Surroundings
from regions.order_view import OrderView
from regions.queues import failure_destination
from regions.replica import Replicas, allow
from regions.transport import refuse_plain_http
from shared.adapters.import_files import INBOX, RESULTS
from shared.topology import live_function


class Imports(Construct):
    """A private bucket: `inbox/<account>/<file>` comes in, and what became of it lies under `results/`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, surroundings: Surroundings, replicas: Replicas, view: OrderView
    ) -> None:
        super().__init__(scope, construct_id)
        topology = surroundings.topology
        self.function = ProductFunction(
            self,
            "Function",
            surroundings=surroundings,
            part="importer",
            module="importer",
            size=topology.importer,
            description="Makes orders of the files in the import bucket, at a pace that disturbs nobody",
        )
        name = topology.import_bucket(surroundings.region)
        # By name: the bucket needs to know the function, so the function's rights cannot wait for the bucket.
        arn = cdk.Stack.of(self).format_arn(partition="aws", service="s3", region="", account="", resource=name)
        allow(replicas.order_log, self.function, "Query", "PutItem")
        allow(replicas.accounts, self.function, "Query")
        view.allow(self.function, "GetItem")
        self.function.allow(["s3:GetObject"], f"{arn}/{INBOX}*")
        self.function.allow(["s3:GetObject", "s3:PutObject"], f"{arn}/{RESULTS}*")
        self.function.allow(["s3:ListBucket"], arn)
        role = self.function.function.role
        assert role is not None
        for folder in (INBOX, RESULTS):
            cdk.Validations.of(role).acknowledge(
                cdk.Acknowledgment(
                    id=f"AwsSolutions-IAM5[Resource::{arn}/{folder}*]",
                    reason="Files are named by those who send them; all lie in this folder, and nothing else does.",
                )
            )
        itself = cdk.Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=live_function("importer"),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.function.allow(["lambda:InvokeFunction"], itself)
        # A destination and no dead-letter queue of the function: it belongs to the alias, whichever version is live,
        # and tells with the event why it was given up (tries, age) and what the last try raised.
        self.dead_letters = failure_destination(
            self, "DeadLetters", topology.import_dead_letter_queue, on_aws=surroundings.on_aws
        )
        self.function.live.configure_async_invoke(on_failure=destinations.SqsDestination(self.dead_letters))
        told_by_s3 = iam.ServicePrincipal("s3.amazonaws.com")
        self.function.live.add_permission(
            "S3", principal=told_by_s3, source_arn=arn, source_account=cdk.Stack.of(self).account
        )
        bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            # Not versioned: the log keeps the orders, and what a file says of people ends with the file.
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(topology.imports.days_kept),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        refuse_plain_http(bucket, where=surroundings.on_aws)
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        # Said by the bucket itself: the CDK's own way brings a function that may change every bucket's notifications.
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            lambda_configurations=[
                s3.CfnBucket.LambdaConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    function=self.function.live.function_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value=INBOX)]
                        )
                    ),
                )
            ]
        )
        # S3 tries whether it may call the function.
        bucket.node.add_dependency(self.function.live)
        cdk.Validations.of(bucket).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-S1",
                reason="Who imported what stands in the order log, with the account, for good; an access log would "
                "outlive the files with their names, which may be people's.",
            )
        )
