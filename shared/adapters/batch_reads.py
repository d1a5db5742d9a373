"""Reads many items by their keys in few calls: as DynamoDB's BatchGetItem does, with what it leaves out asked again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError

from shared.adapters import items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_IN_ONE_READ: Final = 100  # DynamoDB's limit
TRIES: Final = 5
FIRST_PAUSE_SECONDS: Final = 0.05


class ItemsNotReadError(BotoCoreError):
    """DynamoDB left items out again and again: it is throttling."""

    fmt = "{count} items were not read in {tries} tries"


def read_items(
    client: DynamoDBClient,
    table: str,
    keys: Sequence[items.Plain],
    *,
    consistent: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> list[items.Plain]:
    """The items that there are of ``keys``, in any order; raises ``ItemsNotReadError``."""
    found: list[items.Plain] = []
    for start in range(0, len(keys), MOST_IN_ONE_READ):
        waiting: Any = {
            table: {
                "Keys": [items.to_wire(key) for key in keys[start : start + MOST_IN_ONE_READ]],
                "ConsistentRead": consistent,
            }
        }
        for attempt in range(TRIES):
            if attempt:
                sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # no secret
            answer = client.batch_get_item(RequestItems=waiting)
            found.extend(map(items.from_wire, answer["Responses"].get(table, [])))
            waiting = answer.get("UnprocessedKeys")
            if not waiting:
                break
        else:
            raise ItemsNotReadError(count=len(waiting[table]["Keys"]), tries=TRIES)
    return found
