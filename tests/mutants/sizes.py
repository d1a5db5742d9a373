"""The surviving Region alone carries the largest step (I9)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

SIZING = "shared/sizing.py"

CAPACITY_TESTS = "tests/unit/test_capacity.py"

MUTANTS: Final = (
    Mutant(
        "sizes that disagree are refused",
        "I9",
        SIZING,
        "    if faults:\n        raise SizingError(",
        "    if not faults:\n        raise SizingError(",
        f"{CAPACITY_TESTS}::test_sizes_that_disagree_are_refused_with_the_numbers",
    ),
    Mutant(
        "reserved concurrency is checked",
        "I9",
        SIZING,
        "if size.reserved_concurrency < needed:",
        "if False:",
        f"{CAPACITY_TESTS}::test_sizes_that_disagree_are_refused_with_the_numbers",
    ),
    Mutant(
        "the account's concurrency is checked",
        "I9",
        SIZING,
        "if total > ACCOUNT_CONCURRENCY - UNRESERVED:",
        "if False:",
        f"{CAPACITY_TESTS}::test_sizes_that_disagree_are_refused_with_the_numbers",
    ),
    Mutant(
        "files of orders count in what keys carry",
        "I9",
        SIZING,
        "or most > limit):",
        "):",
        f"{CAPACITY_TESTS}::test_sizes_that_disagree_are_refused_with_the_numbers",
    ),
    Mutant(
        "a synthesis checks its sizes",
        "I9",
        "regions/stack.py",
        "        check(topology)\n",
        "",
        "tests/infra/test_sizes.py::test_a_topology_that_disagrees_makes_the_synthesis_fail",
    ),
    Mutant(
        "sizes are for one Region alone",
        "I9",
        "shared/demand.py",
        "return alone(topology.baseline, max(topology.baseline.steps))",
        "return shared_by_all(topology.baseline, max(topology.baseline.steps), len(topology.regions))",
        f"{CAPACITY_TESTS}::test_sizes_follow_the_load_with_room_to_spare",
    ),
    Mutant(
        "throttles leave room above the largest step",
        "I9",
        SIZING,
        "THROTTLE_HEADROOM: Final = 10",
        "THROTTLE_HEADROOM: Final = 1",
        f"{CAPACITY_TESTS}::test_sizes_follow_the_load_with_room_to_spare",
    ),
    Mutant(
        "a quota above 70 percent is red",
        "I9",
        "shared/quotas.py",
        "return limit * RED_ABOVE",
        "return limit",
        f"{CAPACITY_TESTS}::test_the_exit_code_says_whether_one_region_carries_10x",
    ),
    Mutant(
        "queues are read no faster than is reserved",
        "I9",
        "regions/pipeline.py",
        "max_concurrency=topology.processor.reserved_concurrency",
        "max_concurrency=2 * topology.processor.reserved_concurrency",
        "tests/infra/test_pipeline.py::test_queues_are_read_with_no_more_concurrency_than_is_reserved",
    ),
)
