"""Plays CloudWatch over a template: which alarms tell whom, given the signals that are on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.alarms import RELEASE_PREFIX
from tests.infra.templates import Template

_TERM = re.compile(r'ALARM\("\$\{(?:Alarm|CompositeAlarm):([^}]+)\.Arn\}"\)')


@dataclass(frozen=True)
class AlarmStates:
    """The alarms of one template by name."""

    template: Template

    @cached_property
    def metric_alarms(self) -> dict[str, dict[str, Any]]:
        return {found["AlarmName"]: found for found in self.template.of_type("AWS::CloudWatch::Alarm").values()}

    @cached_property
    def signals(self) -> dict[str, dict[str, Any]]:
        """What alarms are made of; those of a release stand by themselves (test_release)."""
        return {name: found for name, found in self.metric_alarms.items() if not name.startswith(RELEASE_PREFIX)}

    @cached_property
    def composites(self) -> dict[str, dict[str, Any]]:
        found = self.template.of_type("AWS::CloudWatch::CompositeAlarm").values()
        return {one["AlarmName"]: one for one in found}

    def members(self, name: str) -> set[str]:
        """What a composite alarm's rule names."""
        return set(_TERM.findall(self.rule(name)))

    def rule(self, name: str) -> str:
        return self.template.render(self.composites[name]["AlarmRule"])

    def is_on(self, name: str, on: Iterable[str]) -> bool:
        """Whether an alarm is on while exactly the signals ``on`` are."""
        if name in self.signals:
            return name in on
        states = {member: self.is_on(member, on) for member in self.members(name)}
        expression = _TERM.sub(lambda term: str(states[term[1]]), self.rule(name))
        for word in ("AND", "OR", "NOT"):
            expression = expression.replace(word, word.lower())
        assert set(re.findall(r"[A-Za-z]+", expression)) <= {"True", "False", "and", "or", "not"}
        return bool(eval(expression))  # the assertion leaves nothing but truth values

    def told(self, topic: str, on: Iterable[str]) -> set[str]:
        """Alarms that tell ``topic``: on, and not muted by what explains them."""
        return {
            name
            for name, alarm in self.composites.items()
            if topic in map(self.template.render, alarm.get("AlarmActions", []))
            and self.is_on(name, on)
            and not self.is_muted(alarm, on)
        }

    def is_muted(self, alarm: dict[str, Any], on: Iterable[str]) -> bool:
        suppressor = alarm.get("ActionsSuppressor")
        if suppressor is None:
            return False
        return self.is_on(self.template.render(suppressor).partition(":")[2].removesuffix(".Arn}"), on)
