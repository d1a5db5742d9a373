"""`relevo redrive REGION imports`: files that Lambda gave up are imported by their own events, and none is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from runbooks.target import Target
from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import HERE, TwoRegions


def file_event(number: int) -> dict[str, Any]:
    """What S3 tells the importer."""
    told = {"key": f"inbox/ana/caf%C3%A9-{number}.csv", "size": number, "eTag": "e", "sequencer": f"{number:016X}"}
    return {"Records": [{"s3": {"bucket": {"name": TOPOLOGY.import_bucket(HERE)}, "object": told}}]}


class GivenUpFiles:
    """The importer's dead-letter queue of one Region, and its function, which notes what it is called with."""

    def __init__(self, regions: TwoRegions, patch: pytest.MonkeyPatch) -> None:
        self.sqs = regions.client("sqs", HERE)
        self.url = self.sqs.create_queue(QueueName=TOPOLOGY.import_dead_letter_queue)["QueueUrl"]
        self.calls: list[dict[str, Any]] = []
        self.answers = True
        whole = Target.client

        def client(target: Target, service: str, name: str) -> Any:
            made = whole(target, service, name)
            if service == "lambda":
                made.meta.events.register("provide-client-params.lambda.Invoke", self._note)
                made.meta.events.register("before-send.lambda.Invoke", self._answer)
            return made

        patch.setattr(Target, "client", client)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.calls.append(params)

    def _answer(self, **_: Any) -> None:
        if not self.answers:
            raise ReadTimeoutError(endpoint_url="https://lambda")

    def give_up(self, *events: dict[str, Any]) -> None:
        """As Lambda tells a failure destination."""
        for given in events:
            context = {"condition": "RetriesExhausted", "approximateInvokeCount": 3}
            record = {"version": "1.0", "requestContext": context, "requestPayload": given, "responsePayload": None}
            self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(record))

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def given_up(regions: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> GivenUpFiles:
    return GivenUpFiles(regions, monkeypatch)


def test_files_that_were_given_up_are_imported_by_their_own_events_again(
    regions: TwoRegions, given_up: GivenUpFiles
) -> None:
    regions.make_importer(HERE)
    events = [file_event(number) for number in range(12)]
    given_up.give_up(*events)
    planned = regions.run("redrive", HERE, "imports")
    assert "about 12 files of relevo-imports-dlq to relevo-importer:live in us-east-1" in planned.output
    assert (given_up.calls, given_up.left()) == ([], 12)
    report = regions.run_json("redrive", HERE, "imports", "--yes")
    assert (report["redriven"], report["left"], given_up.left()) == (12, 0, 0)
    assert {(call["FunctionName"], call["InvocationType"]) for call in given_up.calls} == {
        ("relevo-importer:live", "Event")
    }
    called = [json.loads(call["Payload"]) for call in given_up.calls]
    assert sorted(called, key=str) == sorted(events, key=str)
    assert "nothing to do" in regions.run("redrive", HERE, "imports", "--yes").output


def test_an_event_of_a_file_that_nobody_takes_stays_a_dead_letter(regions: TwoRegions, given_up: GivenUpFiles) -> None:
    regions.make_importer(HERE)
    given_up.give_up(file_event(1))
    given_up.answers = False
    done = regions.run("redrive", HERE, "imports", "--yes")
    assert (done.exit_code, len(given_up.calls), given_up.left()) == (1, 1, 1)
    assert done.stderr.startswith("relevo: Read timeout")


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"requestPayload": {"detail": 1}}'])
def test_what_lambda_did_not_write_is_named_and_stays(regions: TwoRegions, given_up: GivenUpFiles, body: str) -> None:
    given_up.sqs.send_message(QueueUrl=given_up.url, MessageBody=body)
    done = regions.run("redrive", HERE, "imports", "--yes")
    assert (done.exit_code, given_up.calls, given_up.left()) == (1, [], 1)
    assert done.stderr.startswith(f"relevo: a message is no event of a file: {body!r}")
