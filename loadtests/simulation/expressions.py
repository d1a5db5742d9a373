"""DynamoDB's expressions, as far as the adapters use them, made into functions over items of attribute values.

What is not understood is refused loudly: a fake that guesses would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

Item = dict[str, Any]
Names = Mapping[str, str]
Values = Mapping[str, Any]
Condition = Callable[[Item, Names, Values], bool]
Change = Callable[[Item, Item, Names, Values], None]  # what was there, what is made of it

_TOKEN: Final = re.compile(r"\s*(<=|>=|<>|[=<>(),]|[#:]?[A-Za-z_][A-Za-z0-9_]*)")
_SECTIONS: Final = ("SET", "REMOVE", "ADD", "DELETE")


class ExpressionError(ValueError):
    """An expression that this fake does not know."""


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ExpressionError(f"{text!r} at {place}")
        found.append(match[1])
        place = match.end()
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.left = text, _tokens(text)

    @property
    def next(self) -> str:
        return self.left[0] if self.left else ""

    def take(self, wanted: str = "") -> str:
        if not self.left or (wanted and self.left[0] != wanted):
            raise ExpressionError(f"{self.text!r}: expected {wanted or 'more'} before {self.left[:3]}")
        return self.left.pop(0)


def _named(token: str, names: Names) -> str:
    return names[token] if token.startswith("#") else token


def plain(value: Any) -> Any:
    """What an attribute value compares as: text, or a number."""
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    if kind not in ("S", "BOOL"):
        raise ExpressionError(f"cannot compare {kind}")
    return content


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda left, right: bool(left == right),
    "<": lambda left, right: bool(left < right),
    ">": lambda left, right: bool(left > right),
}


@cache
def condition(text: str) -> Condition:
    """A condition: terms joined by AND or by OR, not by both."""
    reader = _Reader(text)
    terms = [_term(reader)]
    joint = reader.next
    while reader.left:
        if reader.take() != joint or joint not in ("AND", "OR"):
            raise ExpressionError(text)
        terms.append(_term(reader))
    if len(terms) == 1:
        return terms[0]
    together = all if joint == "AND" else any
    return lambda item, names, values: together(term(item, names, values) for term in terms)


def _term(reader: _Reader) -> Condition:
    first = reader.take()
    if first in ("attribute_exists", "attribute_not_exists"):
        reader.take("(")
        path = reader.take()
        reader.take(")")
        wanted = first == "attribute_exists"
        return lambda item, names, _: (_named(path, names) in item) == wanted
    if first == "begins_with":
        reader.take("(")
        name = reader.take()
        reader.take(",")
        prefix = reader.take()
        reader.take(")")
        return lambda item, names, values: str(item.get(_named(name, names), {}).get("S", "")).startswith(
            values[prefix]["S"]
        )
    operator = reader.take()
    if operator == "IN":
        reader.take("(")
        options = [reader.take()]
        while reader.next == ",":
            reader.take()
            options.append(reader.take())
        reader.take(")")
        return lambda item, names, values: (
            _named(first, names) in item and item[_named(first, names)] in [values[option] for option in options]
        )
    value = reader.take()
    if operator not in _COMPARE or not value.startswith(":"):
        raise ExpressionError(reader.text)
    compare = _COMPARE[operator]

    def compared(item: Item, names: Names, values: Values) -> bool:
        name, other = _named(first, names), values[value]
        # Values of two types are never equal, nor one before the other.
        return name in item and item[name].keys() == other.keys() and compare(plain(item[name]), plain(other))

    return compared


@cache
def update(text: str) -> tuple[Change, ...]:
    """An update: the changes it makes, each from the item as it was."""
    reader = _Reader(text)
    changes: list[Change] = []
    while reader.left:
        section = reader.take()
        if section not in _SECTIONS:
            raise ExpressionError(text)
        while True:
            changes.append(_change(section, reader))
            if reader.next != ",":
                break
            reader.take()
    return tuple(changes)


def _change(section: str, reader: _Reader) -> Change:
    path = reader.take()
    if section == "REMOVE":
        return lambda _before, after, names, _values: after.pop(_named(path, names), None)
    if section == "SET":
        return _set(path, reader)
    value = reader.take()
    return (_add if section == "ADD" else _delete)(path, value)


def _set(path: str, reader: _Reader) -> Change:
    reader.take("=")
    source = reader.take()
    if source != "if_not_exists":
        return lambda _before, after, names, values: after.__setitem__(_named(path, names), values[source])
    reader.take("(")
    known = reader.take()
    reader.take(",")
    value = reader.take()
    reader.take(")")

    def set_unless(before: Item, after: Item, names: Names, values: Values) -> None:
        after[_named(path, names)] = before.get(_named(known, names), values[value])

    return set_unless


def _add(path: str, value: str) -> Change:
    def add(before: Item, after: Item, names: Names, values: Values) -> None:
        name, added = _named(path, names), values[value]
        known = before.get(name)
        if known is None:
            after[name] = added
        elif "N" in added and "N" in known:
            after[name] = {"N": f"{Decimal(known['N']) + Decimal(added['N']):f}"}
        elif "SS" in added and "SS" in known:
            after[name] = {"SS": sorted({*known["SS"], *added["SS"]})}
        else:
            raise ExpressionError(f"ADD {added} to {known}")

    return add


def _delete(path: str, value: str) -> Change:
    def delete(before: Item, after: Item, names: Names, values: Values) -> None:
        name = _named(path, names)
        left = sorted({*before.get(name, {"SS": []})["SS"]} - {*values[value]["SS"]})
        if left:
            after[name] = {"SS": left}
        else:
            after.pop(name, None)

    return delete
