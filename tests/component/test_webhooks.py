"""A client system hears of what happens to the orders that it registered: signed, at least once, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from regions.handlers.contract import VERIFY
from shared.adapters import clients
from shared.adapters.settings import settings
from shared.adapters.webhook_calls import ReceiverSilentError
from shared.adapters.webhooks import AGAIN
from shared.domain.instants import from_text, to_text
from shared.topology import TOPOLOGY
from tests.component.pipeline import catch, from_peer, register
from tests.component.problems import problem
from tests.component.region import RegionUnderTest, stream_record
from tests.component.watched import WATCH
from tests.component.webhook_receiver import URL, Receiver, hidden, messages_of, subscribe, tell

LINES = [{"product": "Panela", "price": 4000}]


def report(region: RegionUnderTest, order: str, status: str, sub: str = "luis", **fields: Any) -> str:
    answer = region.call("POST", f"/v1/orders/{order}/events", {"status": status, **fields}, sub=sub)
    assert answer.status == 201, answer.text
    return str(answer.json["event_id"])


def stored(region: RegionUnderTest, event_id: str, entity: str = "event") -> dict[str, Any]:
    (found,) = [item for item in region.log_items(entity) if item["event_id"] == event_id]
    return found


def done(region: RegionUnderTest, event_id: str) -> dict[str, Any]:
    """The stored event, its effect being in the log."""
    event = stored(region, event_id)
    assert region.process([event]) == []
    return event


def marked(region: RegionUnderTest, announcements: list[dict[str, Any]]) -> list[str]:
    return [found["detail"]["order_id"] for found in announcements if found["detail"].get("webhook")]


def is_from_relevo(secret: str, signature: str, body: bytes) -> bool:
    """The example of the contract, as a client would copy it."""
    example: dict[str, Any] = {}
    exec(VERIFY, example)
    return bool(example["is_from_relevo"](secret, signature, body))


def test_a_client_gets_a_signed_call_about_its_order_that_a_courier_delivered(region: RegionUnderTest) -> None:
    secret = subscribe(region)
    register(region, "o", items=LINES)
    moment = to_text(region.clock())
    event = done(region, report(region, "o", "delivered", occurred_at=moment))
    receiver = Receiver(region)
    with messages_of(event) as records:
        assert tell(region, *records) == []
    assert [call.url for call in receiver.calls] == [URL]
    (call,) = receiver.calls
    assert call.headers["Relevo-Event-Id"] == event["event_id"]
    assert call.json == {
        "event_id": event["event_id"], "order_id": "o", "status": "delivered",
        "effect": {"kind": "receipt", "content": {"total": "4000.00", "currency": "COP", "lines": 1, "units": 1}},
        "occurred_at": moment, "recorded_at": event["recorded_at"],
    }  # fmt: skip
    assert is_from_relevo(secret, call.headers["Relevo-Signature"], call.body)


def test_the_documented_check_refuses_other_bodies_secrets_and_times(region: RegionUnderTest) -> None:
    secret = subscribe(region)
    event = done(region, register(region, "o"))
    receiver = Receiver(region)
    with messages_of(event) as records:
        region.at = region.clock() - timedelta(minutes=10)
        tell(region, *records)
        region.at = None
        tell(region, *records)
    old, new = receiver.calls
    assert is_from_relevo(secret, new.headers["Relevo-Signature"], new.body)
    assert not is_from_relevo(secret, old.headers["Relevo-Signature"], old.body)
    assert not is_from_relevo(secret, new.headers["Relevo-Signature"], new.body + b" ")
    assert not is_from_relevo(secret + "x", new.headers["Relevo-Signature"], new.body)
    later = new.headers["Relevo-Signature"].replace("t=", "t=1")
    assert not is_from_relevo(secret, later, new.body)


def test_during_a_rotation_both_secrets_sign_and_a_third_one_ends_the_first(region: RegionUnderTest) -> None:
    first = subscribe(region)
    event = done(region, register(region, "o"))
    receiver = Receiver(region)
    secrets = [first]
    for turn, signing in enumerate((1, 2, 2), 1):
        with messages_of(event) as records:
            tell(region, *records)
        call = receiver.calls[-1]
        taken = [is_from_relevo(secret, call.headers["Relevo-Signature"], call.body) for secret in secrets]
        assert taken == [False] * (len(secrets) - signing) + [True] * signing
        region.at = region.clock() + turn * AGAIN
        secrets.append(region.call("POST", "/v1/webhook/secret").json["secret"])
        region.at = None
    kept = [item for item in region.items(TOPOLOGY.accounts_table) if "secret" in item]
    assert sorted(item["secret"] for item in kept) == sorted(secrets[-2:])


def test_a_rotation_whose_answer_was_lost_does_not_cut_off_the_secret_in_use(region: RegionUnderTest) -> None:
    in_use = subscribe(region)
    lost, shown = (region.call("POST", "/v1/webhook/secret").json["secret"] for _ in range(2))
    event = done(region, register(region, "o"))
    receiver = Receiver(region)
    with messages_of(event) as records:
        tell(region, *records)
    (call,) = receiver.calls
    taken = [is_from_relevo(secret, call.headers["Relevo-Signature"], call.body) for secret in (in_use, lost, shown)]
    assert taken == [True, False, True]


def test_a_rotation_that_is_asked_for_again_in_the_other_region_keeps_the_secret_in_use(
    region: RegionUnderTest,
) -> None:
    """The peer made a second one too, before either Region had heard of the other's."""
    in_use = subscribe(region)
    shown = region.call("POST", "/v1/webhook/secret").json["secret"]
    (own,) = [item for item in region.items(TOPOLOGY.accounts_table) if item.get("secret") == shown]
    made_at = to_text(from_text(own["made_at"]) - timedelta(seconds=5))
    theirs = {**own, "sk": f"ana#SECRET#{made_at}#0", "made_at": made_at, "secret": "whsec_lost"}
    first = next(item for item in region.items(TOPOLOGY.accounts_table) if item.get("secret") == in_use)
    earlier = to_text(from_text(first["made_at"]) - timedelta(hours=1))
    region.put(TOPOLOGY.accounts_table, {**first, "made_at": earlier})
    region.put(TOPOLOGY.accounts_table, theirs)
    event = done(region, register(region, "o"))
    receiver = Receiver(region)
    with messages_of(event) as records:
        tell(region, *records)
    (call,) = receiver.calls
    signature = call.headers["Relevo-Signature"]
    taken = [is_from_relevo(secret, signature, call.body) for secret in (in_use, "whsec_lost", shown)]
    assert taken == [True, False, True]


