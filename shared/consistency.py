"""What strong consistency (MRSC) asks of the Regions, as AWS documents it. Pure: synth and lab refuse the rest."""

from __future__ import annotations

from typing import Final

from shared.topology import Topology

PLACES: Final = 3  # of replicas and witness together: two of them make a write durable
# A strong table lies within one of these sets.
REGION_SETS: Final = (
    frozenset({"us-east-1", "us-east-2", "us-west-2"}),
    frozenset({"eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"}),
    frozenset({"ap-northeast-1", "ap-northeast-2", "ap-northeast-3"}),
)


class ConsistencyError(Exception):
    """This topology cannot have the consistency that it asks for; the text says why."""


def witness_of(topology: Topology) -> str | None:
    """The Region that keeps a strong table's writes without serving them; three replicas need none."""
    if topology.consistency == "eventual" or len(topology.regions) == PLACES:
        return None
    return topology.witness_region


def check_consistency(topology: Topology) -> None:
    """Raise ``ConsistencyError`` for a strong topology that DynamoDB would refuse."""
    if topology.consistency == "eventual":
        return
    witness = witness_of(topology)
    places = [*topology.region_names, *([witness] if witness else [])]
    if witness in topology.region_names:
        raise ConsistencyError(f"{witness} serves and cannot be the witness too: strong tables need a third Region")
    if len(places) != PLACES:
        raise ConsistencyError(
            f"strong tables need three Regions, or two and a witness, not {', '.join(topology.region_names)}"
        )
    if not any(region_set.issuperset(places) for region_set in REGION_SETS):
        sets = "; ".join(", ".join(sorted(region_set)) for region_set in REGION_SETS)
        raise ConsistencyError(f"no set of Regions for strong tables holds {', '.join(places)}; the sets are: {sets}")
