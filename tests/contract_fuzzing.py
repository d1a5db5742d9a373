"""Requests that schemathesis makes of the contract, the ones that it allows and the ones that it forbids."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# Not that all is refused that the schema does not have: an empty parameter counts as one that was not sent.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def fuzz(contract: schemathesis.BaseSchema, try_out: Callable[[schemathesis.Case], object], *, examples: int) -> None:
    """Try out every operation with some requests of either kind, the same ones each time."""
    operations = [found.ok() for found in contract.get_all_operations()]
    paths = contract.raw_schema["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    # It leaves out the document where it has it from.
    assert described - {operation.label for operation in operations} <= {"GET /openapi.json"}
    for operation in operations:
        for mode in GenerationMode:

            @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def keeps_it(case: schemathesis.Case) -> None:
                # `at_least` asks for a 503 until an event has come: the one that is no fault.
                if case.query:
                    case.query.pop("at_least", None)
                try_out(case)

            # Nothing can be wrong with a request that has nothing in it.
            with suppress(*([Unsatisfiable] if mode is GenerationMode.NEGATIVE else [])):
                keeps_it()
