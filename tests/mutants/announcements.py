"""Every effect is announced, also when its Region dies before that (I10)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

QUERIES = "shared/adapters/order_queries.py"
RELAY = "regions/handlers/relay.py"
SENTINEL = "regions/handlers/sentinel.py"
TAKEOVER = "shared/domain/takeover.py"

RELAY_TESTS = "tests/component/test_relay.py"
SENTINEL_TESTS = "tests/component/test_sentinel.py"
TAKEOVER_TESTS = "tests/unit/test_takeover.py"
TOPIC_TESTS = "tests/unit/test_event_topic.py"

MUTANTS: Final = (
    Mutant(
        "only own effects are announced",
        "I10",
        RELAY,
        "own = [effect for effect in effects if effect.origin_region == self.region]",
        "own = list(effects)",
        f"{RELAY_TESTS}::test_only_own_events_are_published_and_only_own_effects_announced",
    ),
    Mutant(
        "an announcement that failed stays pending",
        "I10",
        RELAY,
        "now=now, due_at=due_at) for effect in outcome.failed]",
        "now=now, due_at=due_at) for effect in ()]",
        f"{RELAY_TESTS}::test_an_effect_that_could_not_be_announced_stays_pending",
    ),
    Mutant(
        "each entry of an announcement is looked at",
        "I10",
        "shared/adapters/effect_bus.py",
        'if result.get("ErrorCode"):',
        "if False:",
        f"{TOPIC_TESTS}::test_an_announcement_that_is_refused_is_told_by_its_place",
    ),
    Mutant(
        "notes that were not taken are tried again",
        "I10",
        "shared/adapters/view_notes.py",
        "            if not requests:\n                return\n",
        "            return\n",
        "tests/component/test_view_notes.py::test_what_was_not_taken_is_tried_again_after_a_pause",
    ),
    Mutant(
        "the peer's effects stay findable",
        "I10",
        "shared/adapters/view_notes.py",
        "return {**_done(effect, now), **waits}",
        "return _done(effect, now)",
        f"{SENTINEL_TESTS}::test_a_lost_peers_unvouched_effects_are_announced",
    ),
    Mutant(
        "a lost peer's effects are announced",
        "I10",
        SENTINEL,
        "            self.worker.announce_for_peer(unvouched, now)\n",
        "",
        f"{SENTINEL_TESTS}::test_a_lost_peers_unvouched_effects_are_announced",
    ),
    Mutant(
        "a heartbeat vouches for no pending effect",
        "I10",
        TAKEOVER,
        "return min(relayed_through, oldest_own_pending or relayed_through) - timing.settle",
        "return relayed_through - timing.settle",
        f"{SENTINEL_TESTS}::test_an_effect_that_waits_long_for_its_announcement_is_not_vouched_for",
    ),
    Mutant(
        "a heartbeat vouches for what the relay gave back",
        "I10",
        SENTINEL,
        "relayed_through=self.queries.relayed_through(len(HEARTBEATS)),",
        "relayed_through=now,",
        f"{SENTINEL_TESTS}::test_the_beat_vouches_for_what_came_back_through_the_relay_and_no_further",
    ),
    Mutant(
        "a heartbeat keeps a margin",
        "I10",
        TAKEOVER,
        "oldest_own_pending or relayed_through) - timing.settle",
        "oldest_own_pending or relayed_through)",
        f"{TAKEOVER_TESTS}::test_a_region_vouches_for_what_came_back_and_is_not_pending",
    ),
    Mutant(
        "a shard that stands still vouches for nothing",
        "I10",
        QUERIES,
        "return min(beats) if len(beats) >= numbers else None",
        "return max(beats) if len(beats) >= numbers else None",
        f"{SENTINEL_TESTS}::test_a_shard_that_never_moved_or_stands_still_vouches_for_nothing_new",
    ),
    Mutant(
        "a shard that never moved vouches for nothing",
        "I10",
        QUERIES,
        "return min(beats) if len(beats) >= numbers else None",
        "return min(beats, default=None)",
        f"{SENTINEL_TESTS}::test_a_shard_that_never_moved_or_stands_still_vouches_for_nothing_new",
    ),
    Mutant(
        "work that was not read to its end is not vouched for",
        "I10",
        SENTINEL,
        "if len(own) < MAX_PENDING:",
        "if True:",
        f"{SENTINEL_TESTS}::test_with_more_pending_work_than_a_look_reads_nothing_new_is_vouched_for",
    ),
)