def test_a_secret_that_is_shown_signs_though_the_peers_clock_was_ahead_when_it_made_the_ones_before(
    region: RegionUnderTest,
) -> None:
    region.at = region.clock() + timedelta(minutes=8)
    subscribe(region)
    region.call("POST", "/v1/webhook/secret")
    region.at = None
    shown = region.call("POST", "/v1/webhook/secret").json["secret"]
    event = done(region, register(region, "o"))
    receiver = Receiver(region)
    with messages_of(event) as records:
        tell(region, *records)
    (call,) = receiver.calls
    assert is_from_relevo(shown, call.headers["Relevo-Signature"], call.body)


def test_a_subscription_without_a_secret_drops_no_call(region: RegionUnderTest) -> None:
    """Ended in the peer and set again here at once, it stays, and its secret is gone: its owner asks for one."""
    secret = subscribe(region)
    event = done(region, register(region, "o"))
    (item,) = [found for found in region.items(TOPOLOGY.accounts_table) if found.get("secret") == secret]
    accounts = region.module("runtime").webhooks()._client
    accounts.delete_item(TableName=TOPOLOGY.accounts_table, Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}})
    receiver = Receiver(region)
    with messages_of(event) as records:
        assert tell(region, *records) == [records[0]["messageId"]]
        assert receiver.calls == []
        made = region.call("POST", "/v1/webhook/secret").json["secret"]
        assert tell(region, *records) == []
    (call,) = receiver.calls
    assert is_from_relevo(made, call.headers["Relevo-Signature"], call.body)


def test_a_secret_is_shown_once(region: RegionUnderTest) -> None:
    secret = subscribe(region)
    again = region.call("PUT", "/v1/webhook", {"url": URL, "statuses": ["delivered"]})
    read = region.call("GET", "/v1/webhook")
    assert (again.status, read.status) == (200, 200)
    assert read.json == again.json
    assert set(read.json) == {"url", "statuses", "secrets_made_at"}
    assert secret not in read.text


def test_who_did_not_register_the_order_hears_nothing(region: RegionUnderTest) -> None:
    subscribe(region, "ana")
    subscribe(region, "otra")
    receiver = Receiver(region)
    event = done(region, register(region, "o"))
    with messages_of(event) as records:
        assert tell(region, *records) == []
    assert [call.json["order_id"] for call in receiver.calls] == ["o"]  # ana's
    region.call("POST", "/v1/orders", {"order_id": "p"}, sub="nadie")
    (others,) = [item for item in region.log_items("event") if item["order_id"] == "p"]
    with messages_of(done(region, others["event_id"])) as records:
        assert tell(region, *records) == []
    assert len(receiver.calls) == 1


