"""What the automation `relevo-region-loss` runs: notes the reserved concurrency of functions, takes it, gives it back.

Systems Manager runs this file as it is, outside the product: it may use boto3 and nothing of ours. What was noted
travels as text ("name=200 ..."), which no layer of the automation quotes or parses.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

UNRESERVED = "none"
# The script gets no retries from its surroundings, and a cancelled automation has two minutes to clean up.
TIMES = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"})


def note(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Read what is reserved now; refuses if a function is off already, since that could not be given back."""
    client = _client(event)
    found = {}
    for name in event["Functions"]:
        reserved = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", UNRESERVED)
        if reserved == 0:
            raise RuntimeError(f"{name} is off already: give it back what it had first")
        found[name] = reserved
    return {"Before": " ".join(f"{name}={reserved}" for name, reserved in found.items())}


def take(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Let no function run any more."""
    client = _client(event)
    for name in event["Functions"]:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    return {"Taken": str(len(event["Functions"]))}


def give_back(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Restore all that was noted, whether it was taken or not; tries every function before it fails."""
    client = _client(event)
    failed = []
    pairs = [pair.split("=", 1) for pair in event["Before"].split()]
    for name, reserved in pairs:
        try:
            if reserved == UNRESERVED:
                client.delete_function_concurrency(FunctionName=name)
            else:
                client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(reserved))
        except Exception as error:  # noqa: BLE001  # one function must not keep the others off; it is raised below
            failed.append(f"{name}={reserved}: {error}")
    if failed:
        raise RuntimeError("still off: " + "; ".join(failed))
    return {"GivenBack": str(len(pairs))}


def _client(event: dict[str, Any]) -> Any:
    return boto3.client("lambda", region_name=event["Region"], config=TIMES)
