"""Attribute values read as boto3 reads them, whatever is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.items import from_wire

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)
TEXTS = st.text(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.sets(TEXTS, min_size=1) | st.sets(NUMBERS, min_size=1)
    | st.binary(max_size=4) | st.sets(st.binary(max_size=4), min_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)  # fmt: skip


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_values_read_as_boto3_reads_them(plain: dict[str, Any]) -> None:
    wire = {name: TypeSerializer().serialize(value) for name, value in plain.items()}
    assert from_wire(wire) == {name: TypeDeserializer().deserialize(value) for name, value in wire.items()}


def test_binary_values_off_the_wire_are_bytes() -> None:
    assert from_wire({"b": {"B": "AP8="}, "s": {"BS": ["AP8="]}, "n": {"N": "1.50"}}) == {
        "b": b"\x00\xff", "s": {b"\x00\xff"}, "n": Decimal("1.50"),
    }  # fmt: skip
