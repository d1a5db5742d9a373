"""The lab as a target of drills: what it tells Locust and the probes."""

from __future__ import annotations

from ipaddress import ip_network

from loadtests.drills.lab_access import LabAccess, RegionAccess
from loadtests.fleet import parse_subnets, server_from
from loadtests.lab.route53.routing_policy import locate, location_for
from shared.topology import TOPOLOGY

LAB = LabAccess(
    quick=True,
    regions={
        region.name: RegionAccess(region.name, region.lab_address, 4566, f"http://{region.lab_address}:4566")
        for region in TOPOLOGY.regions
    },
    dns=("127.0.0.1", 5354),
    control="http://127.0.0.1:1",
)


def test_locust_is_told_the_one_hostname_the_dns_and_a_place_near_each_region() -> None:
    options = LAB.load_options()
    assert options["--host"] == f"http://{TOPOLOGY.api_name}:4566"
    assert server_from(options["--relevo-dns"]) == LAB.dns
    subnets = parse_subnets(options["--relevo-subnets"])
    assert set(subnets) == set(TOPOLOGY.region_names)
    for region, subnet in subnets.items():
        assert locate(ip_network(subnet)) == location_for(region)


def test_an_address_tells_the_region() -> None:
    for region in TOPOLOGY.regions:
        assert LAB.region_at(region.lab_address) == region.name
    assert LAB.region_at("192.0.2.1") is None
    assert LAB.region_at(None) is None
