"""Webhooks, the rules alone: whose order it is, what may be called, how a call is signed and when it is tried again.

No sockets and no clock: who calls passes the time, and resolves names itself.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from shared.domain import problems
from shared.domain.commands import FieldReader, text_of
from shared.domain.effects import Effect
from shared.domain.instants import to_text
from shared.domain.orders import Event
from shared.topology import STATUSES

MAX_URL: Final = 500
# What `url_of` takes on AWS, for the contract: https, a name with a dot, no user, no port but 443, nothing invisible.
URL_PATTERN: Final = r"^https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]*(:443)?(/[!-~]*)?$"
SECRET_BYTES: Final = 32
# A second secret is a rotation: both sign until a third one pushes the first out.
SECRETS_THAT_SIGN: Final = 2
_GLOBAL_IPV6: Final = ipaddress.ip_network("2000::/3")
_NAMED: Final = re.compile(URL_PATTERN)


class UnsafeAddressError(Exception):
    """A webhook's name leads to an address that is nobody's on the Internet."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client system wants to hear of, and where. ``statuses`` are those of the events that it hears about."""

    subject: str
    url: str
    statuses: frozenset[str]

    def wants(self, status: str) -> bool:
        return status in self.statuses


def first_of(events: Iterable[Event]) -> Event | None:
    """The event that says whose order it is: its sender registered the order, and hears of all that happens to it.

    A Region takes no event that comes before those it knows, so it is the one that all others come after; clocks of
    two Regions decide only between equal ones.
    """
    return min(events, key=lambda event: (event.precedence, event.recorded_at, event.event_id), default=None)


def subscription_of(body: object, *, subject: str, in_lab: bool) -> Subscription:
    """A subscription as a client asks for it; raises a 422 problem that names every bad field."""
    reader = FieldReader(body, ("url", "statuses"))
    url = reader.read("url", lambda value: url_of(value, in_lab=in_lab), required=True)
    statuses = reader.read("statuses", _statuses)
    if reader.faults or url is None:
        raise problems.invalid(reader.faults)
    return Subscription(subject, url, statuses or frozenset(STATUSES))


def url_of(value: object, *, in_lab: bool) -> str:
    """A URL that may be called, as far as its text tells; else ``ValueError``. In the lab loopback may be, by http."""
    url = text_of(value, at_most=MAX_URL)
    if not _NAMED.fullmatch(url) and not (in_lab and _is_loopback_url(url)):
        raise ValueError(
            "expected https://, a host's full name, port 443 if any, and no user, space or non-ASCII letter"
        )
    return url


def _is_loopback_url(url: str) -> bool:
    parts = urlsplit(url)
    try:
        host = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme == "http" and parts.username is None and host.is_loopback


def _statuses(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(status in STATUSES for status in value):
        raise ValueError(f"expected a list of one or more of {', '.join(STATUSES)}")
    return frozenset(value)


def chosen_address(addresses: Sequence[str], *, in_lab: bool) -> str:
    """The address to connect to, of all that a name leads to; raises ``UnsafeAddressError`` if any is not public.

    In the lab a receiver is on loopback, and nothing else changes.
    """
    for address in addresses:
        if not (_is_public(address) or (in_lab and ipaddress.ip_address(address).is_loopback)):
            raise UnsafeAddressError(f"{address} is not a public address")
    if not addresses:
        raise UnsafeAddressError("the name leads to no address")
    return min(addresses, key=lambda address: ":" in address)  # functions have no way out by IPv6


def _is_public(address: str) -> bool:
    """Whether an address is one host's on the Internet: not private, shared, local, metadata, multicast, disguised."""
    try:
        found = ipaddress.ip_address(address)  # one with a zone is refused below: it is local to a link
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and not _is_undisguised(found):
        return False
    return found.is_global and not found.is_multicast


def _is_undisguised(found: ipaddress.IPv6Address) -> bool:
    """Whether no IPv4 address hides in it: mapped ones and NAT64 are outside of the block, 6to4 and Teredo inside."""
    return found in _GLOBAL_IPV6 and not found.sixtofour and not found.teredo


def payload_of(event: Event, effect: Effect) -> str:
    """What a receiver gets; ``event_id`` is its idempotency key, since a call may come more than once."""
    return json.dumps(
        {
            "event_id": event.event_id,
            "order_id": event.order_id,
            "status": event.status,
            "effect": {"kind": effect.kind, "content": effect.content},
            "occurred_at": to_text(event.occurred_at) if event.occurred_at else None,
            "recorded_at": to_text(event.recorded_at),
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


def signature_of(secrets: Sequence[str], body: bytes, *, seconds: int) -> str:
    """The header ``Relevo-Signature``: the time, and for each secret an HMAC-SHA256 of time and body."""
    signed = b"%d." % seconds + body
    made = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={seconds}", *(f"v1={hexadecimal}" for hexadecimal in made)])


def retry_after(tries: int, waits: Sequence[float], *, scale: float) -> int:
    """Seconds to hide a call that failed ``tries`` times; none after the last one, and the queue gives it up."""
    return max(1, round(waits[tries - 1] * scale)) if 1 <= tries <= len(waits) else 0
