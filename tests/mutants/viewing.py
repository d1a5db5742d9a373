"""The view and its figures equal the log, and one bad record stops nobody (I4)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LOG = "shared/adapters/order_log.py"
RELAY = "regions/handlers/relay.py"
VIEW = "shared/adapters/order_view.py"
WORK = "shared/adapters/order_work.py"

RELAY_TESTS = "tests/component/test_relay.py"

# A condition on the version that is always true, and uses its values.
ANY_VERSION = "(version = :version OR version <> :version)"

MUTANTS: Final = (
    Mutant(
        "an order is read consistently",
        "I4",
        LOG,
        '":pk": {"S": items.order_key(order_id)}},\n                ConsistentRead=True',
        '":pk": {"S": items.order_key(order_id)}},\n                ConsistentRead=False',
        "tests/component/test_consistent_reads.py::test_what_a_decision_rests_on_is_read_consistently",
    ),
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
        "old = contribution_of(before.state, kpi_items) if before else None",
        "old = None",
        "tests/component/test_reading.py::test_an_order_counts_on_the_day_of_the_event_that_decided_it",
    ),
    Mutant(
        "a figure is repaired only if nothing moved it",
        "I4",
        VIEW,
        'unchanged = "attribute_not_exists(version)" if version is None else "version = :version"',
        f'unchanged = "attribute_not_exists(version)" if version is None else "{ANY_VERSION}"',
        "tests/runbooks/test_reconcile.py::test_a_projection_between_comparison_and_repair_of_a_figure_is_not_undone",
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
        '        if outcome.failed:\n            logger.error("events not published"',
        "        if outcome.failed:\n            raise ProjectionError(outcome.reason)\n"
        '            logger.error("events not published"',
        f"{RELAY_TESTS}::test_a_failure_to_publish_does_not_fail_the_batch_and_holds_back_its_lane",
    ),
    Mutant(
        "what cannot be read stops nobody",
        "I4",
        RELAY,
        'except items.MalformedItemError as error:\n                logger.error("record quarantined"',
        'except ProjectionError as error:\n                logger.error("record quarantined"',
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
        '        except items.MalformedItemError:\n            unreadable.append(item["sk"])',
        '        except items.MalformedItemError:\n            unreadable.append(item["sk"])\n            raise',
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
)
