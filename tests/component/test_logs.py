"""Log lines: each unit of work tells whose order and which request it was, and nothing about a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from tests.component.pipeline import catch
from tests.component.region import PASSWORD, LambdaContext, RegionUnderTest

COURIER, CITY, NOTE, SECOND_COURIER = "Wilson-Quispe", "Barrancabermeja", "llamar-a-dona-Rosa", "Yolanda-Angulo"
USERNAME, KEY = "zulma.perdomo", "clave-de-idempotencia-7"
ORDER = {
    "order_id": "CE-77", "courier": COURIER, "city": CITY, "note": NOTE, "status": "assigned",
    "items": [{"product": "Ruana-azul", "price": 1}],
}  # fmt: skip


@pytest.fixture
def stream(region: RegionUnderTest) -> Iterator[StringIO]:
    """What the functions log. Python keeps a logger for a process, with the stream and the level it was made with."""
    logger = region.module("runtime").logger
    handler, level, text = logger.registered_handler, logger.log_level, StringIO()
    before = handler.setStream(text)
    logger.setLevel("INFO")
    yield text
    handler.setStream(before)
    logger.setLevel(level)


@pytest.fixture
def logged(region: RegionUnderTest, stream: StringIO) -> dict[str, str]:
    """What each function logs for one order on its way, and for requests that are refused."""
    catch(region)
    region.account(USERNAME)
    found: dict[str, str] = {}

    def said() -> str:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text

    bearer = region.log_in(USERNAME)["Authorization"]
    region.call("POST", "/token", {"username": USERNAME, "password": "equivocada"}, sub=None)
    sent = {"X-Correlation-Id": "corr-1", "Idempotency-Key": KEY}
    for body in (ORDER, {**ORDER, "courier": SECOND_COURIER}):  # the second one is refused: the key was used
        region.call("POST", "/v1/orders", body, headers=sent, sub=USERNAME)
    region.call("POST", "/v1/orders", {**ORDER, "status": 7}, headers=sent, sub=USERNAME)
    region.call("GET", "/v1/orders", query={"courier": COURIER}, sub=USERNAME)
    found["api"] = said()

    authorizer = region.module("authorizer")
    method = "arn:aws:execute-api:us-east-1:123456789012:abc/live/GET/v1/orders"
    authorizer.handler({"authorizationToken": bearer, "methodArn": method}, LambdaContext())
    with pytest.raises(Exception, match="Unauthorized"):
        authorizer.handler({"authorizationToken": f"{bearer}x", "methodArn": method}, LambdaContext())
    found["authorizer"] = said()

    assert region.relay_everything() == []
    found["relay"] = said()
    assert region.process(region.log_items("event")) == []
    found["processor"] = said()
    region.module("sentinel")._sentinel.peer_serving = lambda: True
    region.module("sentinel").handler({}, LambdaContext(seconds=3))
    found["sentinel"] = said()
    region.account("importa", "client")
    region.importer(region.put_file("inbox/importa/marzo.csv", f"order_id,city,note\nI-1,{CITY},{NOTE}\n".encode()))
    found["importer"] = said()
    assert "importa" not in found["importer"]
    assert "marzo" not in found["importer"]
    return found


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_no_line_holds_what_is_personal_or_secret(logged: dict[str, str]) -> None:
    for function, text in logged.items():
        assert lines(text), f"{function} logs nothing"
        for personal in (COURIER, SECOND_COURIER, CITY, NOTE, USERNAME, PASSWORD, "equivocada", KEY, "Bearer", "eyJ"):
            assert personal not in text, f"{function}: {personal}"


def test_lines_of_a_registration_hold_its_order_event_and_correlation_id(logged: dict[str, str]) -> None:
    registered = [line for line in lines(logged["api"]) if line.get("order_id") == "CE-77"]
    assert registered
    for line in registered:
        assert line["correlation_id"] == "corr-1"
        assert line["event_id"]
        assert line["function_request_id"]


def test_lines_of_the_pipeline_hold_the_orders_that_they_are_about(logged: dict[str, str]) -> None:
    for function, message in (("relay", "relayed"), ("processor", "processed")):
        (line,) = [line for line in lines(logged[function]) if line["message"] == message]
        assert line["order_ids"] == ["CE-77"]
