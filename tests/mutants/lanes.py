"""Effects of one order and status come in the order of arrival (I5)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

PENDING_WORK = "regions/handlers/pending_work.py"
PROCESSOR = "regions/handlers/processor.py"
RELAY = "regions/handlers/relay.py"
TOPIC = "shared/adapters/event_topic.py"
WORK = "shared/adapters/order_work.py"

PROCESSOR_TESTS = "tests/component/test_processor.py"
RELAY_TESTS = "tests/component/test_relay.py"
SENTINEL_TESTS = "tests/component/test_sentinel.py"
TOPIC_TESTS = "tests/unit/test_event_topic.py"

# A condition on the version that is always true, and uses its values.
ANY_VERSION = "(version = :version OR version <> :version)"

MUTANTS: Final = (
    Mutant(
        "after a failed message its order waits",
        "I5",
        PROCESSOR,
        "from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response",
        "from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response\n"
        "SqsFifoPartialProcessor = lambda **_: BatchProcessor(event_type=EventType.SQS)",
        f"{PROCESSOR_TESTS}::test_after_an_error_the_rest_of_that_order_waits_and_other_orders_do_not",
    ),
    Mutant(
        "after a failed message other orders go on",
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
)
