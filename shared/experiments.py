"""Every experiment that a drill on AWS can start, by name: what it harms, where it runs, and what stops it.

An experiment is stopped by signals of the Region that it runs in, since FIS reads alarms of its own Region only. They
are about what must go on: the peer that carries everybody, or the clients that must notice nothing. They are metric
alarms: FIS says nothing of composite ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared.alarms import PREFIX
from shared.topology import PARTS, Topology, function_name

DRILL_TAG: Final = "relevo:drill"
DRILL_ALLOWED: Final = "allowed"
# Beside the gate, on functions with FIS's extension: whoever lacks it cannot be harmed by a Lambda action.
INVOCATIONS_TAG: Final = "relevo:faults"
INVOCATIONS: Final = "invocations"
EXPERIMENT_TAG: Final = "relevo:experiment"  # on the templates, by which a drill finds them

PEER_GONE: Final = "peer-not-serving"
CLIENTS_SUFFER: Final = "availability-burns-1h-short"  # in this Region, by what its gateway answers
NOT_FIT: Final = "impaired-here"

Name = Literal["replication-pause", "lambda-errors", "lambda-delays", "region-loss"]


@dataclass(frozen=True)
class Experiment:
    """One experiment. ``minutes`` is when it ends by itself, if nobody ends it before."""

    name: Name
    summary: str
    runs_in_peer: bool  # of the Region that it harms
    minutes: int
    stop_signals: tuple[str, ...]

    @property
    def full_name(self) -> str:
        return f"{PREFIX}-{self.name}"

    @property
    def stop_alarms(self) -> tuple[str, ...]:
        """Names in CloudWatch of the alarms that stop it, in the Region that it runs in."""
        return tuple(f"{PREFIX}-signal-{name}" for name in self.stop_signals)

    def home(self, region: str, topology: Topology) -> str:
        """The Region whose FIS runs it when it harms ``region``."""
        return topology.peer_of(region) if self.runs_in_peer else region


EXPERIMENTS: Final = (
    # Replication may go on for five minutes after the start: a shorter pause may pause nothing.
    Experiment(
        "replication-pause", "no write of the order log goes into or out of the Region", False, 20,
        (PEER_GONE, CLIENTS_SUFFER),
    ),
    Experiment(
        "lambda-errors", "half of the Region's API calls are worked on and answered with an error", False, 10,
        (PEER_GONE,),
    ),
    Experiment(
        "lambda-delays", "half of the Region's API calls start three seconds late", False, 10,
        (PEER_GONE,),
    ),
    # Shorter than a message of a queue needs to run out of receives, all of which end at a function that is off.
    Experiment(
        "region-loss", "no function of the Region runs", True, 5,
        (NOT_FIT, CLIENTS_SUFFER),
    ),
)  # fmt: skip
EXPERIMENT: Final[dict[Name, Experiment]] = {experiment.name: experiment for experiment in EXPERIMENTS}

# What a Region is without: everything but the provider that deployments call.
LOST_FUNCTIONS: Final = tuple(function_name(part) for part in PARTS)
