"""Accounts in the global table.

A lock is an item of its own, so that a password change in the other Region cannot undo it; so is the plan that an
account is on in a Region, which is written there alone, once its key is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from shared.adapters import items
from shared.domain.auth import Account
from shared.domain.instants import from_text, to_text
from shared.domain.plans import PlanInRegion

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


PLAN: Final = "PLAN#"


class AccountExistsError(Exception):
    """There is an account of that name already."""


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account as operators see it: without its password's hash."""

    username: str
    role: str
    created_at: str
    locked: bool = False
    lock_changed_at: str | None = None
    lock_changed_by: str | None = None
    lock_reason: str | None = None
    plans: Mapping[str, str] = field(default_factory=dict)  # by Region, those that start later too


class Accounts:
    """The local replica of the accounts table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def account(self, username: str) -> Account | None:
        """An account and whether it is locked, in one consistent query."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.to_wire({":pk": f"ACCOUNT#{username}"}),
            ConsistentRead=True,
        )
        found = {plain["sk"]: plain for plain in map(items.from_wire, answer["Items"])}
        if "ACCOUNT" not in found:
            return None
        stored = found["ACCOUNT"]
        return Account(
            username=username,
            role=stored["role"],
            password_hash=stored["password_hash"],
            locked=bool(found.get("LOCK", {}).get("locked", False)),
            plans=_plans(found),
        )

    def add(self, account: Account, *, now: datetime) -> None:
        """Insert an account; raises ``AccountExistsError``."""
        plain = {
            "pk": f"ACCOUNT#{account.username}",
            "sk": "ACCOUNT",
            "role": account.role,
            "password_hash": account.password_hash,
            "created_at": to_text(now),
        }
        try:
            self._client.put_item(
                TableName=self._table, Item=items.to_wire(plain), ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise AccountExistsError(account.username) from error
            raise

    def set_lock(self, username: str, *, locked: bool, by: str, reason: str, now: datetime) -> None:
        """Lock or unlock an account. Last writer wins: people do this, rarely, and see who did it last."""
        plain = {
            "pk": f"ACCOUNT#{username}",
            "sk": "LOCK",
            "locked": locked,
            "changed_at": to_text(now),
            "changed_by": by,
            "reason": reason,
        }
        self._client.put_item(TableName=self._table, Item=items.to_wire(plain))

    def set_plan(self, username: str, region: str, plan: PlanInRegion, *, by: str, now: datetime) -> None:
        """Note the plan of an account in this replica's own Region."""
        plain = {
            "pk": f"ACCOUNT#{username}",
            "sk": f"{PLAN}{region}",
            "plan": plan.plan,
            "starts_at": to_text(plan.starts_at),
            "before": plan.before,
            "changed_at": to_text(now),
            "changed_by": by,
        }
        self._client.put_item(TableName=self._table, Item=items.to_wire(plain))

    def every(self) -> list[ListedAccount]:
        """All accounts by name. Scans the table, as only an operator's command may."""
        found: dict[str, dict[str, items.Plain]] = {}
        for page in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
            for plain in map(items.from_wire, page["Items"]):
                found.setdefault(plain["pk"].removeprefix("ACCOUNT#"), {})[plain["sk"]] = plain
        listed: list[ListedAccount] = []
        for username, parts in sorted(found.items()):
            if "ACCOUNT" not in parts:
                continue
            lock = parts.get("LOCK", {})
            listed.append(
                ListedAccount(
                    username=username,
                    role=parts["ACCOUNT"]["role"],
                    created_at=parts["ACCOUNT"]["created_at"],
                    locked=bool(lock.get("locked", False)),
                    lock_changed_at=lock.get("changed_at"),
                    lock_changed_by=lock.get("changed_by"),
                    lock_reason=lock.get("reason"),
                    plans={region: found.plan for region, found in _plans(parts).items() if found.plan},
                )
            )
        return listed


def _plans(parts: Mapping[str, items.Plain]) -> dict[str, PlanInRegion]:
    return {
        sort_key.removeprefix(PLAN): PlanInRegion(stored["plan"], from_text(stored["starts_at"]), stored["before"])
        for sort_key, stored in sorted(parts.items())
        if sort_key.startswith(PLAN)
    }
