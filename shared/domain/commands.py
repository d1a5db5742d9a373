"""Requests turned into commands: strict parsing of bodies, every fault named by its JSON Pointer, nothing guessed.

The limits are data, so that the contract at ``/openapi.json`` states the very numbers that are enforced.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from shared.domain import problems
from shared.domain.instants import BOGOTA, from_text
from shared.domain.orders import Item, body_hash
from shared.domain.problems import FieldFault
from shared.topology import STATUSES

T = TypeVar("T")

MAX_BODY_BYTES: Final = 64 * 1024
MAX_ITEMS: Final = 100
MAX_TEXT: Final = 200
MAX_ORDER_ID: Final = 64
MAX_PRICE: Final = Decimal(10**9)
MAX_QUANTITY: Final = 10_000
MAX_ATTEMPT: Final = 99
MAX_AHEAD: Final = timedelta(minutes=10)
MAX_BACK: Final = timedelta(days=30)
# What `text_of` takes, for the contract: something visible, no control characters.
TEXT_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
# A price sent as text; the same pattern stands in the contract.
PRICE_PATTERN: Final = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"

ORDER_FIELDS: Final = ("order_id", "status", "courier", "items", "occurred_at", "city", "note", "attempt")
EVENT_FIELDS: Final = ("status", "courier", "items", "occurred_at", "note", "attempt")
LEGACY_FIELDS: Final = ("pedido_id", "repartidor", "productos", "timestamp")


@dataclass(frozen=True, slots=True)
class Command:
    """A valid request to record that something happened to an order; ``order_id`` may still have to be derived."""

    order_id: str | None
    status: str
    body_hash: str
    idempotency_key: str | None = None
    occurred_at: datetime | None = None
    attempt: int | None = None
    courier: str | None = None
    city: str | None = None
    note: str | None = None
    items: tuple[Item, ...] = ()


def parse_json(text: str) -> object:
    """Parse a JSON body; exact numbers, no NaN, no duplicate keys, no absurd nesting. Raises a 400 or 413 problem."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BODY_BYTES:
        raise problems.too_large(MAX_BODY_BYTES)

    def refuse_constant(name: str) -> object:
        raise ValueError(f"{name} is not JSON")

    def without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key appears twice in an object")
        return found

    try:
        parsed: object = json.loads(
            text, parse_float=Decimal, parse_constant=refuse_constant, object_pairs_hook=without_duplicates
        )
    except (ValueError, InvalidOperation) as error:
        raise problems.not_json(f"the body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise problems.not_json("the body is nested too deeply") from error
    return parsed


class FieldReader:
    """Reads the fields of one object and collects every fault instead of stopping at the first."""

    def __init__(self, body: object, fields: Sequence[str], pointer: str = "") -> None:
        self.faults: list[FieldFault] = []
        self.pointer = pointer
        self.body: Mapping[str, object] = {}
        if not isinstance(body, dict):
            self.fault("", "expected a JSON object")
            return
        self.body = body
        for name in body:
            if name not in fields:
                # RFC 6901 escapes. The name is the client's own: cut before it is echoed, lone surrogates replaced.
                shown = name[:MAX_TEXT].encode("utf-8", "replace").decode()
                self.fault(shown.replace("~", "~0").replace("/", "~1"), "unknown field")

    def fault(self, name: str, detail: str) -> None:
        self.faults.append({"pointer": f"{self.pointer}/{name}" if name else self.pointer, "detail": detail})

    def read(
        self, name: str, parse: Callable[[object], T], *, required: bool = False, nullable: bool = False
    ) -> T | None:
        if name not in self.body or (nullable and self.body[name] is None):
            if required:
                self.fault(name, "required")
            return None
        value = self.body[name]
        try:
            return parse(value)
        except ValueError as error:
            self.fault(name, str(error))
            return None


def text_of(value: object, *, at_most: int = MAX_TEXT) -> str:
    """A string of 1 to ``at_most`` characters without control characters or lone surrogates; else ``ValueError``."""
    if not isinstance(value, str):
        raise ValueError("expected a string")  # noqa: TRY004  # a fault of the field, as every other one
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value) > at_most:
        raise ValueError(f"at most {at_most} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValueError("control characters are not allowed")
    return value


def id_of(value: object) -> str:
    """An order's id: text that nobody can mistake for another one's, so nothing invisible and one form of each letter.

    Else an order could be made that looks like somebody else's in every list.
    """
    text = text_of(value, at_most=MAX_ORDER_ID)
    if any(unicodedata.category(character) in ("Cf", "Zl", "Zp") for character in text):
        raise ValueError("invisible characters are not allowed")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError("must be in Unicode's normal form C")
    return text


def _status(value: object) -> str:
    if not isinstance(value, str) or value not in STATUSES:
        raise ValueError(f"expected one of {', '.join(STATUSES)}")
    return value


def _integer(value: object, at_most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= at_most:
        raise ValueError(f"expected a whole number from 1 to {at_most}")
    return value


def _price(value: object) -> Decimal:
    """A price in COP: a number or a numeric string, 0 to 1e9, at most 2 decimals."""
    fault = ValueError(f"expected a price from 0 to {MAX_PRICE} with at most 2 decimals")
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise fault
    if isinstance(value, str) and not re.fullmatch(PRICE_PATTERN, value):
        raise fault
    price = Decimal(value)
    if not price.is_finite() or not 0 <= price <= MAX_PRICE:
        raise fault
    exact = abs(price.quantize(Decimal("0.01")))  # abs: -0 is 0
    if exact != price:
        raise fault
    return exact


def _moment(now: datetime, *, naive_is_local: bool = False) -> Callable[[object], datetime]:
    def parse(value: object) -> datetime:
        if not isinstance(value, str):
            raise ValueError("expected an RFC 3339 date-time")  # noqa: TRY004  # as above
        try:
            moment = from_text(value)
        except ValueError:
            # The old monitor's clients send datetime.isoformat() of a local clock, without an offset.
            if not naive_is_local:
                raise
            local = datetime.fromisoformat(value)
            moment = local if local.tzinfo else local.replace(tzinfo=BOGOTA)
            moment = from_text(moment.isoformat())
        if moment > now + MAX_AHEAD:
            raise ValueError(f"more than {MAX_AHEAD.seconds // 60} minutes in the future")
        if moment < now - MAX_BACK:
            raise ValueError(f"more than {MAX_BACK.days} days in the past")
        return moment

    return parse


def _items(reader: FieldReader, name: str, fields: tuple[str, str, str | None], *, required: bool) -> tuple[Item, ...]:
    product_field, price_field, quantity_field = fields
    if name not in reader.body:
        if required:
            reader.fault(name, "required")
        return ()
    value = reader.body[name]
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ITEMS:
        reader.fault(name, f"expected a list of 1 to {MAX_ITEMS} items")
        return ()
    found: list[Item] = []
    for index, entry in enumerate(value):
        line = FieldReader(entry, [field for field in fields if field], f"{reader.pointer}/{name}/{index}")
        product = line.read(product_field, text_of, required=True)
        price = line.read(price_field, _price, required=True)
        quantity = line.read(quantity_field, lambda raw: _integer(raw, MAX_QUANTITY)) if quantity_field else None
        reader.faults.extend(line.faults)
        if product is not None and price is not None:
            found.append(Item(product, price, quantity or 1))
    return tuple(found)


def idempotency_key_of(value: str | None) -> str | None:
    """Check an ``Idempotency-Key`` header: 1 to 200 printable ASCII characters; raises a 400 problem."""
    if value is None:
        return None
    if not 1 <= len(value) <= MAX_TEXT or not value.isascii() or not value.isprintable():
        raise problems.invalid_parameter("Idempotency-Key", f"expected 1 to {MAX_TEXT} printable ASCII characters")
    return value


def order_command(body: object, *, idempotency_key: str | None, now: datetime) -> Command:
    """`POST /v1/orders`: create an order or register its first status. Raises a 422 problem naming each fault."""
    reader = FieldReader(body, ORDER_FIELDS)
    order_id = reader.read("order_id", id_of)
    if order_id is None and idempotency_key is None and "order_id" not in reader.body:
        reader.fault("order_id", "required when no Idempotency-Key is sent")
    return _command(reader, order_id=order_id, default_status="created", key=idempotency_key, now=now)


def event_command(body: object, *, order_id: str, idempotency_key: str | None, now: datetime) -> Command:
    """`POST /v1/orders/{order_id}/events`: something happened to an order. Raises a 422 or 400 problem."""
    try:
        id_of(order_id)
    except ValueError as error:
        raise problems.invalid_parameter("order_id", str(error)) from error
    reader = FieldReader(body, EVENT_FIELDS)
    return _command(reader, order_id=order_id, default_status=None, key=idempotency_key, now=now)


def _command(
    reader: FieldReader, *, order_id: str | None, default_status: str | None, key: str | None, now: datetime
) -> Command:
    status = reader.read("status", _status, required=default_status is None) or default_status or ""
    attempt = reader.read("attempt", lambda raw: _integer(raw, MAX_ATTEMPT))
    if status == "failed" and key is None and "attempt" not in reader.body:
        # Two failed attempts with equal bodies would otherwise be one command.
        reader.fault("attempt", "required for failed when no Idempotency-Key is sent")
    command = Command(
        order_id=order_id,
        status=status,
        body_hash="",
        idempotency_key=key,
        occurred_at=reader.read("occurred_at", _moment(now)),
        attempt=attempt,
        courier=reader.read("courier", text_of),
        city=reader.read("city", text_of),
        note=reader.read("note", text_of),
        items=_items(reader, "items", ("product", "price", "quantity"), required=False),
    )
    return _checked(command, reader)


def legacy_delivery_command(body: object, *, idempotency_key: str | None, now: datetime) -> Command:
    """`POST /registrar_pedido_entregado` of the old delivery monitor: an order that was delivered."""
    reader = FieldReader(body, LEGACY_FIELDS)
    command = Command(
        order_id=reader.read("pedido_id", _legacy_order_id, required=True),
        status="delivered",
        body_hash="",
        idempotency_key=idempotency_key,
        occurred_at=reader.read("timestamp", _moment(now, naive_is_local=True), nullable=True),
        courier=reader.read("repartidor", text_of, required=True),
        items=_items(reader, "productos", ("producto", "precio", None), required=True),
    )
    return _checked(command, reader)


def _legacy_order_id(value: object) -> str:
    return id_of(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _checked(command: Command, reader: FieldReader) -> Command:
    if reader.faults:
        raise problems.invalid(reader.faults)
    # Only now: a body that passed has no number whose text could be huge.
    return replace(command, body_hash=body_hash(reader.body))
