"""`relevo client`: the API from the command line, with the client that others copy. In the lab it knows the account."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from loadtests.lab.lab_state import read_running
from loadtests.lab.layout import Layout
from loadtests.order_client import ClientError, OrderClient, RefusedError, Reply
from loadtests.resolver import ResolveError, Resolver
from runbooks.asking import AsJson, refuse
from shared.topology import STATUSES, TOPOLOGY

app = typer.Typer(
    help="Register orders and read them as a client system does: through the one hostname, safe to repeat with --key.",
    no_args_is_help=True,
)

OrderId = Annotated[str, typer.Argument(help="The order's id.")]
Key = Annotated[str | None, typer.Option("--key", help="Idempotency key; the same key never does a thing twice.")]
Courier = Annotated[str | None, typer.Option("--courier", help="Who carries it.")]
User = Annotated[
    str | None, typer.Option("--user", envvar="RELEVO_USERNAME", help="Account; the lab's own by default.")
]
Password = Annotated[
    str | None, typer.Option("--password", envvar="RELEVO_PASSWORD", help="Better by environment; asked for if absent.")
]
Url = Annotated[str | None, typer.Option("--url", help="Base URL; the lab that runs here, else the API's hostname.")]


@app.command()
def register(
    item: Annotated[list[str], typer.Option("--item", help="PRODUCT:PRICE or PRODUCT:PRICE:QUANTITY; repeatable.")],
    order_id: Annotated[str | None, typer.Option("--order-id", help="Yours; the key names it if absent.")] = None,
    status: Annotated[str, typer.Option("--status", help=f"One of {', '.join(STATUSES)}.")] = "created",
    courier: Courier = None, city: Annotated[str | None, typer.Option("--city")] = None,
    key: Key = None, user: User = None, password: Password = None, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Register an order."""
    order = {
        "order_id": order_id, "status": status, "courier": courier, "city": city, "items": [_item(it) for it in item],
    }  # fmt: skip
    with _client(url, user, password) as client:
        _tell(client.register(_without_gaps(order), key=key), as_json)


@app.command()
def report(
    order_id: OrderId,
    status: Annotated[str, typer.Argument(help=f"One of {', '.join(STATUSES)}.")],
    courier: Courier = None, note: Annotated[str | None, typer.Option("--note")] = None,
    attempt: Annotated[int | None, typer.Option("--attempt", help="Number of the delivery attempt.", min=1)] = None,
    key: Key = None, user: User = None, password: Password = None, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Report a new status of an order."""
    event = {"status": status, "courier": courier, "note": note, "attempt": attempt}
    with _client(url, user, password) as client:
        _tell(client.report(order_id, _without_gaps(event), key=key), as_json)


@app.command()
def show(
    order_id: OrderId, user: User = None, password: Password = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Print an order with its events and effects."""
    with _client(url, user, password) as client:
        order = client.order(order_id).body
    if as_json:
        typer.echo(json.dumps(order, ensure_ascii=False))
        return
    typer.echo(f"{order['order_id']}: {order['status']}")
    for event in order["events"]:
        typer.echo(f"  {event['recorded_at']}: {event['status']}, taken by {event['origin_region']}")
    for effect in order["effects"]:
        typer.echo(f"  effect of {effect['event_id']}: {effect['kind']}, by {effect['origin_region']}")


@contextmanager
def _client(url: str | None, user: str | None, password: str | None) -> Iterator[OrderClient]:
    """A client for the lab that runs here or for AWS; what goes wrong is one line."""
    try:
        with _made(url, user, password) as client:
            yield client
    except (ClientError, ResolveError) as error:
        fields = error.problem.get("errors", ()) if isinstance(error, RefusedError) else ()
        told = [f"  {field.get('pointer') or 'body'}: {field.get('detail')}" for field in fields]
        refuse("\n".join([str(error), *told]))


def _made(url: str | None, user: str | None, password: str | None) -> OrderClient:
    lab = read_running(Layout.from_environment()) if url is None else None
    if lab is not None and user is None:
        user, password = lab["account"]["username"], lab["account"]["password"]
    if user is None:
        raise ClientError("no account: give --user or set RELEVO_USERNAME (`relevo account add` makes one)")
    if password is None:
        password = typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip()
    if lab is None:
        return OrderClient(url or f"https://{TOPOLOGY.api_name}", user, password)
    # The lab's name is known to the lab's DNS server alone, and every Region listens on the same port.
    host, _, port = lab["dns"].rpartition(":")
    any_region = next(iter(lab["regions"].values()))
    return OrderClient(
        f"http://{TOPOLOGY.api_name}:{any_region['port']}", user, password,
        resolve=Resolver((host, int(port))).resolve, ttl_seconds=lab["ttl_seconds"],
    )  # fmt: skip


def _item(text: str) -> dict[str, Any]:
    """Read PRODUCT:PRICE or PRODUCT:PRICE:QUANTITY; a product may have colons of its own."""
    parts = text.rsplit(":", 2)
    if len(parts) == 3 and not (_is_number(parts[1]) and parts[2].isdigit()):
        parts = [":".join(parts[:2]), parts[2]]
    if len(parts) < 2 or not parts[0] or not _is_number(parts[1]):
        raise typer.BadParameter(f"expected PRODUCT:PRICE or PRODUCT:PRICE:QUANTITY, not {text!r}", param_hint="--item")
    quantity = {"quantity": int(parts[2])} if len(parts) == 3 else {}
    return {"product": parts[0], "price": parts[1], **quantity}


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _without_gaps(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _tell(reply: Reply, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(reply.body, ensure_ascii=False))
        return
    repeat = ", which knew it already" if reply.is_repeat else ""
    body = reply.body
    typer.echo(f"{body['order_id']}: {body['status']}, event {body['event_id']}, taken by {reply.region}{repeat}")
