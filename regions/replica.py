"""This Region's replicas of the global tables, found by name: a Region's stack refers to nothing in another Region.

A replica's stream has an ARN with a timestamp that no name predicts, so a small provider function looks it up here.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from regions.functions import ProductFunction, Surroundings


class Replicas(Construct):
    """The order log with its stream, the accounts and the control register, as this Region sees them."""

    def __init__(self, scope: Construct, construct_id: str, *, surroundings: Surroundings) -> None:
        super().__init__(scope, construct_id)
        topology = surroundings.topology
        provider = ProductFunction(
            self,
            "StreamArnProvider",
            surroundings=surroundings,
            part="stream_arn",
            module="stream_arn",
            size=topology.stream_arn,
            description="Tells CloudFormation the stream ARN of this Region's replica of the order log",
        )
        provider.allow(["dynamodb:DescribeTable"], table_arn(self, topology.order_log_table))
        look_up = cdk.CustomResource(
            self,
            "StreamArn",
            resource_type="Custom::ReplicaStreamArn",
            service_token=provider.live.function_arn,
            # Without it CloudFormation waits an hour for a provider that dies without an answer.
            service_timeout=cdk.Duration.seconds(120),
            properties={"TableName": topology.order_log_table},
        )
        # The permission must be there before the look-up runs.
        look_up.node.add_dependency(provider)
        self.order_log = dynamodb.TableV2.from_table_attributes(
            self,
            "OrderLog",
            table_name=topology.order_log_table,
            table_stream_arn=look_up.get_att_string("StreamArn"),
        )
        self.accounts = dynamodb.TableV2.from_table_name(self, "Accounts", topology.accounts_table)
        self.control = dynamodb.TableV2.from_table_name(self, "Control", topology.control_table)


def table_arn(scope: Construct, name: str, *, region: str | None = None) -> str:
    """ARN of a table by its name, in this Region or in ``region``."""
    return cdk.Stack.of(scope).format_arn(service="dynamodb", resource="table", resource_name=name, region=region)


def allow(table: dynamodb.ITableV2, grantee: ProductFunction, *actions: str) -> iam.Grant:
    """Grant table actions by their DynamoDB names: ``allow(log, api, "Query", "PutItem")``."""
    return table.grant(grantee.function, *(f"dynamodb:{action}" for action in actions))
