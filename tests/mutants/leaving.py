"""A Region answers for itself alone, and nothing leaves no Region serving (I6, I7)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

CONTROL = "shared/adapters/control.py"
EVACUATE = "runbooks/evacuate.py"
HEALTH = "regions/handlers/health.py"
KEYRING = "shared/adapters/keyring.py"
ROUTING = "regions/routing.py"
TAKEOVER = "shared/domain/takeover.py"

HEALTH_TESTS = "tests/component/test_health.py"
LEAVING_TESTS = "tests/runbooks/test_leaving_a_region.py"
ROUTING_TESTS = "tests/infra/test_routing.py"
TAKEOVER_TESTS = "tests/unit/test_takeover.py"

SERVING = 'return answer(200, document) if fault is None else answer(503, {**document, "fault": fault})'

MUTANTS: Final = (
    Mutant(
        "a drain flag does not make a Region ill",
        "I6",
        HEALTH,
        SERVING,
        SERVING.replace("fault is None", "fault is None and not register.get(now()).drains(settings().region)"),
        f"{HEALTH_TESTS}::test_the_verdict_depends_on_this_region_alone",
    ),
    Mutant(
        "a dead or late peer does not make a Region ill",
        "I6",
        HEALTH,
        SERVING,
        SERVING.replace("fault is None", "brief_order_log().beats(region=settings().peer_region, numbers=range(4))"),
        f"{HEALTH_TESTS}::test_the_verdict_depends_on_this_region_alone",
    ),
    Mutant(
        "a secret that cannot be read makes no Region ill that knows it",
        "I6",
        KEYRING,
        "        except KeyringError:\n            # Not with each request",
        "        except KeyringError:\n            raise\n            # Not with each request",
        f"{HEALTH_TESTS}::test_a_known_keyring_outlives_its_secret",
    ),
    Mutant(
        "the health verdict has its own short calls",
        "I6",
        "regions/handlers/runtime.py",
        "return OrderLog(clients.brief_dynamodb(), settings().order_log_table)",
        "return OrderLog(clients.dynamodb(), settings().order_log_table)",
        f"{HEALTH_TESTS}::test_the_health_functions_calls_end_within_two_seconds",
    ),
    Mutant(
        "health is a function of its own",
        "I6",
        "regions/api.py",
        'health if route.pace == "health" else api)',
        "api)",
        "tests/infra/test_api.py::test_each_route_has_its_function_and_its_guard",
    ),
    Mutant(
        "the register names one Region",
        "I7",
        CONTROL,
        'ConditionExpression="attribute_not_exists(pk) OR draining IN (:nobody, :region)"',
        'ConditionExpression="attribute_not_exists(pk) OR draining IN (:nobody, :region) OR attribute_exists(pk)"',
        "tests/component/test_sentinel.py::test_the_register_names_at_most_one_region",
    ),
    Mutant(
        "a peer that cannot answer drains nobody",
        "I7",
        ROUTING,
        "text=DRAINED, inverted=True)",
        "text=DRAINED, inverted=False)",
        f"{ROUTING_TESTS}::test_the_region_answers_for_itself_and_its_peer_for_the_drain",
    ),
    Mutant(
        "a drain takes a Region out of DNS",
        "I7",
        ROUTING,
        "health_threshold=2,",
        "health_threshold=1,",
        f"{ROUTING_TESTS}::test_a_region_is_healthy_when_it_serves_and_is_not_drained",
    ),
    Mutant(
        "a register that cannot be read drains nobody",
        "I7",
        HEALTH,
        'return answer(503, {"region": region, "fault": type(error).__name__})',
        'return answer(200, {"region": region, "drained": True})',
        f"{HEALTH_TESTS}::test_a_register_that_cannot_be_read_drains_nobody",
    ),
    Mutant(
        "the only healthy Region is not drained",
        "I7",
        EVACUATE,
        "if not side.serves():",
        "if False:",
        f"{LEAVING_TESTS}::test_the_only_healthy_region_is_not_drained",
    ),
    Mutant(
        "a second drain is refused with its reason",
        "I7",
        EVACUATE,
        "if register.draining not in (NOBODY, side.left):",
        "if False:",
        f"{LEAVING_TESTS}::test_both_regions_are_never_drained",
    ),
    Mutant(
        "nothing is asked of the Region that is left",
        "I7",
        "runbooks/healthy_side.py",
        "return self.target.control(self.region).register()",
        "return self.target.control(self.left).register()",
        f"{LEAVING_TESTS}::test_nothing_is_called_in_the_region_that_is_left",
    ),
    Mutant(
        "a Region whose view is behind stays drained",
        "I7",
        "runbooks/readmit.py",
        "return all(here[day] >= count for day, count in self._orders_there.items())",
        "return True",
        f"{LEAVING_TESTS}::test_a_region_whose_view_is_behind_stays_drained",
    ),
    Mutant(
        "a drained Region refuses only while its peer serves",
        "I7",
        TAKEOVER,
        "now - guard.drained_seen_at >= timing.dns_ttl and now - guard.peer_serving_at <= timing.peer_serving",
        "now - guard.drained_seen_at >= timing.dns_ttl",
        f"{HEALTH_TESTS}::test_otherwise_a_region_serves",
    ),
    Mutant(
        "a drained Region serves until the TTL has passed",
        "I7",
        TAKEOVER,
        "now - guard.drained_seen_at >= timing.dns_ttl and now - guard.peer_serving_at <= timing.peer_serving",
        "now - guard.peer_serving_at <= timing.peer_serving",
        f"{HEALTH_TESTS}::test_otherwise_a_region_serves",
    ),
    Mutant(
        "a Region that cannot ask its sentinel serves",
        "I7",
        "regions/handlers/requests.py",
        '        logger.warning("the guard cannot be read"',
        '        raise\n        logger.warning("the guard cannot be read"',
        f"{HEALTH_TESTS}::test_a_region_that_cannot_ask_its_sentinel_serves",
    ),
    Mutant(
        "a peer that serves is not lost",
        "I7",
        TAKEOVER,
        "if beat_gone and not peer_serving else 0",
        "if beat_gone else 0",
        f"{TAKEOVER_TESTS}::test_a_peer_that_serves_is_not_lost_however_old_its_heartbeat",
    ),
    Mutant(
        "a peer that beats is not lost",
        "I7",
        TAKEOVER,
        "if beat_gone and not peer_serving else 0",
        "if not peer_serving else 0",
        f"{TAKEOVER_TESTS}::test_a_peer_that_beats_is_not_lost_however_silent_its_endpoint",
    ),
    Mutant(
        "a peer serves only if it says so",
        "I7",
        "shared/adapters/peer.py",
        """return bool(answer.status == 200 and b'"serving":true' in body)""",
        "return bool(answer.status == 200)",
        "tests/component/test_peer.py::test_a_peer_serves_if_it_says_so",
    ),
    Mutant(
        "a look that dies is not forgotten",
        "I7",
        "regions/handlers/sentinel.py",
        "        self.queries.keep_guard(guard)\n        self.worker.work([*own, *theirs], guard, now)\n",
        "        self.worker.work([*own, *theirs], guard, now)\n        self.queries.keep_guard(guard)\n",
        "tests/component/test_sentinel.py::test_a_look_that_dies_in_the_middle_of_its_work_is_not_forgotten",
    ),
    Mutant(
        "one look is not enough to call a peer lost",
        "I7",
        TAKEOVER,
        "LOOKS_BEFORE_LOST: Final = 2",
        "LOOKS_BEFORE_LOST: Final = 1",
        "tests/component/test_sentinel.py::test_a_peer_is_lost_only_when_both_signs_are_gone_in_two_looks",
    ),
    Mutant(
        "a sign of life starts the count again",
        "I7",
        TAKEOVER,
        "if beat_gone and not peer_serving else 0",
        "if beat_gone and not peer_serving else before.gone_looks",
        f"{TAKEOVER_TESTS}::test_any_sign_of_life_starts_the_count_again",
    ),
    Mutant(
        "no clock of two Regions is compared",
        "I7",
        TAKEOVER,
        "changed = peer_beat != before.peer_beat",
        "changed = peer_beat > before.peer_beat",
        f"{TAKEOVER_TESTS}::test_the_peers_clock_decides_nothing",
    ),
)
