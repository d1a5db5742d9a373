"""`relevo conflicts`: orders whose events no Region would have accepted knowing all of them (design.md, Fold rules).

Conflicts are rare and nobody waits for this list, so there is no index of them: the view is scanned with a filter,
which only an operator's command may do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from runbooks.asking import AsJson, NoAnswer, ask, one_line_errors, one_region_or_all
from runbooks.target import current_target
from shared.adapters import items
from shared.adapters.order_rows import ROW
from shared.topology import TOPOLOGY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

app = typer.Typer(help="Orders with contradicting events.", no_args_is_help=True)


def flagged(client: DynamoDBClient, tell: Any = lambda _items: None) -> list[dict[str, Any]]:
    """The rows of a view that have conflicts, newest first."""
    pages = client.get_paginator("scan").paginate(
        TableName=TOPOLOGY.order_view_table,
        FilterExpression="sk = :row AND attribute_exists(conflicts)",
        ExpressionAttributeValues=items.to_wire({":row": ROW}),
    )
    found: list[items.Plain] = []
    for page in pages:
        tell(page["ScannedCount"])
        found.extend(map(items.from_wire, page["Items"]))
    return [
        {
            "order_id": plain["order_id"],
            "status": plain["status"],
            "status_from": plain["status_from"],
            "registered_at": plain["registered_at"],
            "conflicts": list(plain["conflicts"]),
        }
        for plain in sorted(found, key=lambda plain: str(plain.get("list_key")), reverse=True)
    ]


@app.command("list")
def list_conflicts(
    region: Annotated[
        str | None, typer.Option(help="Whose view to read; without it every Region's.", callback=one_region_or_all)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List orders with contradicting events, such as delivered and cancelled. Scans the view; nothing is written."""
    target = current_target().brief()
    regions = (region,) if region else TOPOLOGY.region_names
    console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
    with one_line_errors(), Progress(console=console, transient=True) as progress:
        bar = progress.add_task("reading the view", total=None)
        answers = ask(
            regions, lambda name: flagged(target.dynamodb(name), lambda found: progress.advance(bar, float(found)))
        )
    silent = {name: answer.reason for name, answer in answers.items() if isinstance(answer, NoAnswer)}
    orders: dict[str, dict[str, Any]] = {}
    for name, answer in answers.items():
        for order in [] if isinstance(answer, NoAnswer) else answer:
            orders.setdefault(order["order_id"], {**order, "seen_in": []})["seen_in"].append(name)
    if as_json:
        typer.echo(json.dumps({"orders": list(orders.values()), "no_answer": silent}, indent=2))
    else:
        for order in orders.values():
            where = "" if len(order["seen_in"]) == len(regions) else f" (only in {', '.join(order['seen_in'])})"
            console.print(f"{order['order_id']}: {order['status']}: {'; '.join(order['conflicts'])}{where}")
        for name, reason in silent.items():
            console.print(f"{name}: no answer: {reason}")
        console.print(f"{len(orders)} orders with conflicts" if orders else "no conflicts")
    if len(silent) == len(regions):
        raise typer.Exit(1)
