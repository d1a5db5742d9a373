"""Strong consistency is refused, with a reason, wherever DynamoDB would refuse it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.consistency import ConsistencyError, check_consistency, witness_of
from shared.topology import TOPOLOGY, Region, Topology

STRONG = replace(TOPOLOGY, consistency="strong")
OREGON = Region("us-west-2", "127.0.3.1")


def regions(*names: str) -> tuple[Region, ...]:
    return tuple(Region(name, f"127.0.{number}.1") for number, name in enumerate(names, 1))


def test_the_topology_that_is_deployed_may_be_strong() -> None:
    check_consistency(STRONG)
    assert witness_of(STRONG) == "us-west-2"


def test_three_regions_need_no_witness() -> None:
    three = replace(STRONG, regions=(*TOPOLOGY.regions, OREGON))
    check_consistency(three)
    assert witness_of(three) is None


@pytest.mark.parametrize(
    ("topology", "reason"),
    [
        (replace(STRONG, witness_region="us-east-1"), "us-east-1 serves and cannot be the witness too"),
        (replace(STRONG, regions=TOPOLOGY.regions[:1]), "two and a witness, not us-east-1"),
        (replace(STRONG, regions=(*TOPOLOGY.regions, *regions("us-west-2", "us-west-1"))), "three Regions, or two"),
        (replace(STRONG, regions=regions("us-east-1", "eu-west-1")), "holds us-east-1, eu-west-1, us-west-2"),
        (replace(STRONG, witness_region="sa-east-1"), "holds us-east-1, us-east-2, sa-east-1"),
    ],
)
def test_what_dynamodb_would_refuse_is_refused_with_a_reason(topology: Topology, reason: str) -> None:
    if len(topology.regions) == 4:
        topology = replace(topology, witness_region="us-east-9")
    with pytest.raises(ConsistencyError, match=reason):
        check_consistency(topology)
    check_consistency(replace(topology, consistency="eventual"))
