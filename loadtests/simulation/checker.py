"""Judges a history by what its clients saw alone, in the manner of Jepsen and Elle; knows nothing of Regions' state.

A call that began after another one ended must not contradict it; calls that overlap may have happened in either order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from loadtests.simulation.clients import AUDITOR, Call, Seen, Sent, said_by, standing_of

ANSWERS: Final = {200, 201, 404, 409, 503}
ACKNOWLEDGED: Final = (200, 201)


def rules_out(earlier: Sent, later: Sent) -> bool:
    """Whether a Region that has the one command must not accept the other, by the rules on the design page."""
    ended, proposed = standing_of(earlier)[0], standing_of(later)
    return (ended > 0 and proposed[0] <= ended) or proposed[:3] <= standing_of(earlier)[:3]


def contradictions(calls: Sequence[Call], sent: Mapping[str, Sent]) -> Iterator[str]:
    """Everything in the clients' view that no correct service could have shown them."""
    by_order: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.answer is not None and call.answer.status not in ANSWERS:
            yield f"call {call.number} was answered {call.answer.status}"
        by_order[call.order_id].append(call)
    for order_id, found in by_order.items():
        commands = [other for other in sent.values() if other.order_id == order_id]
        answered = [call for call in found if call.answer is not None]
        for call in answered:
            before = [other for other in answered if other.number < call.begun]
            if call.sent is not None:
                yield from _of_command(call, call.sent, before, commands)
            else:
                yield from _of_reading(call, before, sent)


def _acknowledged(calls: Sequence[Call]) -> list[tuple[Call, Sent]]:
    return [(call, call.sent) for call in calls if call.sent and call.answer and call.answer.status in ACKNOWLEDGED]


def _of_command(call: Call, sent: Sent, before: Sequence[Call], commands: Sequence[Sent]) -> Iterator[str]:
    """201 once in a Region and 200 for a repeat; 409 only, and always, for a used key or a transition ruled out."""
    assert call.answer is not None  # only answered calls are judged
    status, kind = call.answer.status, call.answer.kind
    what = f"{sent.status} of {sent.order_id} ({sent.event_id[:8]}) in {call.region}"
    # When all has come to rest, every Region knows what any of them acknowledged.
    everywhere = call.session == AUDITOR
    here = [other for known, other in _acknowledged(before) if everywhere or known.region == call.region]
    is_repeat = any(other.event_id == sent.event_id for other in here)
    others = [other for other in here if other.event_id != sent.event_id]
    if status in ACKNOWLEDGED:
        if call.answer.event_id != sent.event_id:
            yield f"{what} was acknowledged as another event"
        if status == 201 and is_repeat:
            yield f"{what} was new twice"
        if not is_repeat and status == 201:
            if sent.key and any((other.key, other.subject) == (sent.key, sent.subject) for other in others):
                yield f"{what} was accepted with a key that was used there for another body"
            elif any(rules_out(other, sent) for other in others):
                yield f"{what} was accepted although the Region had acknowledged what rules it out"
    elif status == 409:
        if is_repeat:
            yield f"{what} was refused although it was acknowledged there before"
        rivals = [other for other in commands if other.event_id != sent.event_id]
        if kind == "idempotency-key-reused":
            if not any((other.key, other.subject) == (sent.key, sent.subject) for other in rivals):
                yield f"{what} was refused for a key that nobody else used"
        elif not any(rules_out(other, sent) for other in rivals):
            yield f"{what} was refused although no command rules it out"
    elif status == 404:
        yield f"{what} was answered 404"


def _of_reading(call: Call, before: Sequence[Call], sent: Mapping[str, Sent]) -> Iterator[str]:
    """No value that nobody wrote; with ``at_least``, what is named is there and a session never goes back."""
    assert call.answer is not None  # as above
    seen = call.answer.seen
    what = f"the reading of {call.order_id} in {call.region}"
    if call.answer.status in (201, 409) or (call.answer.status == 404 and call.at_least):
        yield f"{what} was answered {call.answer.status}"
    if call.session == AUDITOR:
        wanted = {other.event_id for _, other in _acknowledged(before)}
        if seen is None or wanted - seen.events.keys():
            yield f"{what} lacks acknowledged events after everything has come to rest"
    if seen is None:
        return
    yield from _of_values(what, seen, sent)
    if call.at_least is not None:
        yield from _of_session(what, call, seen, before)


def _of_values(what: str, seen: Seen, sent: Mapping[str, Sent]) -> Iterator[str]:
    for event_id, says in seen.events.items():
        if event_id not in sent or said_by(sent[event_id]) != says:
            yield f"{what} shows event {event_id[:8]} as nobody wrote it"
    for event_id in seen.effects - sent.keys():
        yield f"{what} shows an effect of {event_id[:8]}, which nobody sent"
    if seen.standing not in [standing_of(sent[event_id]) for event_id in seen.events if event_id in sent]:
        yield f"{what} shows a state that none of its events gives"


def _of_session(what: str, call: Call, seen: Seen, before: Sequence[Call]) -> Iterator[str]:
    if call.at_least not in seen.events:
        yield f"{what} lacks {call.at_least}, which was asked for"
    for other in before:
        if other.session != call.session or other.answer is None:
            continue
        if other.answer.seen is not None and other.answer.seen.standing > seen.standing:
            yield f"{what} went back behind what session {call.session} had seen"
        if other.sent and other.answer.status in ACKNOWLEDGED and standing_of(other.sent) > seen.standing:
            yield f"{what} is behind what session {call.session} had written"
