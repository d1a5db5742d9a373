"""Load for Relevo: `locust -f loadtests/locustfile.py --host https://api.example.com`, web UI or headless.

Users: Courier, ClientSystem, Operator, PinnedClient (tags courier, client, operator, pinned, write, read). The load
grows 1x -> 5x -> 10x by itself; RELEVO_SHAPE=none leaves the number of users to you (one arrival per user and 2 s).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from locust import LoadTestShape, User, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtests.fleet import fleet_from, run_id
from loadtests.shapes import Steering, crowd_for, growth_steps, step_at
from loadtests.users import ClientSystem, Courier, Operator, PinnedClient
from shared.topology import TOPOLOGY

ALL_USERS = (Courier, ClientSystem, Operator, PinnedClient)

SPAWN_PER_SECOND = 100.0  # a step is a step, not a ramp; Locust warns above this

# Each is an environment variable too: --relevo-users is RELEVO_USERS.
OPTIONS: tuple[tuple[str, str | float, str], ...] = (
    ("--relevo-users", "", "JSON file of accounts: username, password, role (else RELEVO_USERNAME, RELEVO_PASSWORD)"),
    ("--relevo-ledger", "", "file to write every command, answer and arrival to, as JSON lines"),
    ("--relevo-dns", "", "host:port of a DNS server (default: the system's)"),
    ("--relevo-subnets", "", "EDNS client subnet per location: us-east-1=198.51.100.0/24,..."),
    ("--relevo-locations", "half", "'half' alternates between the Regions, a Region's name puts all clients near it"),
    ("--relevo-arrivals", "poisson", "spacing of arrivals: poisson or even"),
    ("--relevo-seed", "relevo", "seed of data and schedules"),
    ("--relevo-run", "", "prefix of this run's order ids and keys (default: made from the clock)"),
    ("--relevo-steer", "", "file in which a drill says the multiple to run at"),
    ("--relevo-step-seconds", 120.0, "length of each of 1x, 5x and 10x"),
)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust's hook is untyped
def add_options(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("Relevo")
    for name, default, help_text in OPTIONS:
        variable = name.removeprefix("--").replace("-", "_").upper()
        group.add_argument(name, env_var=variable, default=default, type=type(default), help=help_text)


@events.init.add_listener  # type: ignore[untyped-decorator]  # Locust's hook is untyped
def assemble(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None
    run = options.relevo_run or run_id(str(time.time_ns()))
    fleet = fleet_from(options, environment.host or "", run, TOPOLOGY.region_names)
    environment.relevo_fleet = fleet  # type: ignore[attr-defined]  # Locust's way to hand things to users
    environment.user_classes = [user for user in environment.user_classes if has_tasks(user, options)]


def has_tasks(user: type[User], options: Any) -> bool:
    """Whether tags leave a user class anything to do; Locust would start users without tasks, and fail."""
    tags, excluded = set(options.tags or ()), set(options.exclude_tags or ())
    own: list[set[str]] = [getattr(work, "locust_tag_set", set()) for work in user.tasks]
    return any((not tags or tags & names) and not excluded & names for names in own)


if os.environ.get("RELEVO_SHAPE", "growth") != "none":

    class GrowthShape(LoadTestShape):
        """1x -> 5x -> 10x of the topology's baseline, or whatever the drill's steering file says."""

        def tick(self) -> tuple[int, float] | None:
            assert self.runner is not None
            options = self.runner.environment.parsed_options
            assert options is not None
            if options.relevo_steer:
                multiple = Steering.read(Path(options.relevo_steer)).multiple
            else:
                steps = growth_steps(TOPOLOGY.baseline, options.relevo_step_seconds)
                step = step_at(steps, time.perf_counter() - self.start_time)
                multiple = None if step is None else step.multiple
            if multiple is None:
                return None
            classes = self.runner.environment.user_classes
            share = sum(user.weight for user in classes) / sum(user.weight for user in ALL_USERS)
            return round(crowd_for(multiple, TOPOLOGY.baseline).users * share), SPAWN_PER_SECOND