def test_an_order_stays_whose_it_is_when_a_courier_tries_again(region: RegionUnderTest) -> None:
    """A second attempt begins with an earlier status, and is not who registered the order."""
    subscribe(region)
    subscribe(region, "luis", url="https://otro.example.com/relevo")
    register(region, "o", status="in_transit")
    report(region, "o", "failed", attempt=1)
    report(region, "o", "created", attempt=2)
    event = done(region, report(region, "o", "delivered", items=LINES))
    receiver = Receiver(region)
    with messages_of(event) as records:
        assert tell(region, *records) == []
    (call,) = receiver.calls
    assert call.url == URL


def test_a_receiver_that_keeps_callers_waiting_holds_nobody_else_up(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(region)
    module = region.module("webhook")
    called: list[str] = []

    def hang(url: str, _body: bytes, _headers: dict[str, str]) -> None:
        called.append(url)
        raise ReceiverSilentError("TimeoutError")

    monkeypatch.setattr(module._teller, "post", hang)
    for number in range(3):
        with messages_of(done(region, register(region, f"o{number}"))) as records:
            assert len(tell(region, *records)) == 1
    assert called == [URL]
    module._teller.silences.clear()  # the pause is over
    with messages_of(done(region, register(region, "o3"))) as records:
        assert len(tell(region, *records)) == 1
    assert called == [URL, URL]


def test_a_name_that_begins_like_another_one_is_another_client(region: RegionUnderTest) -> None:
    subscribe(region, "ana#SUBSCRIPTION")
    assert region.call("GET", "/v1/webhook", sub="ana").status == 404
    subscribe(region, "ana")
    region.call("DELETE", "/v1/webhook", sub="ana")
    assert region.call("GET", "/v1/webhook", sub="ana#SUBSCRIPTION").status == 200


@pytest.mark.parametrize("why", ["unsubscribed", "status not asked for", "account locked"])
def test_who_does_not_listen_any_more_is_not_called(region: RegionUnderTest, why: str) -> None:
    subscribe(region)
    event = done(region, register(region, "o"))
    receiver = Receiver(region)
    if why == "unsubscribed":
        region.call("DELETE", "/v1/webhook")
    elif why == "status not asked for":
        region.call("PUT", "/v1/webhook", {"url": URL, "statuses": ["delivered"]})
    else:
        with WATCH.at_work(None):
            accounts = region.module("runtime").accounts()
            accounts.set_lock("ana", locked=True, by="ops", reason="left", now=region.clock())
    with messages_of(event) as records:
        assert tell(region, *records) == []
    assert receiver.calls == []


def test_a_call_that_fails_comes_again_alone_and_later_each_time(region: RegionUnderTest) -> None:
    subscribe(region)
    first, second = (done(region, register(region, order)) for order in ("o", "p"))
    receiver = Receiver(region)
    waits: list[int] = []
    change = clients.sqs().change_message_visibility

    def noted(**asked: Any) -> Any:
        waits.append(asked["VisibilityTimeout"])
        return change(**asked)

    with messages_of(first, second) as (one, other), pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients.sqs(), "change_message_visibility", noted)
        receiver.takes = False
        tries = len(TOPOLOGY.webhook_retry_seconds) + 1
        for number in range(1, tries + 1):
            one["attributes"]["ApproximateReceiveCount"] = str(number)
            assert tell(region, one) == [one["messageId"]]
        # After the last try it is visible at once, for the queue to give it up.
        assert waits == [*TOPOLOGY.webhook_retry_seconds, 0]
        assert waits[:-1] == sorted(set(waits[:-1]))
        assert 18 * 3600 < sum(waits) < 30 * 3600
        assert max(waits) <= 12 * 3600  # SQS's own limit
        receiver.takes = True
        one["body"] = "not JSON"
        assert tell(region, one, other) == [one["messageId"]]
        assert receiver.calls[-1].json["order_id"] == "p"


