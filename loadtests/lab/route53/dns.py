"""The lab's DNS server: answers the API's names as Route 53 would, from the synthesized templates and health checks.

Authoritative for the topology's domain only, over UDP and TCP; it never asks another server.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, cast

import uvloop
from aiohttp import web
from dnslib import CLASS, EDNS0, NS, QTYPE, RCODE, RR, SOA, A, DNSError, DNSHeader, DNSRecord, EDNSOption

from loadtests.lab import json_control
from loadtests.lab.lab_file import Address, Lab, lab_from_arguments
from loadtests.lab.route53.checkers import HealthCheckers
from loadtests.lab.route53.routing_policy import LOCATIONS, Location, Network, choose, locate
from loadtests.lab.route53.template import DnsPlan, read_plan
from loadtests.lab.stopping import run_until_stopped
from shared.topology import TOPOLOGY

CLIENT_SUBNET: Final = 8  # EDNS option
NEGATIVE_TTL_SECONDS: Final = 5
MAX_UDP_BYTES: Final = 1232
TCP_IDLE_SECONDS: Final = 10.0


class Zone:
    """What is answered: the plan's names, resolved by health and by the place of the client."""

    def __init__(
        self,
        plan: DnsPlan,
        addresses: Mapping[str, str],
        verdicts: Callable[[], Mapping[str, bool]],
        ttl_seconds: float,
        domain: str = TOPOLOGY.domain,
    ) -> None:
        self._plan = plan
        self._addresses = addresses
        self._verdicts = verdicts
        self._ttl_seconds = max(1, round(ttl_seconds))
        self._domain = domain

    def region_for(self, name: str, location: Location) -> str | None:
        """The Region whose address a name has for a client at a place, None for a name that does not exist."""
        if records := [record for record in self._plan.latency_records if record.name == name]:
            record = choose(records, self._verdicts(), location)
            return record.region if record else None
        return self._plan.region_of_name.get(name)

    def answers(self) -> dict[str, list[str]]:
        """For each place, the Regions that the API's one name leads to now."""
        found = {place.name: self.region_for(TOPOLOGY.api_name, place) for place in LOCATIONS}
        return {place: [region] if region else [] for place, region in found.items()}

    def answer(self, query: DNSRecord) -> DNSRecord:
        """Answer one query."""
        reply = DNSRecord(DNSHeader(id=query.header.id, qr=1, aa=1, rd=query.header.rd, opcode=query.header.opcode))
        reply.questions = query.questions
        subnet = _ClientSubnet.of(query)
        self._fill(reply, query, subnet)
        if any(extra.rtype == QTYPE.OPT for extra in query.ar):
            options = [subnet.echo()] if subnet else []
            reply.add_ar(EDNS0(udp_len=MAX_UDP_BYTES, opts=options))
        return reply

    def _fill(self, reply: DNSRecord, query: DNSRecord, subnet: _ClientSubnet | None) -> None:
        if query.header.opcode != 0:
            reply.header.rcode, reply.header.aa = RCODE.NOTIMP, 0
            return
        if len(query.questions) != 1:
            reply.header.rcode, reply.header.aa = RCODE.FORMERR, 0
            return
        question = query.questions[0]
        name = str(question.qname).rstrip(".").lower()
        if question.qclass != CLASS.IN or not (name == self._domain or name.endswith(f".{self._domain}")):
            reply.header.rcode, reply.header.aa = RCODE.REFUSED, 0
            return
        region = self.region_for(name, locate(subnet.network if subnet else None))
        if region is not None and question.qtype in (QTYPE.A, QTYPE.ANY):
            reply.add_answer(RR(question.qname, QTYPE.A, rdata=A(self._addresses[region]), ttl=self._ttl_seconds))
        elif name == self._domain and question.qtype in (QTYPE.SOA, QTYPE.ANY):
            reply.add_answer(self._start_of_authority())
        elif name == self._domain and question.qtype == QTYPE.NS:
            reply.add_answer(RR(self._domain, QTYPE.NS, rdata=NS(f"ns.{self._domain}"), ttl=self._ttl_seconds))
        else:
            if region is None and name != self._domain:
                reply.header.rcode = RCODE.NXDOMAIN
            reply.add_auth(self._start_of_authority())

    def _start_of_authority(self) -> RR:
        times = (1, 7200, 900, 1209600, NEGATIVE_TTL_SECONDS)
        record = SOA(f"ns.{self._domain}", f"hostmaster.{self._domain}", times)
        return RR(self._domain, QTYPE.SOA, rdata=record, ttl=NEGATIVE_TTL_SECONDS)


