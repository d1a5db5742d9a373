"""Guards of losing, leaving and trusting a Region: health, drain, tokens, sizes (I6 to I9)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

AUTH = "shared/domain/auth.py"
CONTROL = "shared/adapters/control.py"
EVACUATE = "runbooks/evacuate.py"
HEALTH = "regions/handlers/health.py"
KEYRING = "shared/adapters/keyring.py"
KEYS = "runbooks/keys.py"
ROTATION = "runbooks/rotation.py"
ROUTING = "regions/routing.py"
SIZING = "shared/sizing.py"
TAKEOVER = "shared/domain/takeover.py"
TOKENS = "shared/adapters/tokens.py"

CAPACITY_TESTS = "tests/unit/test_capacity.py"
HEALTH_TESTS = "tests/component/test_health.py"
KEY_TESTS = "tests/runbooks/test_keys.py"
LEAVING_TESTS = "tests/runbooks/test_leaving_a_region.py"
LOGIN_TESTS = "tests/component/test_login.py"
ROUTING_TESTS = "tests/infra/test_routing.py"
TAKEOVER_TESTS = "tests/unit/test_takeover.py"
TOKEN_TESTS = "tests/unit/test_auth.py"

SERVING = 'return answer(200, document) if fault is None else answer(503, {**document, "fault": fault})'

MUTANTS: Final = (
    # Health depends on this Region alone (I6).
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
    # No Region is left serving by nobody (I7).
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
        "both Regions are never drained",
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
    # A token is good everywhere, and nothing else is (I8).
    Mutant(
        "every key of the ring verifies",
        "I8",
        TOKENS,
        "key = keyring.keys.get(name)",
        "key = keyring.keys[keyring.current] if name == keyring.current else None",
        f"{TOKEN_TESTS}::test_the_current_key_signs_and_every_key_verifies",
    ),
    Mutant(
        "a key that the peer uses already is fetched",
        "I8",
        KEYRING,
        "if name not in keyring.keys and self._clock()",
        "if name is None and self._clock()",
        f"{TOKEN_TESTS}::test_an_unknown_key_id_has_the_secret_read_again_once_in_ten_seconds",
    ),
    Mutant(
        "a new key signs only when every cache knows it",
        "I8",
        ROTATION,
        'return Due("make current", rotation.added_seen_at + waits.caches - now)',
        'return Due("make current")',
        f"{KEY_TESTS}::test_every_step_is_refused_before_its_time_and_says_how_long_it_has_to_wait",
    ),
    Mutant(
        "the wait counts from when every Region had the key",
        "I8",
        ROTATION,
        'return Due("make current", rotation.added_seen_at + waits.caches - now)',
        'return Due("make current", rotation.added_at + waits.caches - now)',
        f"{KEY_TESTS}::test_the_wait_counts_from_when_every_region_was_seen_to_have_the_new_key",
    ),
    Mutant(
        "an old key goes only after the life of its tokens",
        "I8",
        ROTATION,
        'return Due("remove", rotation.current_seen_at + waits.tokens - now)',
        'return Due("remove")',
        f"{KEY_TESTS}::test_every_step_is_refused_before_its_time_and_says_how_long_it_has_to_wait",
    ),
    Mutant(
        "the life of tokens begins when caches have ended",
        "I8",
        ROTATION,
        "tokens=timedelta(seconds=TOKEN_SECONDS) + caches)",
        "tokens=timedelta(seconds=TOKEN_SECONDS))",
        f"{KEY_TESTS}::test_a_token_is_accepted_through_every_moment_of_a_rotation",
    ),
    Mutant(
        "no key is rotated while a Region is drained",
        "I8",
        "runbooks/keyring_secret.py",
        'found.extend(f"{name} is drained" for name in seen if keys.register.drains(name))',
        "pass",
        f"{KEY_TESTS}::test_nothing_is_rotated_while_a_region_is_drained",
    ),
    Mutant(
        "no key is rotated while a replica is behind",
        "I8",
        KEYS,
        "        if set(late) - set(copies):",
        "        if False:",
        f"{KEY_TESTS}::test_nothing_is_rotated_while_the_replica_of_the_secret_is_not_in_step",
    ),
    Mutant(
        "tokens are of one algorithm",
        "I8",
        TOKENS,
        "algorithms=[ALGORITHM]",
        'algorithms=[ALGORITHM, "HS384", "HS512"]',
        f"{LOGIN_TESTS}::test_a_bad_token_raises_exactly_unauthorized",
    ),
    Mutant(
        "tokens end",
        "I8",
        TOKENS,
        'options={"require": ["exp", "iat", "sub", "aud", "iss"]}',
        'options={"verify_exp": False}',
        f"{TOKEN_TESTS}::test_a_token_ends_after_half_an_hour",
    ),
    Mutant(
        "a token of an unknown key is refused",
        "I8",
        TOKENS,
        "key = keyring.keys.get(name)",
        "key = keyring.keys.get(name, keyring.keys[keyring.current])",
        f"{LOGIN_TESTS}::test_a_bad_token_raises_exactly_unauthorized",
    ),
    Mutant(
        "a token is for a right password only",
        "I8",
        AUTH,
        "return matches and account is not None and not account.locked",
        "return account is not None and not account.locked",
        f"{LOGIN_TESTS}::test_wrong_password_unknown_user_and_locked_account_get_the_same_answer",
    ),
    Mutant(
        "a locked account's token is refused",
        "I8",
        "regions/handlers/gate.py",
        "stands = account is not None and not account.locked",
        "stands = account is not None",
        f"{LOGIN_TESTS}::test_a_locked_account_is_unauthorized_with_a_valid_token",
    ),
    # One Region alone carries 10x (I9).
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
