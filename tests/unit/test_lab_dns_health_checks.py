"""Route 53's health check rules, as far as its documentation tells them."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.lab.route53.health_checks import (
    CalculatedCheck,
    CheckerView,
    EndpointCheck,
    after_look,
    all_verdicts,
    look_passed,
    verdict,
)


def endpoint(*, inverted: bool = False, search: str | None = '"serving":true', id: str = "e") -> EndpointCheck:  # noqa: A002
    return EndpointCheck(id, "us-east-1", "us-east-1.api.cargo.test", "/health", search, inverted, 10, 2, ())


def views(healthy: int, unhealthy: int, unseen: int = 0) -> list[CheckerView]:
    return [CheckerView(True)] * healthy + [CheckerView(False)] * unhealthy + [CheckerView()] * unseen


def after(looks: list[bool], threshold: int) -> CheckerView:
    view = CheckerView()
    for passed in looks:
        view = after_look(view, passed, threshold)
    return view


@pytest.mark.parametrize(
    ("status", "body", "passes"),
    [
        (200, b'{"serving":true,"region":"us-east-1"}', True),
        (302, b'{"serving":true}', True),
        (200, b'{"serving":false}', False),
        (200, b'{"Serving":TRUE}', False),
        (503, b'{"serving":true}', False),
        (404, b'{"serving":true}', False),
        (200, b" " * 5106 + b'"serving":true', True),
        (200, b" " * 5107 + b'"serving":true', False),
    ],
)
def test_a_look_passes_on_2xx_and_3xx_with_the_string_within_the_first_5120_bytes(
    status: int, body: bytes, passes: bool
) -> None:
    assert look_passed(endpoint(), status, body) is passes


def test_without_a_search_string_only_the_status_counts() -> None:
    assert look_passed(endpoint(search=None), 204, b"")


def test_a_checker_changes_its_mind_only_after_as_many_contrary_looks_in_a_row() -> None:
    assert after([True, False], 2).healthy
    assert after([True, False, True, False], 2).healthy
    assert not after([True, False, False], 2).healthy
    assert not after([True, False, False, True], 2).healthy
    assert after([True, False, False, True, True], 2).healthy


def test_the_first_look_decides_at_once() -> None:
    assert after([True], 3) == CheckerView(True)
    assert after([False], 3) == CheckerView(False)


@given(st.lists(st.booleans(), min_size=1), st.integers(1, 10))
def test_a_checker_agrees_with_any_run_of_threshold_looks_at_the_end(looks: list[bool], threshold: int) -> None:
    *_, (last, run) = [(key, len(list(group))) for key, group in groupby(looks)]
    view = after(looks, threshold)
    if run >= threshold:
        assert view == CheckerView(last)
    assert view.contrary < threshold


@pytest.mark.parametrize(
    ("healthy", "unhealthy", "found"), [(1, 5, False), (2, 4, True), (1, 4, True), (9, 41, False), (10, 40, True)]
)
def test_an_endpoint_is_healthy_when_more_than_18_percent_of_the_checkers_say_so(
    healthy: int, unhealthy: int, found: bool
) -> None:
    assert verdict(endpoint(), views(healthy, unhealthy)) is found
    assert verdict(endpoint(inverted=True), views(healthy, unhealthy)) is not found


def test_a_new_check_is_healthy_and_a_new_inverted_one_is_not_until_there_is_data() -> None:
    assert verdict(endpoint(), views(0, 0, unseen=6))
    assert not verdict(endpoint(inverted=True), views(0, 0, unseen=6))
    assert not verdict(endpoint(), views(0, 1, unseen=5))
    assert verdict(endpoint(inverted=True), views(0, 1, unseen=5))


def test_a_peer_that_cannot_be_reached_drains_nobody() -> None:
    assert verdict(endpoint(inverted=True), views(0, 6))


@pytest.mark.parametrize(
    ("serving", "told_drained", "healthy"),
    [(6, 0, True), (0, 0, False), (6, 6, False), (0, 6, False), (2, 1, True)],
)
def test_a_region_is_healthy_when_it_serves_and_its_peer_does_not_say_that_it_is_drained(
    serving: int, told_drained: int, healthy: bool
) -> None:
    serves, drain = endpoint(id="serves"), endpoint(id="drain", inverted=True)
    both = CalculatedCheck("both", "us-east-1", ("serves", "drain"), 2)
    verdicts = all_verdicts(
        (both, serves, drain),
        {"serves": views(serving, 6 - serving), "drain": views(told_drained, 6 - told_drained)},
    )
    assert verdicts["both"] is healthy


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 9), st.booleans())
def test_a_calculated_check_counts_its_healthy_children(children: list[bool], threshold: int, inverted: bool) -> None:
    checks = [endpoint(id=str(number)) for number in range(len(children))]
    calculated = CalculatedCheck("all", "us-east-1", tuple(check.id for check in checks), threshold, inverted)
    verdicts = all_verdicts(
        [*checks, calculated], {str(number): [CheckerView(state)] for number, state in enumerate(children)}
    )
    assert verdicts["all"] is ((sum(children) >= threshold) is not inverted)
