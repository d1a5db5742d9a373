"""`relevo unpark`: work that was given up is tried again by the Region's sentinel, from its first try on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from runbooks.asking import one_line_errors, one_region
from runbooks.target import current_target
from shared.adapters.order_rows import waits_for
from shared.adapters.order_work import OrderWork
from shared.domain.instants import to_text
from shared.topology import TOPOLOGY


def unpark(
    region: Annotated[str, typer.Argument(help="The Region whose work was parked.", callback=one_region)],
    yes: Annotated[bool, typer.Option("--yes", help="Act; without it the plan is only printed.")] = False,
) -> None:
    """Let the sentinel try parked work again: events published, effects announced. Doing it twice is harmless."""
    target = current_target()
    with one_line_errors():
        parked = target.order_queries(region).pending(f"{region}#parked")
        typer.echo(f"{target.name}: {len(parked)} pieces of work are parked in {region}")
        for work in parked[:10]:
            typer.echo(f"  {work.order_id}: {work.status}, seen {to_text(work.seen_at)}")
        typer.echo(f"plan: its sentinel tries them again at its next look, within {TOPOLOGY.look_seconds:g} s")
        typer.echo("undo: none needed: effects are keyed by event; what still fails is parked again after its last try")
        if not yes or not parked:
            typer.echo("nothing done; add --yes to act" if parked else "nothing to do")
            return
        work_items = OrderWork(target.dynamodb(region), TOPOLOGY.order_view_table, region=region)
        now = datetime.now(UTC)
        for work in parked:
            fields = {**waits_for(region, work.order_id, due_at=now), "attempt": 0}
            work_items.update(work.order_id, work.event_id, set_fields=fields, remove=("parked_at",))
    typer.echo(f"{target.name}: {len(parked)} pieces of work of {region} are due now")
