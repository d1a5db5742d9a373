"""A usage plan limits its client and stops nobody else: no key is a way in, and none is missing in a failover."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

PLANS = "shared/domain/plans.py"
COMMAND = "runbooks/account_plans.py"
SIZING = "shared/sizing.py"

AUTHORIZER_TESTS = "tests/component/test_usage_plans.py"
COMMAND_TESTS = "tests/runbooks/test_account_plans.py"
TEMPLATE_TESTS = "tests/infra/test_usage_plans.py"

MUTANTS: Final = (
    Mutant(
        "whoever is on no plan is counted under everyone's key",
        "I9",
        PLANS,
        "return key_of(username, name) if name in _KNOWN else EVERYONES_KEY",
        "return key_of(username, name)",
        f"{AUTHORIZER_TESTS}::test_a_region_names_no_key_that_it_may_not_have",
    ),
    Mutant(
        "a key is named in the Region that has it",
        "I9",
        "regions/handlers/authorizer.py",
        "caller.plans.get(settings().region)",
        "next(iter(caller.plans.values()), None)",
        f"{AUTHORIZER_TESTS}::test_a_region_names_no_key_that_it_may_not_have",
    ),
    Mutant(
        "a new key is named only when the gateway knows it",
        "I9",
        PLANS,
        "return self.plan if now >= self.starts_at else self.before",
        "return self.plan",
        f"{AUTHORIZER_TESTS}::test_a_new_key_is_named_when_the_gateway_knows_it",
    ),
    Mutant(
        "a key is noted some minutes before it counts",
        "I9",
        COMMAND,
        "starts_at = now + KEY_KNOWN_AFTER * target.time_scale",
        "starts_at = now",
        f"{COMMAND_TESTS}::test_the_same_key_is_made_in_both_regions_and_named_when_the_gateway_knows_it",
    ),
    Mutant(
        "a key that may still be named is kept",
        "I9",
        COMMAND,
        "        if now < free_at:",
        "        if False:",
        f"{COMMAND_TESTS}::test_a_key_is_deleted_only_when_no_answer_names_it_any_more",
    ),
    Mutant(
        "keys come from the authorizer and not from a client",
        "I8",
        "regions/api.py",
        "api_key_source_type=apigateway.ApiKeySourceType.AUTHORIZER",
        "api_key_source_type=apigateway.ApiKeySourceType.HEADER",
        f"{TEMPLATE_TESTS}::test_keys_come_from_the_authorizer_and_only_where_it_is_asked",
    ),
    Mutant(
        "the old routes are no way round a plan",
        "I8",
        "regions/handlers/legacy_routes.py",
        "if is_on_a_plan(caller.plans, now=moment):",
        "if False:",
        f"{AUTHORIZER_TESTS}::test_who_is_on_a_plan_does_not_get_round_it_by_the_old_routes",
    ),
    Mutant(
        "a Region without everyone's key is not released",
        "I7",
        "runbooks/release_judgement.py",
        "        if not state.may_ask_for_keys:",
        "        if False:",
        "tests/unit/test_release_judgement.py::test_an_illness_of_either_region_forbids_a_release",
    ),
    Mutant(
        "plans fit under everybody's throttles",
        "I9",
        SIZING,
        "    yield from _plans(topology, sizes)\n",
        "",
        "tests/unit/test_capacity.py::test_sizes_that_disagree_are_refused_with_the_numbers",
    ),
    Mutant(
        "no rule of AWS decides about health",
        "I6",
        "regions/firewall.py",
        "scope_down_statement=_unless_health()",
        'scope_down_statement=_path("/", "STARTS_WITH", "NONE")',
        "tests/infra/test_firewall.py::test_no_rule_of_aws_is_asked_about_health",
    ),
)
