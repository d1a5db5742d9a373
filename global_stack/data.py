"""What both Regions share: the global tables and the keyring. It belongs to one Region and outlives every stack."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from shared.consistency import check_consistency, witness_of
from shared.experiments import DRILL_ALLOWED, DRILL_TAG
from shared.sizing import Warmth, sizes_of
from shared.topology import Topology


class DataStack(cdk.Stack):
    """Global tables and keyring, owned by ``topology.owner_region`` and replicated to the other Region."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(region=topology.owner_region),
            description="Relevo's global tables and keyring",
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
            termination_protection=True,
        )
        check_consistency(topology)
        GlobalTable(
            self,
            "OrderLog",
            topology=topology,
            table_name=topology.order_log_table,
            warmth=sizes_of(topology).order_log,
            # The log alone: with its register and accounts whole, a Region can be left and come back in any drill.
            may_be_harmed=topology.drills_allowed,
        )
        GlobalTable(self, "Accounts", topology=topology, table_name=topology.accounts_table)
        GlobalTable(self, "Control", topology=topology, table_name=topology.control_table)
        KeyringSecret(self, "Keyring", topology=topology)


class GlobalTable(Construct):
    """A table with a replica in every Region: no TTL and no index, so that both consistency modes can hold it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        table_name: str,
        warmth: Warmth | None = None,
        may_be_harmed: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        strong = topology.consistency == "strong"
        tags = [cdk.CfnTag(key=DRILL_TAG, value=DRILL_ALLOWED)] if may_be_harmed else None
        dynamodb.TableV2(
            self,
            "Table",
            table_name=table_name,
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            # In every replica: writes arrive in both Regions anyway, and one Region alone gets all the reads.
            warm_throughput=dynamodb.WarmThroughput(
                read_units_per_second=warmth.reads, write_units_per_second=warmth.writes
            )
            if warmth
            else None,
            # DynamoDB's own key: nothing else has to be up for a read or a write.
            encryption=dynamodb.TableEncryptionV2.dynamo_owned_key(),
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,  # replication reads it too
            multi_region_consistency=(
                dynamodb.MultiRegionConsistency.STRONG if strong else dynamodb.MultiRegionConsistency.EVENTUAL
            ),
            witness_region=witness_of(topology),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            tags=tags,
            replicas=[
                dynamodb.ReplicaTableProps(region=region, tags=tags)
                for region in topology.region_names
                if region != topology.owner_region
            ],
        )


class KeyringSecret(Construct):
    """The signing keys, replicated; empty until someone puts a keyring there, since no default key may exist."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(scope, construct_id)
        # The L2 construct would generate a value.
        secret = secretsmanager.CfnSecret(
            self,
            "Secret",
            name=topology.keyring_secret,
            description='{"current":"K2","keys":{"K1":"...","K2":"..."}}: keys that sign and verify tokens',
            replica_regions=[
                secretsmanager.CfnSecret.ReplicaRegionProperty(region=region)
                for region in topology.region_names
                if region != topology.owner_region
            ],
        )
        secret.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        cdk.Validations.of(secret).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-SMG4",
                reason="A key is rotated in steps that wait for both Regions to know it; a rotation schedule of one "
                "Region would sign with a key that the other has not got yet.",
            )
        )
