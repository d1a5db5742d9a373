"""Files of orders: each row is the command that the API would take, and a file that comes again changes nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.adapters import clients
from shared.adapters.accounts import Accounts
from shared.adapters.import_files import errors_key, result_key
from shared.domain.takeover import Guard
from shared.topology import TOPOLOGY
from tests.component.region import RegionUnderTest
from tests.component.watched import WATCH

KEY = "inbox/ana/pedidos.csv"
HEADER = "order_id,status,product,price,quantity,city,attempt,key\n"


@pytest.fixture
def importing(region: RegionUnderTest) -> RegionUnderTest:
    """A Region with an account that imports, and no pace to wait for."""
    region.account("ana", "client")
    return hurried(region)


def hurried(region: RegionUnderTest) -> RegionUnderTest:
    module = region.module("importer")
    module.IMPORTS, module.BATCH = replace(module.IMPORTS, orders_per_second=1_000_000.0), 45
    return region


def run(region: RegionUnderTest, content: str | bytes, key: str = KEY) -> dict[str, Any]:
    content = content.encode() if isinstance(content, str) else content
    region.importer(region.put_file(key, content))
    return result(region, key)


def result(region: RegionUnderTest, key: str = KEY) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(region.file(result_key(key)))
    return found


def errors(region: RegionUnderTest, key: str = KEY, delimiter: str = ",") -> list[list[str]]:
    text = region.file(errors_key(key)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def counts(found: dict[str, Any]) -> tuple[int, int, int, int]:
    return found["rows"], found["created"], found["repeats"], found["failed"]


def orders(number: int) -> str:
    rows = [f"CE-{n},created,Panela,{4500 + n},{n % 3 + 1},Cali,," for n in range(number)]
    return HEADER + "\n".join(rows) + "\n"


def test_a_row_is_the_very_command_that_the_api_takes(importing: RegionUnderTest) -> None:
    moment = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    header = "order_id;status;courier;product;price;quantity;occurred_at;city;note;attempt;key"
    run(
        importing,
        f"{header}\nCE-1;failed;Luis;Café «Huila»;32000,50;2;{moment};Bogotá;nadie;2;k-1\n"
        ";created;;Panela;4500;;;;;;k-2\n",
    )
    imported = {item["event_id"] for item in importing.log_items("event")}
    body = {
        "order_id": "CE-1", "status": "failed", "courier": "Luis", "occurred_at": moment, "city": "Bogotá",
        "note": "nadie", "attempt": 2, "items": [{"product": "Café «Huila»", "price": 32000.5, "quantity": 2}],
    }  # fmt: skip
    answers = [
        importing.call("POST", "/v1/orders", body, headers={"Idempotency-Key": "k-1"}),
        importing.call(
            "POST", "/v1/orders", {"status": "created", "items": [{"product": "Panela", "price": 4500}]},
            headers={"Idempotency-Key": "k-2"},
        ),
    ]  # fmt: skip
    assert [answer.status for answer in answers] == [200, 200]
    assert {answer.json["event_id"] for answer in answers} == imported


def test_errors_come_back_with_line_column_and_reason_and_cost_their_order_alone(importing: RegionUnderTest) -> None:
    good = [f"CE-{n},created,Panela,4500,1,Cali,," for n in range(190)]
    bad = [
        "CE-a,lost,Panela,4500,1,Cali,,", "CE-b,created,Panela,gratis,1,Cali,,", "CE-c,created,Panela,32.000,1,Cali,,",
        "CE-d,created,Panela,4500,0,Cali,,", "CE-e,created,,4500,1,Cali,,", "CE-f,failed,,,,Cali,,", "CE-g,created",
        ",created,Panela,1,1,Cali,,", "CE-0,created,Panela,9,1,Cali,,", '=CE-i,lost,"Panela',
    ]  # fmt: skip
    found = run(importing, HEADER + "\n".join(good + bad) + "\n")
    assert counts(found) == (200, 190, 0, 10)
    assert (found["state"], found["complete"], found["account"]) == ("finished", True, "ana")
    header, *told, end = errors(importing)
    assert header == ["line", "column", "reason", "row"]
    assert [(int(line), column) for line, column, _, _ in told] == [
        (192, "status"), (193, "price"), (194, "price"), (195, "quantity"), (196, "product"), (197, "attempt"),
        (198, ""), (199, "order_id"), (200, ""), (201, ""),
    ]  # fmt: skip
    assert all(reason for _, _, reason, _ in told)
    assert [row for *_, row in told] == [*bad[:-1], f"'{bad[-1]}"]
    assert end == ["end", "", "10 errors; this file is complete", ""]
    assert len(importing.log_items("event")) == 190


def test_an_import_that_comes_again_changes_nothing(importing: RegionUnderTest) -> None:
    content = orders(200)
    assert counts(run(importing, content)) == (200, 200, 0, 0)
    before = importing.log_items()
    assert counts(run(importing, content)) == (200, 0, 200, 0)
    assert counts(run(importing, content, "inbox/ana/again.csv")) == (200, 0, 200, 0)
    assert importing.log_items() == before


def test_rows_of_one_order_that_follow_one_another_are_its_items(importing: RegionUnderTest) -> None:
    rows = "CE-1,created,Café,100,1,Cali,,\nCE-1,created,Panela,50,2,,,\n\nCE-2,created,Arepa,1,1,,,\n"
    assert counts(run(importing, HEADER + rows)) == (3, 2, 0, 0)
    (first, _) = importing.log_items("event")
    assert [(item["product"], item["quantity"]) for item in first["items"]] == [("Café", 1), ("Panela", 2)]
    contradicting = (
        "CE-3,created,Café,1,1,Cali,,\nCE-3,created,Panela,1,1,Pasto,,\nCE-4,created,,,,,,\nCE-4,created,,,,,,\n"
    )
    assert counts(run(importing, HEADER + contradicting)) == (4, 0, 0, 2)
    assert [row[:2] for row in errors(importing)[1:-1]] == [["3", "city"], ["5", "product"]]


def test_an_order_whose_rows_cannot_all_be_read_is_not_registered_in_part(importing: RegionUnderTest) -> None:
    rows = b"CE-1,created,Caf\xc3\xa9,1,1,,,\nCE-1,created,Caf\xe9,1,1,,,\nCE-1,created,Panela,1\n"
    rows += b"CE-2,created,Arepa,1,1,,,\n"
    assert counts(run(importing, HEADER.encode() + rows)) == (4, 1, 0, 1)
    assert [item["order_id"] for item in importing.log_items("event")] == ["CE-2"]


def test_an_order_with_a_quote_too_many_in_a_quoted_row_is_registered_whole_or_not_at_all(
    importing: RegionUnderTest,
) -> None:
    rows = '"{}","delivered","{}","100","1","Cali","",""'
    broken = [
        rows.format(*cells) for cells in (("CE-1", "Café"), ("CE-1", 'Pan "B" g'), ("CE-1", "Arepa"), ("CE-2", "Café"))
    ]
    assert counts(run(importing, HEADER + "\n".join(broken)))[1:] == (1, 0, 1)
    assert [item["order_id"] for item in importing.log_items("event")] == ["CE-2"]
    mended = "\n".join(broken).replace('"B"', '""B""')
    assert counts(run(importing, HEADER + mended))[1:] == (1, 1, 0)
    (ours,) = (item for item in importing.log_items("event") if item["order_id"] == "CE-1")
    assert [item["product"] for item in ours["items"]] == ["Café", 'Pan "B" g', "Arepa"]


def test_one_orders_statuses_are_registered_in_the_order_of_the_file(importing: RegionUnderTest) -> None:
    statuses = ("created", "assigned", "in_transit", "delivered")
    rows = [f"CE-{n},{status},,,,,,{n}-{status}" for n in range(11) for status in statuses]
    assert counts(run(importing, HEADER + "\n".join(rows))) == (44, 44, 0, 0)
    late = run(importing, HEADER + "CE-1,cancelled,,,,,,late\n")
    assert late["failed"] == 1
    assert errors(importing)[1][0] == "2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no header"),
        ("order_id,colour\nCE-1,red\n", "unknown columns 'colour'"),
        ("order_id,order_id\n1,1\n", "twice"),
        ("city\nCali\n", "neither a column order_id nor key"),
        ("order_id,status\n".encode("utf-16"), "not UTF-8"),
        ('"order_id\nCE-1\n', "cannot be read"),
    ],
)
def test_a_file_without_a_usable_header_is_refused_in_words(
    importing: RegionUnderTest, content: str | bytes, reason: str
) -> None:
    found = run(importing, content)
    assert (found["state"], found["complete"], found["rows"]) == ("refused", True, 0)
    assert reason in found["reason"]
    assert errors(importing)[-1][0] == "end"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(importing: RegionUnderTest) -> None:
    told = importing.put_file(KEY, orders(1).encode())
    told["Records"][0]["s3"]["object"]["size"] = TOPOLOGY.imports.file_bytes + 1
    importing.importer(told)
    assert (result(importing)["state"], importing.log_items()) == ("refused", [])


@pytest.mark.parametrize(
    "key", ["inbox/nobody/x.csv", "inbox/x.csv", "inbox/vera/x.csv", "inbox/luz/x.csv", "inbox/ana/2/x.csv"]
)
def test_only_an_account_that_may_write_orders_imports(importing: RegionUnderTest, key: str) -> None:
    """The folder names the account: one that is unknown, absent, of a reader, locked, or named like a deeper folder."""
    importing.account("ana/2", "client")
    importing.account("vera", "operator")
    importing.account("luz", "client")
    Accounts(clients.dynamodb(), TOPOLOGY.accounts_table).set_lock(
        "luz", locked=True, by="test", reason="test", now=datetime.now(UTC)
    )
    found = run(importing, orders(3), key)
    assert (found["state"], found["complete"], importing.log_items()) == ("stopped", True, [])


def test_a_drained_region_stops_and_names_the_other_one(
    importing: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    guard = Guard(looked_at=now, draining="us-east-1", drained_seen_at=now - timedelta(hours=1), peer_serving_at=now)
    monkeypatch.setattr(importing.module("requests").guard, "read", lambda: guard)
    found = run(importing, orders(3))
    assert found["state"] == "stopped"
    assert "put the file into the other Region" in found["reason"]
    assert importing.log_items() == []


def test_near_its_time_limit_the_importer_hands_over_and_goes_on_behind_what_is_done(
    importing: RegionUnderTest,
) -> None:
    content = orders(150) + "bad,lost,,,,,,\n" + orders(20).partition("\n")[2]
    told = importing.put_file(KEY, content.encode())
    importing.counted()
    takes = 0
    while not takes or not result(importing)["complete"]:
        importing.importer(told, seconds=1)
        takes += 1
    assert takes == importing.calls["Invoke"] + 1 == 5  # a batch each, and the end of the file
    assert counts(result(importing)) == (171, 150, 20, 1)
    assert [row[0] for row in errors(importing)[1:]] == ["152", "end"]


def test_what_s3_tells_twice_is_done_once(importing: RegionUnderTest) -> None:
    told = importing.put_file(KEY, orders(5).encode())
    importing.importer(told)
    before = result(importing)
    importing.importer(told)
    assert result(importing) == before


def test_a_file_that_was_replaced_in_the_middle_is_left_to_the_newer_import(importing: RegionUnderTest) -> None:
    told = importing.put_file(KEY, orders(100).encode())
    importing.importer(told, seconds=1)
    newer = importing.put_file(KEY, orders(101).encode())
    importing.importer(told)
    assert (result(importing)["state"], result(importing)["rows"]) == ("stopped", 45)
    importing.importer(newer)
    assert counts(result(importing)) == (101, 56, 45, 0)


def test_what_s3_tells_late_does_not_touch_the_newer_files_result(importing: RegionUnderTest) -> None:
    """Lambda tries events again, and those of one key in any order."""
    older = importing.put_file(KEY, orders(100).encode())
    newer = importing.put_file(KEY, orders(101).encode())
    importing.importer(newer)
    before = result(importing)
    importing.importer(older)
    assert result(importing) == before
    assert (before["state"], before["complete"], before["created"]) == ("finished", True, 101)


def test_two_files_have_two_results(importing: RegionUnderTest) -> None:
    run(importing, orders(3), "inbox/ana/x")
    run(importing, orders(5), "inbox/ana/x.csv")
    assert (result(importing, "inbox/ana/x")["rows"], result(importing, "inbox/ana/x.csv")["rows"]) == (3, 5)


@pytest.fixture
def deadly(importing: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> RegionUnderTest:
    """A Region whose importer dies at the order CE-60."""
    module = importing.module("importer")
    module.DEADLY, command_of = {"CE-60"}, module.command_of

    def die(entry: Any, **more: Any) -> Any:
        if entry.rows[0].cells["order_id"] in module.DEADLY:
            raise MemoryError
        return command_of(entry, **more)

    monkeypatch.setattr(module, "command_of", die)
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)
    return importing


def attempts_at(region: RegionUnderTest, told: dict[str, Any], request_id: str) -> None:
    """What Lambda makes of one event before it drops it."""
    for _ in range(2):
        with pytest.raises(MemoryError):
            region.importer(told, request_id=request_id)
        assert result(region)["complete"] is False


def test_an_importer_that_dies_behind_its_beginning_goes_on_by_a_new_event(deadly: RegionUnderTest) -> None:
    told = deadly.put_file(KEY, orders(100).encode())
    attempts_at(deadly, told, "first")
    deadly.importer(told, request_id="first")
    assert deadly.calls["Invoke"] == 1
    assert (result(deadly)["complete"], result(deadly)["rows"]) == (False, 45)


def test_a_file_that_kills_the_importer_ends_visibly(deadly: RegionUnderTest) -> None:
    told = deadly.put_file(KEY, orders(100).encode())
    deadly.importer(told, seconds=1)
    attempts_at(deadly, told, "next")
    given_up = deadly.module("importer").GivenUpError
    with pytest.raises((given_up, MemoryError)) as ended:
        deadly.importer(told, request_id="next")
    assert ended.type is given_up
    found = result(deadly)
    assert (found["state"], found["complete"], found["rows"]) == ("failed", True, 45)
    assert "near line 47" in found["reason"]
    assert errors(deadly)[-1][0] == "end"
    deadly.module("importer").DEADLY.clear()
    deadly.importer(told, request_id="next")  # as Lambda may: events come at least once
    assert result(deadly) == found


def test_a_file_that_was_given_up_goes_on_when_people_send_its_event_again(deadly: RegionUnderTest) -> None:
    told = deadly.put_file(KEY, orders(100).replace("CE-9,created", "CE-9,lost").encode())
    deadly.importer(told, seconds=1)
    attempts_at(deadly, told, "first")
    with pytest.raises(deadly.module("importer").GivenUpError):
        deadly.importer(told, request_id="first")
    with pytest.raises(MemoryError):
        deadly.importer(told, request_id="too early")
    assert (result(deadly)["state"], result(deadly)["complete"], result(deadly)["reason"]) == ("running", False, "")
    deadly.module("importer").DEADLY.clear()
    deadly.importer(told, request_id="mended")
    done = result(deadly)
    assert (done["state"], done["rows"], done["created"] + done["repeats"], done["failed"]) == ("finished", 100, 99, 1)
    assert [row[0] for row in errors(deadly)[1:]] == ["11", "end"]
    assert len(deadly.log_items("event")) == 99
    deadly.importer(told)
    assert result(deadly) == done


def test_too_many_errors_stop_the_import(importing: RegionUnderTest) -> None:
    module = importing.module("importer")
    module.IMPORTS = replace(module.IMPORTS, errors=50)
    found = run(importing, HEADER + "x,lost,,,,,,\ny,lost,,,,,,\n" * 100)
    assert found["state"] == "stopped"
    assert "more than 50 errors" in found["reason"]


def test_too_many_rows_stop_the_import(importing: RegionUnderTest) -> None:
    module = importing.module("importer")
    module.IMPORTS = replace(module.IMPORTS, rows=50)
    found = run(importing, orders(200))
    assert (found["state"], found["created"]) == ("stopped", 90)


@pytest.fixture
def waits(importing: RegionUnderTest, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the importer waits for its pace, if its work takes no time."""
    waited: list[float] = []
    module = importing.module("importer")
    module.IMPORTS = replace(module.IMPORTS, orders_per_second=10.0, repeats_per_order=4.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=waited.append))
    return waited


