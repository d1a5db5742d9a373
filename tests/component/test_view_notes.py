"""Notes of the order view against moto, and against a DynamoDB that takes only some of them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.adapters import items
from shared.adapters.view_notes import NotesNotWrittenError, ViewNotes
from shared.topology import TOPOLOGY
from tests.component.region import RegionUnderTest


def note(number: int, text: str = "") -> dict[str, Any]:
    return {"pk": "RELAYED", "sk": f"{number:02d}", "beat_at": text}


class Grudging:
    """A DynamoDB that takes one item a call, or answers with an error."""

    def __init__(self, *errors: str) -> None:
        self.errors, self.taken, self.calls = list(errors), [], 0

    def batch_write_item(self, **request: dict[str, list[Any]]) -> dict[str, Any]:
        self.calls += 1
        if self.errors:
            raise ClientError({"Error": {"Code": self.errors.pop(0), "Message": ""}}, "BatchWriteItem")
        ((table, requests),) = request["RequestItems"].items()
        self.taken.append(items.from_wire(requests[0]["PutRequest"]["Item"])["sk"])
        return {"UnprocessedItems": {table: requests[1:]} if requests[1:] else {}}


def test_more_notes_than_one_call_takes_are_written_and_the_last_of_a_key_counts(region: RegionUnderTest) -> None:
    notes = ViewNotes(region.module("runtime").clients.dynamodb(), TOPOLOGY.order_view_table)
    region.counted()
    notes.put([*(note(number, "old") for number in range(60)), note(3, "new")])
    assert region.counted() == {"BatchWriteItem": 3}
    written = {item["sk"]: item["beat_at"] for item in region.view_items("RELAYED")}
    assert (len(written), written["03"], written["04"]) == (60, "new", "old")
    region.counted()
    notes.put([])
    assert region.counted() == {}


def test_what_was_not_taken_is_tried_again_after_a_pause() -> None:
    client, pauses = Grudging("TransactionConflictException"), []
    ViewNotes(client, "view", sleep=pauses.append).put([note(1), note(2), note(3)])  # type: ignore[arg-type]
    assert client.taken == ["01", "02", "03"]
    assert len(pauses) == 3
    assert all(0 <= pause <= 1 for pause in pauses)


def test_it_gives_up_after_some_tries_and_at_once_on_other_errors() -> None:
    client = Grudging()
    with pytest.raises(NotesNotWrittenError, match="2 notes"):
        ViewNotes(client, "view", sleep=lambda _: None).put([note(number) for number in range(7)])  # type: ignore[arg-type]
    assert len(client.taken) == 5
    client = Grudging("AccessDeniedException")
    with pytest.raises(ClientError):
        ViewNotes(client, "view", sleep=lambda _: None).put([note(1)])  # type: ignore[arg-type]
    assert client.calls == 1
