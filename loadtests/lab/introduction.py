"""Tells a person what the lab that just started is, what it lacks, and how to use it."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from loadtests.lab.deploy import LAB_DIFFERENCES
from loadtests.lab.emulator.gateway import CHANGES
from loadtests.lab.emulator.strong_store import DIFFERENCES as STRONG_DIFFERENCES
from loadtests.lab.templates import LEFT_OUT_STACKS
from shared.topology import TOPOLOGY


def introduce(lab: dict[str, Any], console: Console) -> None:
    """Print what the lab is, what it lacks, and how to use it."""
    console.print("left out of the templates:")
    for kind in lab["left_out"]:
        console.print(f"  {kind['count']} x {kind['type']}: {kind['reason']}", markup=False)
    for stack, reason in LEFT_OUT_STACKS.items():
        console.print(f"  stack {stack}: {reason}", markup=False)
    console.print("different from AWS:")
    strong = lab["consistency"] == "strong"
    for difference in (*LAB_DIFFERENCES, *CHANGES, *(STRONG_DIFFERENCES if strong else ())):
        console.print(f"  {difference}", markup=False)
    account, edge = lab["account"], lab["edge"]
    dns_host, _, dns_port = lab["dns"].partition(":")
    login = json.dumps({"username": account["username"], "password": account["password"]})
    pick = 'sed \'s/.*"access_token":"//; s/".*//\''
    console.print()
    for region, place in lab["regions"].items():
        console.print(f"{region}  {place['api_url']}  (Host: {TOPOLOGY.region_api_name(region)})", markup=False)
    console.print(f"dashboard  {edge}  in a browser, with the account below; the API is there too", markup=False)
    console.print(f"reference  {edge}/reference.html  what the API takes and answers, to read and to try", markup=False)
    console.print(f"DNS        dig @{dns_host} -p {dns_port} {TOPOLOGY.api_name}", markup=False)
    console.print(f"control    {lab['control']}/status", markup=False)
    console.print(f"account    {account['username']} / {account['password']}  (admin; for this lab only)", markup=False)
    console.print()
    console.print(
        f"TOKEN=$(curl -s {edge}/token -H 'Content-Type: application/json' -d '{login}' | {pick})",
        markup=False,
    )
    console.print(
        f"curl -i {edge}/v1/orders -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' "
        '-d \'{"order_id":"A-1","courier":"Ana","items":[{"product":"panela","price":"4500"}]}\'',
        markup=False,
    )
    console.print()
    speed = "quick" if lab["quick"] else "real"
    console.print(
        f"ready in {lab['ready_seconds']:g} s, {speed} timing, {lab['consistency']} consistency; "
        "`relevo down` ends it, Ctrl-C too where it was started"
    )
