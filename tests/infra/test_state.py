"""What must not be lost: tables and the keyring, in both consistency modes."""

from __future__ import annotations

import dataclasses
import json

import pytest

from shared.consistency import ConsistencyError
from shared.topology import TOPOLOGY
from tests.infra.templates import Template

GLOBAL_TABLES = {TOPOLOGY.order_log_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table}
KEYS = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]


@pytest.fixture(scope="session")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Template:
    import aws_cdk as cdk

    from global_stack.data import DataStack

    outdir = tmp_path_factory.mktemp("strong")
    app = cdk.App(outdir=str(outdir), analytics_reporting=False)
    DataStack(app, "relevo-data", topology=dataclasses.replace(TOPOLOGY, consistency="strong"))
    app.synth()
    return Template.read(outdir, "relevo-data")


@pytest.fixture(params=["eventual", "strong"])
def either(request: pytest.FixtureRequest, data: Template, strong: Template) -> Template:
    return data if request.param == "eventual" else strong


def test_global_tables_have_a_protected_replica_in_every_region(either: Template) -> None:
    tables = {found["TableName"]: found for found in either.of_type("AWS::DynamoDB::GlobalTable").values()}
    assert set(tables) == GLOBAL_TABLES
    for table in tables.values():
        assert {replica["Region"] for replica in table["Replicas"]} == set(TOPOLOGY.region_names)
        for replica in table["Replicas"]:
            assert replica["DeletionProtectionEnabled"] is True
            assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_global_tables_hold_in_either_mode(either: Template) -> None:
    """Strong tables have no TTL and no local index; nothing here may depend on what one mode lacks."""
    for table in either.of_type("AWS::DynamoDB::GlobalTable").values():
        assert table["KeySchema"] == KEYS
        assert not {"TimeToLiveSpecification", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"} & set(table)
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_eventual_is_the_default_and_strong_adds_the_witness(data: Template, strong: Template) -> None:
    for table in data.of_type("AWS::DynamoDB::GlobalTable").values():
        assert table["MultiRegionConsistency"] == "EVENTUAL"
        assert "GlobalTableWitnesses" not in table
    for table in strong.of_type("AWS::DynamoDB::GlobalTable").values():
        assert table["MultiRegionConsistency"] == "STRONG"
        assert table["GlobalTableWitnesses"] == [{"Region": TOPOLOGY.witness_region}]


def test_a_synth_refuses_strong_tables_that_dynamodb_would_refuse() -> None:
    import aws_cdk as cdk

    from global_stack.data import DataStack

    topology = dataclasses.replace(TOPOLOGY, consistency="strong", witness_region="eu-west-1")
    with pytest.raises(ConsistencyError, match=r"no set of Regions for strong tables holds .*eu-west-1"):
        DataStack(cdk.App(analytics_reporting=False), "relevo-data", topology=topology)


def test_the_keyring_is_replicated_and_has_no_value_of_ours(either: Template) -> None:
    secret = either.only("AWS::SecretsManager::Secret")
    assert secret["Name"] == TOPOLOGY.keyring_secret
    assert not {"SecretString", "GenerateSecretString"} & set(secret)
    others = [name for name in TOPOLOGY.region_names if name != TOPOLOGY.owner_region]
    assert [replica["Region"] for replica in secret["ReplicaRegions"]] == others


def test_everything_that_is_shared_outlives_its_stack(either: Template) -> None:
    for resource in either.resources.values():
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_the_view_is_a_plain_table_with_its_two_indexes(template: Template) -> None:
    view = template.only("AWS::DynamoDB::Table")
    assert view["TableName"] == TOPOLOGY.order_view_table
    assert view["KeySchema"] == KEYS
    assert view["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert view["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    indexes = {
        index["IndexName"]: ([key["AttributeName"] for key in index["KeySchema"]], index["Projection"])
        for index in view["GlobalSecondaryIndexes"]
    }
    everything = {"ProjectionType": "ALL"}
    assert indexes == {
        "list": (["list_bucket", "list_key"], everything),
        "pending": (["pending_key", "due_at"], everything),
    }


def test_the_view_is_protected_and_outlives_its_stack(template: Template) -> None:
    (table,) = [found for found in template.resources.values() if found["Type"] == "AWS::DynamoDB::Table"]
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert not template.of_type("AWS::DynamoDB::GlobalTable")


def test_stacks_are_protected_from_deletion(assembly: object) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())  # type: ignore[operator]
    stacks = {
        name: found for name, found in manifest["artifacts"].items() if found["type"] == "aws:cloudformation:stack"
    }
    assert set(stacks) == {
        "relevo-data",
        "relevo-global",
        "relevo-site",
        *(f"relevo-{name}" for name in TOPOLOGY.region_names),
    }
    for name, stack in stacks.items():
        assert stack["properties"]["terminationProtection"] is True, name
        assert stack["environment"].startswith("aws://unknown-account/")
    assert stacks["relevo-data"]["environment"].endswith(TOPOLOGY.owner_region)
