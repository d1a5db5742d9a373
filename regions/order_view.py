"""This Region's read model: a plain table that is not replicated and that `reconcile` can rebuild from the log."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from regions.functions import ProductFunction
from shared.sizing import Warmth, sizes_of
from shared.topology import LIST_INDEX, PENDING_INDEX, Topology


class OrderView(Construct):
    """The table ``order-view`` with its indexes ``list`` (newest orders first) and ``pending`` (work left to do)."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(scope, construct_id)
        sizes = sizes_of(topology)
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=topology.order_view_table,
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            warm_throughput=_warm(sizes.order_view),
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        for name, partition, sort, warmth in (
            (LIST_INDEX, "list_bucket", "list_key", sizes.list_index),
            (PENDING_INDEX, "pending_key", "due_at", sizes.pending_index),
        ):
            self.table.add_global_secondary_index(
                index_name=name,
                partition_key=_text(partition),
                sort_key=_text(sort),
                projection_type=dynamodb.ProjectionType.ALL,
                warm_throughput=_warm(warmth),
            )

    def allow(self, grantee: ProductFunction, *actions: str) -> None:
        """Grant table actions by their DynamoDB names; indexes are not part of it."""
        grantee.allow([f"dynamodb:{action}" for action in actions], self.table.table_arn)

    def allow_query(self, grantee: ProductFunction, *indexes: str) -> None:
        """Grant Query on ``indexes``; the table's own grants would take every index, present and future."""
        grantee.allow(["dynamodb:Query"], *(f"{self.table.table_arn}/index/{index}" for index in indexes))


def _warm(warmth: Warmth) -> dynamodb.WarmThroughput:
    return dynamodb.WarmThroughput(read_units_per_second=warmth.reads, write_units_per_second=warmth.writes)


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