@dataclass(frozen=True)
class _ClientSubnet:
    """EDNS Client Subnet (RFC 7871): the part of the client's address that its resolver tells."""

    network: Network
    data: bytes

    @classmethod
    def of(cls, query: DNSRecord) -> _ClientSubnet | None:
        for extra in query.ar:
            if extra.rtype != QTYPE.OPT:
                continue
            for option in extra.rdata:
                if isinstance(option, EDNSOption) and option.code == CLIENT_SUBNET:
                    return cls.parse(bytes(option.data))
        return None

    @classmethod
    def parse(cls, data: bytes) -> _ClientSubnet | None:
        """Read the option's content, None when it makes no sense."""
        if len(data) < 4:
            return None
        family, prefix, _ = struct.unpack("!HBB", data[:4])
        width = {1: 4, 2: 16}.get(family, 0)
        if not width or prefix > width * 8 or len(data) - 4 > width:
            return None
        packed = data[4:].ljust(width, b"\0")
        return cls(ip_network((packed, prefix), strict=False), data)

    def echo(self) -> EDNSOption:
        """The option of the answer: the answer holds for just this subnet."""
        return EDNSOption(CLIENT_SUBNET, self.data[:3] + self.data[2:3] + self.data[4:])


def answer_bytes(zone: Zone, content: bytes) -> bytes | None:
    """Answer a packet; FORMERR for one that cannot be read, nothing for one that is not a query."""
    try:
        query = DNSRecord.parse(content)
    except (DNSError, ValueError, struct.error):
        if len(content) < 12 or content[2] & 0x80:
            return None
        header = DNSHeader(id=int.from_bytes(content[:2], "big"), qr=1, ra=0, rcode=RCODE.FORMERR)
        return bytes(DNSRecord(header).pack())
    if query.header.qr:
        return None
    return bytes(zone.answer(query).pack())


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if self._transport and (answer := answer_bytes(self._zone, data)):
            self._transport.sendto(answer, addr)


async def _serve_connection(zone: Zone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, TimeoutError, OSError):
        while True:
            async with asyncio.timeout(TCP_IDLE_SECONDS):
                length = int.from_bytes(await reader.readexactly(2), "big")
                content = await reader.readexactly(length)
            if answer := answer_bytes(zone, content):
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
    writer.close()


async def serve_zone(zone: Zone, address: Address) -> None:
    """Answer over UDP and TCP until cancelled."""
    loop = asyncio.get_running_loop()
    place = (address.host, address.port)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(zone), local_addr=place)
    try:
        server = await asyncio.start_server(lambda r, w: _serve_connection(zone, r, w), *place)
        async with server:
            await server.serve_forever()
    finally:
        transport.close()


async def run_dns(lab: Lab) -> None:
    """Look at the Regions' health and answer queries until SIGTERM or SIGINT."""
    plan = read_plan(lab.template_dir, lab.regions)
    checkers = HealthCheckers(plan, lab.regions, lab.check_interval_seconds)
    addresses = {name: region.address for name, region in lab.regions.items()}
    zone = Zone(plan, addresses, lambda: checkers.verdicts, lab.ttl_seconds)

    async def health(_: web.Request) -> web.Response:
        return web.json_response(checkers.health())

    async def history(_: web.Request) -> web.Response:
        return web.json_response(list(checkers.history))

    async def answers(_: web.Request) -> web.Response:
        return web.json_response(zone.answers())

    routes: list[tuple[str, str, json_control.Handler]] = [
        ("GET", "/health", health),
        ("GET", "/history", history),
        ("GET", "/answers", answers),
    ]
    async with json_control.serve(lab.dns_control, routes):
        await run_until_stopped(checkers.run(), serve_zone(zone, lab.dns))


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    uvloop.run(run_dns(lab_from_arguments("Answers DNS for the lab as Route 53 would.")))


if __name__ == "__main__":
    main()
