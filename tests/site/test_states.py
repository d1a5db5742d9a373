"""The dashboard in a real Chromium, in states that a lab would have to be brought to. No Region runs: documents do.

The cases are in states.test.mjs; here each gets its name, and the documents are held to the contract.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from regions.handlers.contract import openapi
from shared.topology import STATUSES, TOPOLOGY
from tests.site.node_tests import names, troubles
from tests.site.states import NOW, STATES

FILE = "states.test.mjs"
PROJECT = Path(__file__).parents[2]
PATHS = {
    "/token": ("post", "/token"),
    "/v1/metrics?day=2026-11-20": ("get", "/v1/metrics"),
    "/v1/orders/CE-2026-000412": ("get", "/v1/orders/{order_id}"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    coordinates = {
        "edge": "http://localhost",  # nobody is asked: every request is answered in the browser
        "account": {"username": "ana", "password": "una-clave-larga"},
        "out": str(PROJECT / "out" / "site"),
        "page": str(PROJECT / ".build" / "site"),
        "now": NOW,
        "states": STATES,
    }
    folder = tmp_path_factory.mktemp("states")
    return troubles(FILE, folder, seconds=240, environment={"RELEVO_LAB": json.dumps(coordinates)})


@pytest.mark.parametrize("name", names(FILE))
def test_states(outcome: dict[str, str], name: str) -> None:
    assert not outcome[name], outcome[name]


@pytest.mark.parametrize("state", STATES)
def test_every_document_is_one_of_the_contract(state: str) -> None:
    contract = openapi()
    for asked, document in STATES[state].items():
        method, path = PATHS.get(asked, ("get", asked))
        schema = contract["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator(
            {**schema, "components": contract["components"]}, format_checker=FormatChecker()
        )
        assert [error.message for error in validator.iter_errors(document)] == [], asked


@pytest.mark.parametrize("language", ["spanish", "english"])
def test_every_dead_letter_queue_has_a_name_for_people(language: str) -> None:
    text = (PROJECT / f"global_stack/site/src/{language}.ts").read_text()
    found = re.search(r"^  otherQueues: \{(.*?)\}", text, re.DOTALL | re.MULTILINE)
    assert found
    assert {*re.findall(r"(\w+): ", found[1]), *STATUSES} == set(TOPOLOGY.dead_letter_queues)
