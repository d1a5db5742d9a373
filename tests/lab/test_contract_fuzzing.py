"""The contract against both Regions of the running lab, by schemathesis: gateway, authorizer and handlers together."""

from __future__ import annotations

import pytest
import requests
import schemathesis

from shared.topology import TOPOLOGY
from tests.contract_fuzzing import CHECKS, fuzz
from tests.lab.running_lab import RunningLab

pytestmark = pytest.mark.lab


def test_every_operation_keeps_the_contract_in_both_regions(lab: RunningLab) -> None:
    seats = lab.layout.seats.values()
    host = {"Host": TOPOLOGY.api_name}
    (contract, *others) = (requests.get(f"{seat.endpoint}/openapi.json", headers=host, timeout=20) for seat in seats)
    assert all(other.json() == contract.json() for other in others)
    with requests.Session() as session:

        def try_out(case: schemathesis.Case) -> None:
            answered = []
            for seat in seats:
                case.headers["Host"] = TOPOLOGY.api_name
                case.headers["Authorization"] = f"Bearer {lab.token()}"
                answer = case.call_and_validate(base_url=seat.endpoint, session=session, checks=CHECKS, timeout=20)
                answered += answer.headers["x-region"]
            assert answered == list(TOPOLOGY.region_names)

        fuzz(schemathesis.openapi.from_dict(contract.json()), try_out, examples=3)
