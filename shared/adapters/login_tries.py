"""Regional counters that slow the guessing of passwords: per name and address, per name, and per address.

A try is counted before its password is looked at and given back if it was right, so that guesses made at once count
too. Where somebody has logged in before, only that name's own tries from there count: so no stranger, from however many
addresses, holds up people where they usually are.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared.adapters import items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRY_WINDOW: Final = timedelta(minutes=5)
MAX_OF_NAME_FROM_ADDRESS: Final = 5
MAX_OF_NAME_FROM_STRANGERS: Final = 50  # many addresses, one name
MAX_OF_ADDRESS: Final = 100  # one address, many names; couriers share the addresses of their carrier
KNOWN_FOR: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Try:
    """One try to log in: what it counts for, and whether the name has logged in from there before."""

    username: str
    address: str
    counters: tuple[tuple[str, str], ...]
    is_known: bool


def network_of(address: str) -> str:
    """What counts as one address: a host of IPv4, and the 64 bits that a subscriber of IPv6 gets."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False).network_address)
    return str(found)


class LoginTries:
    """The tries of this Region; the peer Region counts its own."""

    def __init__(self, client: DynamoDBClient, view_table: str) -> None:
        self._client = client
        self._table = view_table

    def begin(self, username: str, address: str, *, now: datetime) -> Try | None:
        """Count a try; ``None`` if there were too many, and its password must not be looked at."""
        network = network_of(address)
        window = int(now.timestamp() // TRY_WINDOW.total_seconds())
        pair = (f"LOGIN#{username}", f"FROM#{_mark(username, network)}#{window}")
        if self._add(pair, 1, now) > MAX_OF_NAME_FROM_ADDRESS:
            return None
        is_known = self._is_known(username, network, now)
        counters = [pair]
        if not is_known:
            for key, most in (
                ((f"LOGIN#{username}", f"STRANGERS#{window}"), MAX_OF_NAME_FROM_STRANGERS),
                ((f"LOGIN-FROM#{_mark('', network)}", f"ANYBODY#{window}"), MAX_OF_ADDRESS),
            ):
                counters.append(key)
                if self._add(key, 1, now) > most:
                    return None
        return Try(username, network, tuple(counters), is_known)

    def succeeded(self, done: Try, *, now: datetime) -> None:
        """Give the try back, and remember for a month that the name logs in from there."""
        for key in done.counters:
            self._add(key, -1, now)
        if not done.is_known:
            self._client.put_item(
                TableName=self._table,
                Item=items.to_wire(
                    {
                        "pk": f"LOGIN#{done.username}",
                        "sk": f"KNOWN#{_mark(done.username, done.address)}",
                        "expires_at": int((now + KNOWN_FOR).timestamp()),
                    }
                ),
            )

    def _is_known(self, username: str, network: str, now: datetime) -> bool:
        answer = self._client.get_item(
            TableName=self._table,
            Key=items.to_wire({"pk": f"LOGIN#{username}", "sk": f"KNOWN#{_mark(username, network)}"}),
        )
        # DynamoDB deletes what has expired within days.
        return "Item" in answer and int(answer["Item"]["expires_at"]["N"]) > now.timestamp()

    def _add(self, key: tuple[str, str], number: int, now: datetime) -> int:
        answer = self._client.update_item(
            TableName=self._table,
            Key=items.to_wire({"pk": key[0], "sk": key[1]}),
            UpdateExpression="ADD tries :number SET expires_at = :expires",
            ExpressionAttributeValues=items.to_wire(
                {":number": number, ":expires": int((now + 2 * TRY_WINDOW).timestamp())}
            ),
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["tries"]["N"])


def _mark(username: str, network: str) -> str:
    """An address in a form that a look into the table does not tell."""
    return hashlib.sha256(f"{username}\n{network}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
