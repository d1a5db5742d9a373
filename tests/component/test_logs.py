"""Log lines: each unit of work tells whose order and which request it was, and nothing about a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from shared.topology import TOPOLOGY
from tests.component.pipeline import catch
from tests.component.region import FUNCTIONS, PASSWORD, LambdaContext, RegionUnderTest
from tests.component.webhook_receiver import Receiver, messages_of, subscribe, tell

COURIER, CITY, NOTE, SECOND_COURIER = "Wilson-Quispe", "Barrancabermeja", "llamar-a-dona-Rosa", "Yolanda-Angulo"
USERNAME, KEY = "zulma.perdomo", "clave-de-idempotencia-7"
ADDRESS = "198.51.100.77"
RECEIVER, HOOK = "recibe.example.com", "gancho-secreto"
PERSONAL = (COURIER, SECOND_COURIER, CITY, NOTE, USERNAME, ADDRESS)
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
    region.call("POST", "/token", {"username": USERNAME, "password": "equivocada"}, sub=None, address=ADDRESS)
    secret = subscribe(region, USERNAME, url=f"https://{RECEIVER}/{HOOK}?clave={HOOK}")
    sent = {"X-Correlation-Id": "corr-1", "Idempotency-Key": KEY, "X-Forwarded-For": ADDRESS}
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
    receiver = Receiver(region)
    with messages_of(*region.log_items("event")) as records:
        assert tell(region, *records) == []
        receiver.takes = False
        assert tell(region, *records)
    found["webhook"] = said()
    assert len(receiver.calls) == 2
    for private in (secret, receiver.calls[0].headers["Relevo-Signature"], HOOK):
        assert private not in found["webhook"]
    region.module("sentinel")._sentinel.peer_serving = lambda: True
    region.module("sentinel").handler({}, LambdaContext(seconds=3))
    found["sentinel"] = said()
    for path in ("/health", "/control/drained/us-east-1", "/control/drained/nowhere"):
        region.call("GET", path, sub=None, function="health", headers={"Authorization": bearer}, address=ADDRESS)
    found["health"] = said()
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
        for personal in (*PERSONAL, PASSWORD, "equivocada", KEY, HOOK, "Bearer", "eyJ"):
            assert personal not in text, f"{function}: {personal}"


def test_a_call_that_failed_names_the_receiver_and_nothing_of_the_way_to_it(logged: dict[str, str]) -> None:
    (line,) = [line for line in lines(logged["webhook"]) if line["message"] == "a webhook failed"]
    assert RECEIVER in line["reason"]
    assert (line["tries"], line["retry_after"]) == (1, TOPOLOGY.webhook_retry_seconds[0])


def test_every_function_that_clients_or_their_orders_reach_is_looked_at(logged: dict[str, str]) -> None:
    assert set(logged) == set(FUNCTIONS) - {"stream_arn"}  # which runs during a deployment alone


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
