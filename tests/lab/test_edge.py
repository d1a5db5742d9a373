"""The lab's edge: forwards once to where DNS points, says what happened when nobody answers."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.topology import TOPOLOGY
from tests.lab.region_templates import write_templates
from tests.lab.tiny_regions import TinyRegion, tiny_regions
from tests.lab.two_ministacks import eventually, free_port, lab_process, write_lab_file

EAST, WEST = TOPOLOGY.region_names


class EdgeLab:
    """Two tiny Regions, DNS and the edge before them."""

    def __init__(self, regions: dict[str, TinyRegion], lab_file: Path) -> None:
        self.east, self.west = regions[EAST], regions[WEST]
        self._port = int(json.loads(lab_file.read_text())["edge"].rpartition(":")[2])

    def send(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def served_by(self) -> str | None:
        try:
            return self.send("GET", "/v1/where")[1]["X-Region"]
        except OSError:
            return None


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLab]:
    folder = tmp_path_factory.mktemp("edge")
    with ExitStack() as stack:
        regions = stack.enter_context(tiny_regions())
        lab_file = write_lab_file(
            folder,
            {name: (region.address, region.port) for name, region in regions.items()},
            template_dir=str(write_templates(folder / "cdk.out")),
            ttl_seconds=1,
            check_interval_seconds=0.2,
        )
        for module in ("route53.dns", "edge"):
            stack.enter_context(lab_process(module, lab_file))
        found = EdgeLab(regions, lab_file)
        eventually(lambda: found.served_by() == EAST, what="the edge")
        yield found


def test_a_request_arrives_as_it_was_sent_under_the_apis_name(lab: EdgeLab) -> None:
    body = json.dumps({"order_id": "A-1", "note": "ñ"}).encode()
    status, headers, content = lab.send(
        "POST", "/v1/orders?x=%2Fa&y=b%20c", body, **{"Idempotency-Key": "k1", "Content-Type": "application/json"}
    )
    assert (status, json.loads(content)) == (201, {"region": EAST, "size": len(body)})
    assert headers["X-Region"] == EAST
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    method, path, seen, arrived = lab.east.requests[-1]
    assert (method, path, arrived) == ("POST", "/v1/orders?x=%2Fa&y=b%20c", body)
    assert seen["Host"] == "api.cargo.test"
    assert (seen["Idempotency-Key"], seen["Content-Type"]) == ("k1", "application/json")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_any_method_is_forwarded(lab: EdgeLab, method: str) -> None:
    assert lab.send(method, "/v1/orders/A-1")[0] == 201
    assert lab.east.requests[-1][:2] == (method, "/v1/orders/A-1")


def test_the_start_page_says_what_this_is(lab: EdgeLab) -> None:
    status, headers, content = lab.send("GET", "/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert b'href="/openapi.json"' in content


def test_a_body_that_no_api_would_take_is_refused(lab: EdgeLab) -> None:
    status, headers, content = lab.send("POST", "/v1/orders", b"x" * (10 * 1024 * 1024 + 1))
    assert status == 413
    assert headers["Content-Type"].startswith("application/problem+json")
    assert json.loads(content)["status"] == 413


def test_a_region_that_does_not_answer_gives_one_504_and_the_next_ttl_leads_elsewhere(lab: EdgeLab) -> None:
    lab.east.speaks.clear()
    try:
        started = time.monotonic()
        sent = len(lab.east.requests)
        status, headers, content = lab.send("POST", "/v1/orders", b"{}")
        assert status == 504
        assert headers["Content-Type"].startswith("application/problem+json")
        assert "may or may not have been executed" in json.loads(content)["detail"]
        assert time.monotonic() - started < 20
        eventually(lambda: lab.served_by() == WEST, what="traffic in the other Region")
    finally:
        lab.east.speaks.set()
    eventually(lambda: len(lab.east.requests) == sent + 1, what="the request arriving once, late")
    eventually(lambda: lab.served_by() == EAST, what="traffic back")


def test_without_dns_it_says_so(lab: EdgeLab, tmp_path: Path) -> None:
    lab_file = write_lab_file(tmp_path, {EAST: ("127.0.1.1", free_port("127.0.1.1"))})
    with lab_process("edge", lab_file) as process:
        alone = EdgeLab({EAST: lab.east, WEST: lab.west}, lab_file)
        eventually(lambda: alone_answers(alone), what="the edge without DNS")
        status, _, content = alone.send("GET", "/health")
        assert status == 502
        assert "DNS" in json.loads(content)["detail"]
        process.terminate()
        assert process.wait(5) == 0


def alone_answers(lab: EdgeLab) -> bool:
    try:
        return lab.send("GET", "/")[0] == 200
    except OSError:
        return False
