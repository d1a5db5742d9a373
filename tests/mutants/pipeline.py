"""Guards between a record of the log and its announced effect: view, order of effects, announcements (I2, I4, I5, I10)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

PENDING_WORK = "regions/handlers/pending_work.py"
PROCESSOR = "regions/handlers/processor.py"
QUERIES = "shared/adapters/order_queries.py"
RELAY = "regions/handlers/relay.py"
SENTINEL = "regions/handlers/sentinel.py"
TAKEOVER = "shared/domain/takeover.py"
TOPIC = "shared/adapters/event_topic.py"
VIEW = "shared/adapters/order_view.py"
WORK = "shared/adapters/order_work.py"

PROCESSOR_TESTS = "tests/component/test_processor.py"
RELAY_TESTS = "tests/component/test_relay.py"
SENTINEL_TESTS = "tests/component/test_sentinel.py"
TAKEOVER_TESTS = "tests/unit/test_takeover.py"
TOPIC_TESTS = "tests/unit/test_event_topic.py"

# What makes a condition on the version always true, and its values still used.
ANY_VERSION = "(version = :version OR version <> :version)"

MUTANTS: Final = (
    # Each event gets its effect, whatever fails on the way (I2).
    Mutant(
        "only own events are published",
        "I2",
        RELAY,
        "if event.origin_region != self.region or found is None or",
        "if found is None or",
        f"{RELAY_TESTS}::test_only_own_events_are_published_and_only_own_effects_announced",
    ),
    Mutant(
        "what is done is not published again",
        "I2",
        RELAY,
        "if event.event_id in found.record.effect_ids:",
        "if False:",
        f"{RELAY_TESTS}::test_an_event_whose_effect_is_there_is_not_published_again",
    ),
    Mutant(
        "a delivered is published with its items",
        "I2",
        "shared/domain/orders.py",
        'return None if complete.status == "delivered" and not complete.items else complete',
        "return complete",
        f"{RELAY_TESTS}::test_a_delivered_without_items_waits_and_holds_back_its_lane",
    ),
    Mutant(
        "an event whose effect is there is no work",
        "I2",
        VIEW,
        "pending = event.event_id not in effect_ids",
        "pending = True",
        f"{RELAY_TESTS}::test_an_event_whose_effect_is_there_is_no_work",
    ),
    Mutant(
        "a record that comes again starts nothing again",
        "I2",
        RELAY,
        "is_new = projected[done.event.order_id].first_saw(done.event.event_id)",
        "is_new = True",
        f"{SENTINEL_TESTS}::test_a_record_that_comes_again_does_not_start_the_tries_again",
    ),
    Mutant(
        "a deduplication id holds the attempt",
        "I2",
        TOPIC,
        '"MessageDeduplicationId": f"{publication.event.event_id}#{publication.attempt}"',
        '"MessageDeduplicationId": publication.event.event_id',
        f"{SENTINEL_TESTS}::test_own_work_is_published_again_after_1_5_and_25_minutes_then_parked",
    ),
    Mutant(
        "a message that failed is reported",
        "I2",
        PROCESSOR,
        "    return answer\n",
        '    return {"batchItemFailures": []}\n',
        f"{PROCESSOR_TESTS}::test_a_message_that_is_no_event_comes_again",
    ),
    Mutant(
        "an old message asks the peer first",
        "I2",
        PROCESSOR,
        "if now - sent_at > self.old and self._done_by_peer(event.order_id, event.event_id):",
        "if False:",
        f"{PROCESSOR_TESTS}::test_an_old_message_asks_the_peer_first",
    ),
    Mutant(
        "the peer's young work waits a minute",
        "I2",
        TAKEOVER,
        "return waited >= timing.takeover_after",
        "return True",
        f"{SENTINEL_TESTS}::test_a_young_event_of_a_lost_peer_waits_its_minute",
    ),
    Mutant(
        "a drained peer that beats has five minutes",
        "I2",
        TAKEOVER,
        "return guard.draining == work.region and waited >= timing.drained_takeover_after",
        "return guard.draining == work.region",
        f"{SENTINEL_TESTS}::test_a_drained_peer_that_beats_is_relieved_after_five_minutes",
    ),
    Mutant(
        "a redriven message leaves only after its effect",
        "I2",
        "runbooks/dead_letters.py",
        "    if effect_is_there:\n        return \"delete\"",
        "    if effect_is_there or sent_for is not None:\n        return \"delete\"",
        "tests/runbooks/test_redrive.py::test_nothing_goes_past_a_message_that_still_fails_and_other_groups_go_on",
    ),
    # The view equals the log (I4).
    Mutant(
        "a row is replaced only if it is the one that was read",
        "I4",
        VIEW,
        '"ConditionExpression": "version = :version" if before',
        f'"ConditionExpression": "{ANY_VERSION}" if before',
        f"{RELAY_TESTS}::test_a_projection_that_loses_a_race_starts_again",
    ),
    Mutant(
        "a row is read before its log",
        "I4",
        "shared/adapters/projection.py",
        "            row = rows[order_id] if order_id in rows and not race else self._view.row(order_id)\n"
        "            record = self._log.order(order_id)\n",
        "            record = self._log.order(order_id)\n            row = self._view.row(order_id)\n",
        f"{RELAY_TESTS}::test_an_event_that_is_projected_meanwhile_is_not_taken_back",
    ),
    Mutant(
        "an order's old figures are taken out",
        "I4",
        VIEW,
        "old = contribution_of(before.state, shards) if before else None",
        "old = None",
        "tests/component/test_reading.py::test_an_order_counts_on_the_day_of_the_event_that_decided_it",
    ),
    Mutant(
        "a figure is repaired only if nothing moved it",
        "I4",
        VIEW,
        'unchanged = "attribute_not_exists(version)" if version is None else "version = :version"',
        f'unchanged = "attribute_not_exists(version)" if version is None else "{ANY_VERSION}"',
        "tests/runbooks/test_reconcile.py"
        "::test_a_projection_between_comparison_and_repair_of_a_figure_is_not_undone",
    ),
    Mutant(
        "a projection comes before its publication",
        "I4",
        RELAY,
        "        projected: dict[str, Projected] = {}\n",
        "        projected: dict[str, Projected] = {}\n"
        "        early = [found.content for found in readable if isinstance(found.content, Event)]\n"
        "        self.topic.publish([Publication(event) for event in early if event.origin_region == self.region])\n",
        f"{RELAY_TESTS}::test_an_own_event_is_projected_then_published_to_the_queue_of_its_status",
    ),
    Mutant(
        "a failed projection is reported",
        "I4",
        RELAY,
        'return {"batchItemFailures": [{"itemIdentifier": first}] if first else []}',
        'return {"batchItemFailures": []}',
        f"{RELAY_TESTS}::test_a_failed_projection_is_reported_at_its_first_record_and_the_others_go_on",
    ),
    Mutant(
        "a failure to publish fails no batch",
        "I4",
        RELAY,
        "        if outcome.failed:\n            logger.error(\"events not published\"",
        "        if outcome.failed:\n            raise ProjectionError(outcome.reason)\n"
        "            logger.error(\"events not published\"",
        f"{RELAY_TESTS}::test_a_failure_to_publish_does_not_fail_the_batch_and_holds_back_its_lane",
    ),
    Mutant(
        "what cannot be read stops nobody",
        "I4",
        RELAY,
        "except items.MalformedItemError as error:\n                logger.error(\"record quarantined\"",
        "except ProjectionError as error:\n                logger.error(\"record quarantined\"",
        f"{RELAY_TESTS}::test_a_record_that_cannot_be_read_is_set_aside_and_stops_nobody",
    ),
    Mutant(
        "what cannot be read is set aside",
        "I4",
        VIEW,
        '                    "pk": "QUARANTINE",',
        '                    "pk": "NOWHERE",',
        f"{RELAY_TESTS}::test_a_record_that_cannot_be_read_is_set_aside_and_stops_nobody",
    ),
    Mutant(
        "an unreadable item hides nothing else of its order",
        "I4",
        "shared/adapters/order_log.py",
        "        except items.MalformedItemError:\n            unreadable.append(item[\"sk\"])",
        "        except items.MalformedItemError:\n            unreadable.append(item[\"sk\"])\n            raise",
        f"{RELAY_TESTS}::test_a_good_event_is_projected_beside_a_malformed_one_of_its_order",
    ),
    Mutant(
        "a lane is blocked only where there is a row",
        "I4",
        WORK,
        '                ConditionExpression="attribute_exists(pk)",\n',
        "",
        f"{RELAY_TESTS}::test_a_lane_is_blocked_only_where_there_is_a_row",
    ),
    # Effects of a lane come in order of arrival (I5).
    Mutant(
        "after a failed message its order waits",
        "I5",
        PROCESSOR,
        "SqsFifoPartialProcessor(skip_group_on_error=True)",
        "SqsFifoPartialProcessor(skip_group_on_error=False)",
        f"{PROCESSOR_TESTS}::test_after_an_error_the_rest_of_that_order_waits_and_other_orders_do_not",
    ),
    Mutant(
        "messages of an order are one group",
        "I5",
        TOPIC,
        '"MessageGroupId": publication.event.order_id',
        '"MessageGroupId": publication.event.event_id',
        f"{RELAY_TESTS}::test_an_own_event_is_projected_then_published_to_the_queue_of_its_status",
    ),
    Mutant(
        "two events of a lane never share a request",
        "I5",
        TOPIC,
        "index = last_batch.get(publication.lane, -1) + 1",
        "index = last_batch.get(publication.lane, 0)",
        f"{TOPIC_TESTS}::test_lanes_keep_their_order_and_never_share_a_batch",
    ),
    Mutant(
        "behind a refused event its lane is not tried",
        "I5",
        TOPIC,
        "                    stopped.add(publication.lane)\n",
        "",
        f"{TOPIC_TESTS}::test_behind_a_refused_event_its_lane_is_not_tried",
    ),
    Mutant(
        "the relay holds a lane behind an unpublished event",
        "I5",
        RELAY,
        "found is None or event.status in found.blocked or lane in held:",
        "found is None or lane in held:",
        f"{RELAY_TESTS}::test_a_failure_to_publish_does_not_fail_the_batch_and_holds_back_its_lane",
    ),
    Mutant(
        "a delivered that waits for items holds its lane",
        "I5",
        RELAY,
        "                held.add(lane)\n",
        "                pass\n",
        f"{RELAY_TESTS}::test_a_delivered_without_items_waits_and_holds_back_its_lane",
    ),
    Mutant(
        "the sentinel holds a lane behind an unpublished event",
        "I5",
        PENDING_WORK,
        "if stopped and not work.is_published:",
        "if False:",
        f"{SENTINEL_TESTS}::test_a_blocked_lane_is_published_in_order_and_opened_again",
    ),
    Mutant(
        "a lane with unpublished work stays closed",
        "I5",
        WORK,
        "if row is None or status not in row.blocked or status in unpublished:",
        "if row is None or status not in row.blocked:",
        f"{SENTINEL_TESTS}::test_a_lane_stays_closed_when_a_later_event_slips_in_while_it_is_opened",
    ),
    Mutant(
        "a lane is opened only as it was looked at",
        "I5",
        WORK,
        'ConditionExpression="version = :version"',
        f'ConditionExpression="{ANY_VERSION}"',
        f"{SENTINEL_TESTS}::test_a_lane_stays_closed_when_a_later_event_slips_in_while_it_is_opened",
    ),
    # Every effect is announced (I10).
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
        "            [pool.submit(self.work.note_unannounced, effect, now=now, due_at=due_at) for effect in outcome.failed]",
        "            []",
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
        "return {**_done(effect, now), **waiting}",
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
