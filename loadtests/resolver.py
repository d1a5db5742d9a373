"""Resolves the API's name as a client's resolver would: asks one DNS server, tells it a subnet, honours the TTL.

Blocking, and safe under gevent: it uses the ``socket`` module as it finds it.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from dnslib import EDNS0, QTYPE, RCODE, DNSError, DNSQuestion, DNSRecord, EDNSOption

CLIENT_SUBNET: Final = 8  # EDNS option, RFC 7871
ANSWER_SECONDS: Final = 1.0
ATTEMPTS: Final = 3


class ResolveError(Exception):
    """The name has no address, or the DNS server did not tell it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The addresses of a name, until when they hold."""

    addresses: tuple[str, ...]
    ttl_seconds: float
    valid_until: float


class Resolver:
    """A stub resolver with a cache of its own, for one client or for many at one place.

    Without a server the system's resolver is asked, which keeps its own cache.
    """

    def __init__(
        self,
        server: tuple[str, int] | None = None,
        *,
        subnet: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._subnet = subnet
        self._clock = clock
        self._cache: dict[str, Answer] = {}

    def resolve(self, name: str) -> str:
        """One IPv4 address of a name, no older than its TTL; raises ``ResolveError``."""
        return self.lookup(name).addresses[0]

    def lookup(self, name: str) -> Answer:
        """All IPv4 addresses of a name and how long they hold; raises ``ResolveError``."""
        if self._server is None:
            return self._ask_system(name)
        cached = self._cache.get(name)
        now = self._clock()
        if cached is not None and now < cached.valid_until:
            return cached
        addresses, ttl_seconds = self._ask(self._server, name)
        answer = self._cache[name] = Answer(addresses, ttl_seconds, now + ttl_seconds)
        return answer

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def _ask_system(self, name: str) -> Answer:
        try:
            found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise ResolveError(f"{name}: {error}") from error
        addresses = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
        return Answer(addresses, 0.0, self._clock())

    def _ask(self, server: tuple[str, int], name: str) -> tuple[tuple[str, ...], float]:
        query = DNSRecord(q=DNSQuestion(name, QTYPE.A))
        query.header.id = random.randrange(1 << 16)
        query.header.rd = 1
        if self._subnet is not None:
            query.add_ar(EDNS0(udp_len=1232, opts=[client_subnet(self._subnet)]))
        host, port = server
        trouble: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                reply = DNSRecord.parse(query.send(host, port, timeout=ANSWER_SECONDS))
                if reply.header.tc:
                    reply = DNSRecord.parse(query.send(host, port, tcp=True, timeout=ANSWER_SECONDS))
            except (OSError, DNSError, struct.error) as error:
                trouble = error
                continue
            if reply.header.id == query.header.id and reply.q.qname == query.q.qname:
                return self._read(name, reply)
        raise ResolveError(f"{name}: no answer from {host}:{port} ({trouble})")

    @staticmethod
    def _read(name: str, reply: DNSRecord) -> tuple[tuple[str, ...], float]:
        if reply.header.rcode != RCODE.NOERROR:
            raise ResolveError(f"{name}: {RCODE.get(reply.header.rcode)}")
        records = [record for record in reply.rr if record.rtype == QTYPE.A]
        if not records:
            raise ResolveError(f"{name}: no IPv4 address")
        return tuple(str(record.rdata) for record in records), float(min(record.ttl for record in records))


def client_subnet(subnet: str) -> EDNSOption:
    """The EDNS option that tells a DNS server where its client is, from a prefix such as ``198.51.100.0/24``."""
    network = ip_network(subnet, strict=False)
    family = 1 if network.version == 4 else 2
    significant = network.network_address.packed[: (network.prefixlen + 7) // 8]
    return EDNSOption(CLIENT_SUBNET, struct.pack("!HBB", family, network.prefixlen, 0) + significant)
