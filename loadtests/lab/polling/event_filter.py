"""Decides whether a record passes an event source mapping's FilterCriteria. Pure; knows nothing of pollers.

Plays the operators that Lambda documents for streams and queues; any other is refused when the mapping is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

Pattern = Mapping[str, object]

_ABSENT: Final = object()


class FilterError(Exception):
    """A pattern that Lambda would refuse, or that is not played here."""


def passes(patterns: Sequence[Pattern], record: Mapping[str, object]) -> bool:
    """Whether a record matches one of the patterns; without patterns every record passes."""
    return not patterns or any(_matches(pattern, record) for pattern in patterns)


def check_pattern(pattern: object) -> Pattern:
    """Return the pattern if all of it can be played; raises ``FilterError`` otherwise."""
    if not isinstance(pattern, dict) or not pattern:
        raise FilterError(f"a filter pattern is a non-empty object, got {pattern!r}")
    for name, wanted in pattern.items():
        match name, wanted:
            case "$or", list():
                for alternative in wanted:
                    check_pattern(alternative)
            case _, dict():
                check_pattern(wanted)
            case _, list():
                for rule in wanted:
                    _check_rule(name, rule)
            case _:
                raise FilterError(f"{name}: expected a list of rules or an object, got {wanted!r}")
    return cast("Pattern", pattern)


def _check_rule(name: str, rule: object) -> None:
    if isinstance(rule, list):
        raise FilterError(f"{name}: a rule is no list")
    if isinstance(rule, dict) and (len(rule) != 1 or next(iter(rule)) not in _OPERATORS):
        raise FilterError(f"{name}: {rule!r} is not played by the lab")


def _matches(pattern: Pattern, record: object) -> bool:
    fields = record if isinstance(record, Mapping) else {}
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(_matches(alternative, fields) for alternative in cast("list[Pattern]", wanted)):
                return False
        elif isinstance(wanted, Mapping):
            if not _matches(wanted, fields.get(name)):
                return False
        elif not any(_rule_holds(rule, fields.get(name, _ABSENT)) for rule in cast("list[object]", wanted)):
            return False
    return True


def _rule_holds(rule: object, value: object) -> bool:
    if isinstance(rule, Mapping):
        ((operator, operand),) = rule.items()
        if value is _ABSENT:
            return operator == "exists" and not operand
        return any(_OPERATORS[operator](operand, one) for one in _each(value))
    return value is not _ABSENT and any(rule == one and type(rule) is type(one) for one in _each(value))


def _each(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else (value,)


def _is_there(operand: object, _value: object) -> bool:
    return bool(operand)


def _starts(operand: object, value: object) -> bool:
    return isinstance(value, str) and value.startswith(str(operand))


def _ends(operand: object, value: object) -> bool:
    return isinstance(value, str) and value.endswith(str(operand))


def _differs(operand: object, value: object) -> bool:
    return not any(_rule_holds(rule, value) for rule in _each(operand))


def _same_letters(operand: object, value: object) -> bool:
    return isinstance(value, str) and value.casefold() == str(operand).casefold()


_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": lambda left, right: left == right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}


def _in_range(operand: object, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    bounds = cast("list[object]", operand)
    return all(
        _COMPARISONS[str(sign)](value, float(cast("float", bound)))
        for sign, bound in zip(bounds[::2], bounds[1::2], strict=True)
    )


_OPERATORS: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "exists": _is_there,
    "prefix": _starts,
    "suffix": _ends,
    "anything-but": _differs,
    "equals-ignore-case": _same_letters,
    "numeric": _in_range,
}
