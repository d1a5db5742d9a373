"""Webhooks in histories of the handlers: what a system was promised, whatever breaks on a call's way, and the judge."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from loadtests.simulation.arming import CALLS_BEFORE_A_FAULT
from loadtests.simulation.calling import Calling
from loadtests.simulation.clients import SUBJECTS
from loadtests.simulation.history import History, generate
from loadtests.simulation.invariants import broken
from loadtests.simulation.judging import faults_of, play, stage
from loadtests.simulation.story import Story
from loadtests.simulation.systems import MODES

Patch = pytest.MonkeyPatch
Headers = dict[str, str]

SUBSCRIBED = "2x1 subscribe:0:0 replicate:0:2 wait:0:5"  # ana, to everything, known everywhere
ANNOUNCED = "send:0:0 relay:0:6 relay:0:7 process:0:0 relay:0:6 relay:0:7"  # an order of ana's, and its effect
TOLD = f"{SUBSCRIBED} {ANNOUNCED} tell:0:0"


def mode(name: str) -> str:
    """The step by which ana's receiver answers so."""
    return f"turn:0:{len(SUBJECTS) * [*MODES].index(name)}"


def test_a_system_is_told_of_its_order_once_when_nothing_breaks(monkeypatch: Patch) -> None:
    calls: list[str] = []
    post = Calling.post

    def noted(self: Calling, url: str, body: bytes, headers: Headers) -> None:
        calls.append(url)
        post(self, url, body, headers)

    monkeypatch.setattr(Calling, "post", noted)
    world = play(History.parse(TOLD), "handlers")
    assert list(broken(world)) == []
    assert calls == [world.systems["ana"].url]
    assert world.systems["ana"].received == set(world.announced)
    assert world.systems["luz"].received == set()


# Where each history is cut short: the relay that announces, the webhook function, and the operator's command.
BROKEN_OFF = {
    "announcing": f"{SUBSCRIBED} send:0:0 relay:0:6 relay:0:7 process:0:0 crash:0:{{}} relay:0:6 relay:0:7 tell:0:0",
    "calling": f"{SUBSCRIBED} {ANNOUNCED} crash:0:{{}} tell:0:0",
    "calling a receiver that refuses": f"{SUBSCRIBED} {ANNOUNCED} {mode('refuses')} crash:0:{{}} tell:0:0",
    "sending back": f"{SUBSCRIBED} {ANNOUNCED} tire:0:0 crash:0:{{}} resend:0:0",
}


@pytest.mark.parametrize("text", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_no_call_is_lost_by_a_crash_between_any_two_calls(text: str) -> None:
    for number in range(CALLS_BEFORE_A_FAULT // 2):
        world = play(History.parse(text.format(number)), "handlers")
        assert list(broken(world)) == [], number
        assert world.systems["ana"].received == set(world.announced), number


@pytest.mark.parametrize("name", MODES)
def test_a_call_reaches_its_receiver_or_is_a_dead_letter_that_can_be_sent_again(name: str) -> None:
    world = play(History.parse(f"{SUBSCRIBED} {mode(name)} {ANNOUNCED} tell:0:0"), "handlers")
    assert list(broken(world)) == []
    assert world.systems["ana"].received == set(world.announced)


# The effect is written, and its Region lost for good before it announces it: the other one makes the call.
BURIED = f"{SUBSCRIBED} send:0:0 relay:0:6 relay:0:7 process:0:0 bury:0:2"


def test_a_survivor_calls_for_its_lost_peer() -> None:
    history = History.parse(BURIED)
    world = Story(history, stage("handlers")[0])
    for step in history.steps:
        world.take(step)
    lost, survivor = (shore.calling for shore in world.shores)
    assert lost is not None
    assert survivor is not None
    assert (len(lost.queue.waiting), world.faults) == (0, [])
    survivor.tell_some(0, 10)
    assert len(world.announced) == 1
    assert world.systems["ana"].received == set(world.announced)


def test_a_survivor_that_does_not_call_for_its_lost_peer_is_found(monkeypatch: Patch) -> None:
    announce = Calling.announce
    monkeypatch.setattr(Calling, "announce", lambda self, event_id, **_: announce(self, event_id, body=None))
    faults = [fault for fault in faults_of(History.parse(BURIED), "handlers") if fault.startswith("webhook: ana")]
    assert len(faults) == 2  # while the survivor is alone, and at the end


# The judge is proved: it finds what a product would do wrong.


def other_id(url: str, body: bytes, headers: Headers) -> tuple[str, bytes, Headers]:
    return url, body, {**headers, "Relevo-Event-Id": "0" * 32}


def other_system(url: str, body: bytes, headers: Headers) -> tuple[str, bytes, Headers]:
    return url.replace("ana", "luz"), body, headers


def other_event(url: str, body: bytes, headers: Headers) -> tuple[str, bytes, Headers]:
    return url, json.dumps({**json.loads(body), "event_id": "0" * 32}).encode(), headers


def other_body(url: str, body: bytes, headers: Headers) -> tuple[str, bytes, Headers]:
    return url, body + b" ", headers


def other_time(url: str, body: bytes, headers: Headers) -> tuple[str, bytes, Headers]:
    return url, body, {**headers, "Relevo-Signature": headers["Relevo-Signature"].replace("t=", "t=1")}


def nobody(url: str, body: bytes, headers: Headers) -> tuple[str, bytes, Headers]:
    return url.replace("ana", "otra"), body, headers


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (other_id, "bears another id than the event that was announced"),
        (other_system, "who did not register the order"),
        (other_event, "tells of an event that never happened"),
        (other_body, "bears a signature by no secret that was valid"),
        (other_time, "bears another time than its own"),
        (nobody, "goes to nobody's address"),
    ],
)
def test_a_call_that_should_not_be_made_like_that_is_found(
    monkeypatch: Patch, change: Callable[[str, bytes, Headers], tuple[str, bytes, Headers]], finding: str
) -> None:
    post = Calling.post
    monkeypatch.setattr(Calling, "post", lambda self, *call: post(self, *change(*call)))
    assert any(finding in fault for fault in faults_of(History.parse(TOLD), "handlers"))


def test_a_call_that_is_never_made_is_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Calling, "post", lambda *_: None)
    (fault,) = faults_of(History.parse(TOLD), "handlers")
    assert fault.startswith("webhook: ana was not told of created of o0")
    assert fault.endswith("and no letter is left")


def test_a_history_with_systems_is_the_same_each_time() -> None:
    seed = next(seed for seed in range(100) if any(step.kind == "amid" for step in generate(seed).steps))
    first, second = (play(generate(seed), "handlers") for _ in range(2))
    assert first.systems == second.systems
    assert first.calls == second.calls