def test_the_pace_is_the_topologys(importing: RegionUnderTest, waits: list[float]) -> None:
    run(importing, orders(100))
    assert sum(waits) == pytest.approx(100 / 10.0)


def test_what_is_known_already_takes_a_part_of_the_time(importing: RegionUnderTest, waits: list[float]) -> None:
    run(importing, orders(60))
    waits.clear()
    run(importing, orders(100))
    assert sum(waits) == pytest.approx((40 + 60 / 4.0) / 10.0)


def test_an_account_locked_in_the_middle_stops_its_import(
    importing: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing.module("importer"), "CHECKPOINT_SECONDS", 0.0)
    accounts = importing.module("runtime").accounts()
    looked = accounts.account
    seen: list[str] = []

    def locked_later(username: str) -> Any:
        seen.append(username)
        return replace(looked(username), locked=len(seen) > 2)

    monkeypatch.setattr(accounts, "account", locked_later)
    found = run(importing, orders(200))
    assert (found["state"], found["created"]) == ("stopped", 90)


def test_half_in_one_region_and_all_in_the_other_is_each_order_once(
    new_region: Callable[[], RegionUnderTest],
) -> None:
    """The other Region has not seen the first half: what both took is the same item, whoever wins."""
    found: list[dict[str, Any]] = []
    for content in (orders(100).encode()[:2000].rpartition(b"\n")[0], orders(100).encode()):
        region = new_region()
        region.account("ana", "client")
        run(hurried(region), content)
        found.append({(item["pk"], item["sk"]): item["body_hash"] for item in region.log_items("event")})
    half, whole = found
    assert 0 < len(half) < len(whole) == 100
    assert half.items() <= whole.items()


def test_an_error_of_aws_is_not_an_error_of_the_row(
    importing: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = importing.module("runtime").order_log()

    def refuse(_: object) -> bool:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "PutItem")

    told = importing.put_file(KEY, orders(5).encode())
    with monkeypatch.context() as patch:
        patch.setattr(log, "record_event", refuse)
        with pytest.raises(ClientError):
            importing.importer(told)
    importing.importer(told)
    assert counts(result(importing)) == (5, 5, 0, 0)
    assert not WATCH.denied
