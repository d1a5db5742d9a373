"""The lab's DNS process: real queries over UDP and TCP, and real health checkers, before, during and after a loss."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord

from loadtests.lab.route53.routing_policy import location_for
from loadtests.resolver import ResolveError, Resolver, client_subnet
from shared.topology import TOPOLOGY
from tests.lab.region_templates import write_templates
from tests.lab.tiny_regions import TinyRegion, tiny_regions
from tests.lab.two_ministacks import answer_of, eventually, lab_process, write_lab_file

EAST, WEST = TOPOLOGY.region_names
INTERVAL_SECONDS = 0.2
TTL_SECONDS = 2


class DnsLab:
    """Two tiny Regions and the DNS process."""

    def __init__(self, regions: dict[str, TinyRegion], lab_file: Path) -> None:
        self.regions = regions
        self.east, self.west = regions[EAST], regions[WEST]
        self.lab_file = lab_file
        host, _, port = json.loads(lab_file.read_text())["dns"].partition(":")
        self.server = (host, int(port))
        self._control = f"http://{json.loads(lab_file.read_text())['dns_control']}"

    def control(self, what: str) -> Any:
        return answer_of(f"{self._control}/{what}")

    def ask(self, name: str, kind: str = "A", *, subnet: str | None = None, tcp: bool = False) -> DNSRecord:
        query = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind)))
        if subnet:
            query.add_ar(EDNS0(udp_len=1232, opts=[client_subnet(subnet)]))
        return DNSRecord.parse(query.send(*self.server, tcp=tcp, timeout=5))

    def region_near(self, region: str) -> str:
        """The Region that a client near one Region is sent to."""
        subnet = str(location_for(region).prefix)
        (record,) = self.ask(TOPOLOGY.api_name, subnet=subnet).rr
        return {server.address: name for name, server in self.regions.items()}[str(record.rdata)]

    def health(self, region: str) -> Any:
        return self.control("health")[region]

    def all_is_well(self) -> bool:
        try:
            known = self.control("health")
        except OSError:
            return False
        return all(known[name] == {"endpoint_healthy": True, "drained": False, "healthy": True} for name in known)


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsLab]:
    folder = tmp_path_factory.mktemp("dns")
    with ExitStack() as stack:
        regions = stack.enter_context(tiny_regions())
        lab_file = write_lab_file(
            folder,
            {name: (region.address, region.port) for name, region in regions.items()},
            template_dir=str(write_templates(folder / "cdk.out")),
            ttl_seconds=TTL_SECONDS,
            check_interval_seconds=INTERVAL_SECONDS,
        )
        stack.enter_context(lab_process("route53.dns", lab_file))
        yield DnsLab(regions, lab_file)


@pytest.fixture
def lab(running_lab: DnsLab) -> DnsLab:
    for region in running_lab.regions.values():
        region.serving = True
        region.drained = None
        region.speaks.set()
    eventually(running_lab.all_is_well, what="healthy Regions")
    return running_lab


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_it_answers_as_an_authority_over_udp_and_tcp(lab: DnsLab, tcp: bool) -> None:
    reply = lab.ask(TOPOLOGY.api_name, tcp=tcp)
    assert [(str(record.rdata), record.ttl) for record in reply.rr] == [("127.0.1.1", TTL_SECONDS)]
    assert str(lab.ask("us-east-2.api.cargo.test", tcp=tcp).rr[0].rdata) == "127.0.2.1"
    assert lab.ask("www.cargo.test", tcp=tcp).header.rcode == RCODE.NXDOMAIN
    assert lab.ask("example.org", tcp=tcp).header.rcode == RCODE.REFUSED
    six = lab.ask(TOPOLOGY.api_name, "AAAA", tcp=tcp)
    assert (six.header.rcode, six.rr) == (RCODE.NOERROR, [])


def test_one_tcp_connection_takes_many_queries(lab: DnsLab) -> None:
    with socket.create_connection(lab.server, timeout=5) as connection, connection.makefile("rwb") as stream:
        for name, rcode in ((TOPOLOGY.api_name, RCODE.NOERROR), ("no.cargo.test", RCODE.NXDOMAIN)):
            packet = DNSRecord(q=DNSQuestion(name, QTYPE.A)).pack()
            stream.write(len(packet).to_bytes(2, "big") + packet)
            stream.flush()
            length = int.from_bytes(stream.read(2), "big")
            assert DNSRecord.parse(stream.read(length)).header.rcode == rcode


def test_each_client_is_sent_to_its_nearest_region(lab: DnsLab) -> None:
    assert lab.region_near(EAST) == EAST
    assert lab.region_near(WEST) == WEST
    assert lab.control("answers") == {"bogota": [EAST], "barranquilla": [EAST], "cali": [WEST]}


@pytest.mark.parametrize("way", ["says that it does not serve", "falls silent"])
def test_a_lost_region_is_left_and_found_again(lab: DnsLab, way: str) -> None:
    assert lab.region_near(EAST) == EAST
    lost_at = time.time()
    if way == "falls silent":
        lab.east.speaks.clear()
    else:
        lab.east.serving = False
    eventually(lambda: lab.region_near(EAST) == WEST, what="traffic in the other Region")
    assert lab.region_near(WEST) == WEST
    assert lab.health(EAST) == {"endpoint_healthy": False, "drained": False, "healthy": False}
    assert lab.health(WEST)["healthy"]
    changes = [change for change in lab.control("history") if change["at"] > lost_at]
    assert [(change["region"], change["check"], change["healthy"]) for change in changes] == [
        (EAST, "endpoint", False),
        (EAST, "calculated", False),
    ]
    lab.east.serving = True
    lab.east.speaks.set()
    eventually(lambda: lab.region_near(EAST) == EAST, what="traffic back")


def test_a_region_that_its_peer_calls_drained_is_left_though_it_serves(lab: DnsLab) -> None:
    lab.west.drained = EAST
    eventually(lambda: lab.region_near(EAST) == WEST, what="traffic in the other Region")
    assert lab.health(EAST) == {"endpoint_healthy": True, "drained": True, "healthy": False}
    lab.west.drained = None
    eventually(lambda: lab.region_near(EAST) == EAST, what="traffic back")


def test_what_a_region_says_of_itself_does_not_drain_it(lab: DnsLab) -> None:
    lab.east.drained = EAST
    seen = lab.east.checks
    eventually(lambda: lab.east.checks > seen + 60, what="many checks")
    assert lab.region_near(EAST) == EAST
    assert lab.health(EAST)["healthy"]


def test_with_both_regions_unhealthy_both_are_answered(lab: DnsLab) -> None:
    lab.east.serving = lab.west.serving = False
    eventually(lambda: not any(state["healthy"] for state in lab.control("health").values()), what="both unhealthy")
    assert (lab.region_near(EAST), lab.region_near(WEST)) == (EAST, WEST)


def test_the_checkers_look_at_the_rate_of_the_interval(lab: DnsLab) -> None:
    seen, since = lab.east.checks, time.monotonic()
    eventually(lambda: lab.east.checks >= seen + 120, what="120 checks")
    rate = (lab.east.checks - seen) / (time.monotonic() - since)
    assert rate <= 1.1 * 2 * 6 / INTERVAL_SECONDS  # two checks look at each Region, six checkers each


def test_the_resolver_keeps_an_answer_for_its_ttl_and_no_longer(lab: DnsLab) -> None:
    now = 100.0
    near = Resolver(lab.server, subnet=str(location_for(EAST).prefix), clock=lambda: now)
    far = Resolver(lab.server, subnet=str(location_for(WEST).prefix), clock=lambda: now)
    assert [near.resolve(TOPOLOGY.api_name), far.resolve(TOPOLOGY.api_name)] == ["127.0.1.1", "127.0.2.1"]
    lab.east.serving = False
    eventually(lambda: lab.region_near(EAST) == WEST)
    now += TTL_SECONDS - 0.01
    assert near.resolve(TOPOLOGY.api_name) == "127.0.1.1"
    now += 0.01
    assert near.resolve(TOPOLOGY.api_name) == "127.0.2.1"


def test_the_resolver_says_why_there_is_no_address(lab: DnsLab) -> None:
    resolver = Resolver(lab.server)
    for name, why in (("no.cargo.test", "NXDOMAIN"), ("example.org", "REFUSED"), ("cargo.test", "no IPv4 address")):
        with pytest.raises(ResolveError, match=why):
            resolver.resolve(name)


def test_without_a_server_the_system_is_asked() -> None:
    assert Resolver().resolve("localhost") == "127.0.0.1"


def test_dns_stops_on_sigterm(lab: DnsLab, tmp_path: Path) -> None:
    other = write_lab_file(
        tmp_path,
        {name: (region.address, region.port) for name, region in lab.regions.items()},
        template_dir=json.loads(lab.lab_file.read_text())["template_dir"],
    )
    with lab_process("route53.dns", other) as process:
        second = DnsLab(lab.regions, other)
        eventually(second.all_is_well, what="the second DNS")
        process.terminate()
        assert process.wait(5) == 0
