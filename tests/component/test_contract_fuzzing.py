"""The contract against the handlers, by schemathesis: to what it allows or forbids, an answer that it describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import schemathesis

from tests.component.region import RegionUnderTest
from tests.contract_fuzzing import CHECKS, fuzz

Start = Callable[[str, list[tuple[str, str]]], Any]


def wsgi(region: RegionUnderTest) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """The Region as a WSGI application, in which everybody has passed the authorizer."""
    region.account()
    bearer = region.log_in()

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ.get("REQUEST_URI") or environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        found = region.call(
            environ["REQUEST_METHOD"],
            path.partition("?")[0],
            raw=environ["wsgi.input"].read(length).decode("utf-8", "replace"),
            headers={**headers, "Content-Type": environ.get("CONTENT_TYPE") or "application/json", **bearer},
            query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
            function="health" if path.startswith(("/health", "/control/")) else "api",
        )
        text = found.text
        if path == "/openapi.json":  # the authorizer has tests of its own; here everybody has passed it
            document = found.json
            for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
                operation["security"] = []
            text = json.dumps(document)
        start(f"{found.status} -", list(found.headers.items()))
        return [text.encode()]

    return answer


def test_every_operation_keeps_the_contract(region: RegionUnderTest) -> None:
    contract = schemathesis.openapi.from_wsgi("/openapi.json", wsgi(region))
    fuzz(contract, lambda case: case.call_and_validate(checks=CHECKS), examples=8)
