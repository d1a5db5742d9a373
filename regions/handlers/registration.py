"""Registers what happened to an order: one consistent query of the order, one insert into the log, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from shared.adapters.order_log import OrderLog, OrderRecord
from shared.domain import problems
from shared.domain.commands import Command
from shared.domain.orders import Event, event_id, fold, order_id_for_key, self_contained, transition_fault


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of a command: all that this Region knows of the order, and whether the command is new."""

    order_id: str
    event_id: str
    record: OrderRecord
    is_new: bool


def register(log: OrderLog, command: Command, *, subject: str, region: str, now: datetime) -> Registered:
    """Record a command, or recognise it. Raises a 409 problem for a reused key or a transition that is ruled out.

    Idempotency comes first: a repeat is a repeat whatever has happened to the order since.
    """
    key = command.idempotency_key
    order_id = command.order_id or order_id_for_key(subject=subject, idempotency_key=key or "")
    identity = event_id(
        subject=subject, order_id=order_id, status=command.status, idempotency_key=key, body_hash=command.body_hash
    )
    record = log.order(order_id)
    state = fold(record.events)
    if state is not None and any(event.event_id == identity for event in record.events):
        return Registered(order_id, identity, record, is_new=False)
    if key and any(event.idempotency_key == key and event.subject == subject for event in record.events):
        raise problems.conflict("this Idempotency-Key was used with another body", "idempotency-key-reused")
    if fault := transition_fault(state, command.status, command.attempt):
        raise problems.conflict(fault, "transition-ruled-out")
    event = self_contained(
        Event(
            order_id=order_id,
            event_id=identity,
            status=command.status,
            origin_region=region,
            recorded_at=now,
            subject=subject,
            body_hash=command.body_hash,
            idempotency_key=key,
            occurred_at=command.occurred_at,
            attempt=command.attempt,
            courier=command.courier,
            city=command.city,
            note=command.note,
            items=command.items,
        ),
        state,
    )
    is_new = log.record_event(event)
    return Registered(order_id, identity, replace(record, events=(*record.events, event)), is_new=is_new)
