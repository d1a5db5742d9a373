"""The drain register: one item of the control table, written in the healthy Region and read in both."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from shared.adapters import items
from shared.domain.instants import from_text, to_text
from shared.domain.takeover import NOBODY, Register

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY: Final = {"pk": "DRAINING", "sk": "DRAINING"}


class RegisterTakenError(Exception):
    """Another Region is drained already; at most one may be."""


class Control:
    """One Region's replica of the drain register."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def register(self) -> Register:
        """What the register says here; nobody is drained while it was never written."""
        answer = self._client.get_item(TableName=self._table, Key=items.to_wire(KEY), ConsistentRead=True)
        if "Item" not in answer:
            return Register()
        plain = items.from_wire(answer["Item"])
        return Register(
            draining=plain["draining"],
            by=plain.get("by", ""),
            reason=plain.get("reason", ""),
            since=from_text(plain["since"]) if plain.get("since") else None,
        )

    def drain(self, region: str, *, by: str, reason: str, now: datetime) -> None:
        """Name a Region as drained; raises ``RegisterTakenError`` while the other one is."""
        self._write(region, by=by, reason=reason, now=now, unless_other_than=region)

    def readmit(self, region: str, *, by: str, reason: str, now: datetime) -> None:
        """Clear the register; raises ``RegisterTakenError`` if it names another Region by now."""
        self._write(NOBODY, by=by, reason=reason, now=now, unless_other_than=region)

    def _write(self, value: str, *, by: str, reason: str, now: datetime, unless_other_than: str) -> None:
        fields = {**KEY, "draining": value, "by": by, "reason": reason, "since": to_text(now)}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=items.to_wire(fields),
                ConditionExpression="attribute_not_exists(pk) OR draining IN (:nobody, :region)",
                ExpressionAttributeValues=items.to_wire({":nobody": NOBODY, ":region": unless_other_than}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise RegisterTakenError(f"the register names another Region than {unless_other_than}") from error
            raise
