"""What the lab's DNS answers, and what it reads from the templates: no sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from loadtests.lab.route53.dns import Zone, answer_bytes
from loadtests.lab.route53.health_checks import CalculatedCheck, EndpointCheck
from loadtests.lab.route53.routing_policy import LOCATIONS, LatencyRecord, choose, locate, location_for
from loadtests.lab.route53.template import DnsPlan, TemplateError, read_plan
from loadtests.resolver import client_subnet
from shared.topology import TOPOLOGY
from tests.lab.region_templates import region_template, write_templates

EAST, WEST = TOPOLOGY.region_names
ADDRESSES = {EAST: "127.0.1.1", WEST: "127.0.2.1"}
RECORDS = tuple(LatencyRecord("api.cargo.test", region, region, f"{region}/Both") for region in (EAST, WEST))
PLAN = DnsPlan(RECORDS, {f"{region}.api.cargo.test": region for region in (EAST, WEST)}, ())


def ask(
    name: str, kind: str = "A", *, subnet: str | None = None, edns: bool = False, unhealthy: tuple[str, ...] = ()
) -> DNSRecord:
    query = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind)))
    if subnet:
        query.add_ar(EDNS0(udp_len=1232, opts=[client_subnet(subnet)]))
    elif edns:
        query.add_ar(EDNS0(udp_len=1232))
    zone = Zone(PLAN, ADDRESSES, lambda: {f"{region}/Both": region not in unhealthy for region in ADDRESSES}, 60)
    answer = answer_bytes(zone, query.pack())
    assert answer is not None
    return DNSRecord.parse(answer)


def addresses(reply: DNSRecord) -> list[str]:
    assert reply.header.rcode == RCODE.NOERROR
    return [str(record.rdata) for record in reply.rr]


def test_a_client_without_a_subnet_is_in_bogota() -> None:
    reply = ask("api.cargo.test")
    assert addresses(reply) == ["127.0.1.1"]
    assert reply.rr[0].ttl == 60
    assert reply.header.aa == 1
    assert reply.ar == []


@pytest.mark.parametrize(
    ("subnet", "address"),
    [("198.51.100.0/24", "127.0.1.1"), ("203.0.113.77/32", "127.0.2.1"), ("203.0.0.0/16", "127.0.1.1")],
)
def test_the_client_subnet_decides_the_nearest_region(subnet: str, address: str) -> None:
    reply = ask("api.cargo.test", subnet=subnet)
    assert addresses(reply) == [address]
    (option,) = reply.ar[0].rdata
    prefix = int(subnet.partition("/")[2])
    assert bytes(option.data)[:4] == bytes([0, 1, prefix, prefix])  # the answer holds for exactly this subnet


def test_an_unhealthy_region_is_not_answered_and_with_none_healthy_all_are() -> None:
    assert addresses(ask("api.cargo.test", unhealthy=(EAST,))) == ["127.0.2.1"]
    assert addresses(ask("api.cargo.test", subnet="203.0.113.0/24", unhealthy=(WEST,))) == ["127.0.1.1"]
    assert addresses(ask("api.cargo.test", subnet="203.0.113.0/24", unhealthy=(EAST, WEST))) == ["127.0.2.1"]


def test_a_regions_own_name_has_its_address_whatever_its_health() -> None:
    assert addresses(ask("us-east-2.API.cargo.test", unhealthy=(WEST,))) == ["127.0.2.1"]


@pytest.mark.parametrize("kind", ["AAAA", "MX", "HTTPS"])
def test_a_known_name_has_no_other_records(kind: str) -> None:
    reply = ask("api.cargo.test", kind)
    assert addresses(reply) == []
    assert [record.rtype for record in reply.auth] == [QTYPE.SOA]


def test_other_names_of_the_zone_do_not_exist_and_other_zones_are_refused() -> None:
    missing = ask("nope.api.cargo.test", edns=True)
    assert missing.header.rcode == RCODE.NXDOMAIN
    assert [record.rtype for record in missing.auth] == [QTYPE.SOA]
    for name in ("example.com", "notcargo.test", "."):
        refused = ask(name)
        assert refused.header.rcode == RCODE.REFUSED
        assert refused.header.aa == 0


def test_the_zone_itself_has_an_authority() -> None:
    assert ask("cargo.test", "SOA").rr[0].rtype == QTYPE.SOA
    assert addresses(ask("cargo.test", "NS")) == ["ns.cargo.test."]
    assert addresses(ask("cargo.test", "A")) == []


@given(st.binary(max_size=80))
def test_no_packet_breaks_the_server(content: bytes) -> None:
    zone = Zone(PLAN, ADDRESSES, dict, 60)
    answer = answer_bytes(zone, content)
    if answer is not None:
        assert answer[:2] == content[:2]
        assert answer[2] & 0x80


@given(st.binary(max_size=40))
def test_no_client_subnet_breaks_the_server(data: bytes) -> None:
    query = DNSRecord(q=DNSQuestion("api.cargo.test", QTYPE.A))
    option = client_subnet("192.0.2.0/24")
    option.data = data
    query.add_ar(EDNS0(udp_len=1232, opts=[option]))
    answer = answer_bytes(Zone(PLAN, ADDRESSES, dict, 60), query.pack())
    assert answer is not None
    assert DNSRecord.parse(answer).header.rcode == RCODE.NOERROR


@given(st.sampled_from(LOCATIONS), st.sets(st.sampled_from((EAST, WEST))))
def test_the_chosen_record_is_the_nearest_of_the_healthy_ones(location: object, healthy: set[str]) -> None:
    place = locate(None)
    for candidate in LOCATIONS:
        if candidate == location:
            place = candidate
    verdicts = {f"{region}/Both": region in healthy for region in ADDRESSES}
    chosen = choose(RECORDS, verdicts, place)
    assert chosen is not None
    allowed = healthy or set(ADDRESSES)
    assert chosen.region in allowed
    assert place.latency_ms[chosen.region] == min(place.latency_ms[region] for region in allowed)


def test_every_region_has_a_location_that_is_nearest_to_it() -> None:
    for region in TOPOLOGY.region_names:
        assert choose(RECORDS, {}, location_for(region)).region == region  # type: ignore[union-attr]


def test_the_plan_is_read_from_the_templates(tmp_path: Path) -> None:
    plan = read_plan(write_templates(tmp_path), TOPOLOGY.region_names)
    assert plan.latency_records == RECORDS
    assert plan.region_of_name == PLAN.region_of_name
    checks = {check.id: check for check in plan.checks}
    assert checks[f"{EAST}/Both"] == CalculatedCheck(
        f"{EAST}/Both", EAST, (f"{EAST}/Serving", f"{EAST}/Drained"), threshold=2
    )
    assert checks[f"{WEST}/Drained"] == EndpointCheck(
        id=f"{WEST}/Drained",
        region=WEST,
        fqdn="us-east-1.api.cargo.test",
        path="/control/drained/us-east-2",
        search_string='"drained":true',
        inverted=True,
        interval_seconds=10.0,
        failure_threshold=2,
        checker_regions=TOPOLOGY.health_checker_regions,
    )
    serving = checks[f"{WEST}/Serving"]
    assert isinstance(serving, EndpointCheck)
    assert (serving.fqdn, serving.role, checks[f"{WEST}/Drained"].role) == (
        "us-east-2.api.cargo.test",
        "endpoint",
        "drain",
    )


def test_a_template_that_cannot_be_understood_says_where(tmp_path: Path) -> None:
    write_templates(tmp_path)
    template = region_template(EAST)
    resources = template["Resources"]
    assert isinstance(resources, dict)
    resources["Serving"]["Properties"]["HealthCheckConfig"]["ResourcePath"] = {"Fn::ImportValue": "x"}
    (tmp_path / f"relevo-{EAST}.template.json").write_text(json.dumps(template))
    with pytest.raises(TemplateError, match=r"relevo-us-east-1.*ImportValue"):
        read_plan(tmp_path, TOPOLOGY.region_names)
    del resources["Serving"], resources["Both"]
    (tmp_path / f"relevo-{EAST}.template.json").write_text(json.dumps(template))
    with pytest.raises(TemplateError, match="cannot resolve"):
        read_plan(tmp_path, TOPOLOGY.region_names)