def test_waits_between_tries_follow_the_time_scale(region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIME_SCALE", "0.1")
    subscribe(region)
    event = done(region, register(region, "o"))
    receiver = Receiver(region, takes=False)
    with messages_of(event) as records:
        assert tell(region, *records) == [records[0]["messageId"]]
        assert hidden(region) == 1
        assert settings().time_scale == 0.1
    assert len(receiver.calls) == 1


def test_what_is_announced_before_its_effect_is_here_comes_again(region: RegionUnderTest) -> None:
    subscribe(region)
    register(region, "o")
    receiver = Receiver(region)
    with messages_of(*region.log_items("event")) as records:
        assert tell(region, *records) == [records[0]["messageId"]]
    assert receiver.calls == []


# Which announcements reach the webhooks' queue.


def test_only_what_somebody_subscribed_to_is_marked_for_the_queue(region: RegionUnderTest) -> None:
    subscribe(region, "ana", statuses=["created"])
    caught = catch(region)
    register(region, "o")
    region.call("POST", "/v1/orders", {"order_id": "p"}, sub="nadie")
    report(region, "o", "assigned", courier="luis")
    assert region.process(region.log_items("event")) == []
    region.relay_everything()
    assert len(caught.announced) == 3
    assert marked(region, caught.announcements) == ["o"]


def test_without_a_subscription_an_announcement_costs_no_read_of_its_order(region: RegionUnderTest) -> None:
    catch(region)
    register(region, "o")
    register(region, "p")
    assert region.process(region.log_items("event")) == []
    effects = [stream_record(item, number) for number, item in enumerate(region.log_items("effect"), 1)]
    region.relay(effects[:1])
    region.counted()
    region.relay(effects[1:])
    assert region.counted() == {"BatchWriteItem": 1}


def test_while_subscriptions_cannot_be_read_everything_goes_to_the_queue_and_none_is_missed(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(region)
    caught = catch(region)
    register(region, "o")
    assert region.process(region.log_items("event")) == []

    def silent(**_: Any) -> Any:
        raise ReadTimeoutError(endpoint_url="https://here")

    monkeypatch.setattr(clients.brief_dynamodb(), "query", silent)
    region.relay_everything()
    assert marked(region, caught.announcements) == ["o"]


def test_known_subscriptions_outlast_a_table_that_does_not_answer(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(region, statuses=["delivered"])
    caught = catch(region)
    register(region, "o")
    assert region.process(region.log_items("event")) == []
    region.relay_everything()
    region.at = region.clock() + timedelta(minutes=1)

    def silent(**_: Any) -> Any:
        raise ReadTimeoutError(endpoint_url="https://here")

    monkeypatch.setattr(clients.brief_dynamodb(), "query", silent)
    region.relay_everything()
    assert len(caught.announced) == 2
    assert marked(region, caught.announcements) == []


def test_an_effect_announced_before_its_order_was_known_here_is_told_when_the_order_comes(
    region: RegionUnderTest,
) -> None:
    """The peer took the registration, this Region the courier's report, and replication was cut in between."""
    subscribe(region)
    caught = catch(region)
    register(region, "o")
    (created,) = region.log_items("event")
    region.module("runtime").order_log()._client.delete_item(
        TableName=TOPOLOGY.order_log_table,
        Key={"pk": {"S": created["pk"]}, "sk": {"S": created["sk"]}},
    )
    event_id = report(region, "o", "assigned", courier="luis")
    assert region.process([stored(region, event_id)]) == []
    region.relay_everything()
    assert (caught.announced, marked(region, caught.announcements)) == ([event_id], [])
    late = from_peer(created)
    region.put(TOPOLOGY.order_log_table, late)
    region.relay([stream_record(late, 9)])
    assert caught.announced == [event_id, event_id]
    assert marked(region, caught.announcements) == ["o"]
    region.relay([stream_record(stored(region, event_id), 10)])
    assert len(caught.announced) == 2  # nothing else is told again


# What may be subscribed to.

BAD_URLS = [
    "http://recibe.example.com/", "https://10.0.0.1/", "https://[fd00::1]/", "https://localhost/", "ftp://a.example.com",
    "https://ana:clave@recibe.example.com/", "https://recibe.example.com:8443/", "https://recibe.example.com\\@10.0.0.1/",
    "https://169.254.169.254/latest/", "https://0x7f.1/", "https://2130706433/", "https://ñ.example.com/", "", 5, None,
    "https://recibe.example.com/a b", "https://recibe.example.com/\n", f"https://a.example.com/{'x' * 500}",
    "http://127.0.0.1:9000/", "https://127.0.0.1.:443/", "https://a.example.com@127.0.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_is_not_https_to_a_full_name_is_refused(region: RegionUnderTest, url: object) -> None:
    problem(region.call("PUT", "/v1/webhook", {"url": url}), 422)
    assert region.items(TOPOLOGY.accounts_table) == []


def test_a_receiver_on_loopback_may_be_named_in_the_lab_alone(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = {"url": "http://127.0.0.1:9000/relevo"}
    assert region.call("PUT", "/v1/webhook", local).status == 422
    settings.cache_clear()
    monkeypatch.setenv("PEER_AWS_ENDPOINT_URL", "http://127.0.2.1:4578")
    assert region.call("PUT", "/v1/webhook", local).status == 200
    for url in ("http://10.0.0.1/", "http://recibe.example.com/", "http://a@127.0.0.1/", "ftp://127.0.0.1/"):
        assert region.call("PUT", "/v1/webhook", {"url": url}).status == 422, url


@pytest.mark.parametrize("statuses", [[], ["lost"], "created", [5], [{}], None])
def test_statuses_that_do_not_exist_are_refused(region: RegionUnderTest, statuses: object) -> None:
    problem(region.call("PUT", "/v1/webhook", {"url": URL, "statuses": statuses}), 422)
