"""`relevo reconcile`: one Region's view compared with its log, and rebuilt from it where it differs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress

from runbooks.asking import AsJson, RegionArgument, Yes, one_line_errors
from runbooks.differences import Difference
from runbooks.target import Target, current_target
from runbooks.view_audit import Audit, KpiDifference
from runbooks.view_repair import Repair
from shared.domain.instants import in_milliseconds
from shared.slo import BY_NAME
from shared.topology import TOPOLOGY

# What the relay has not projected yet is no difference: an order shows within this time, by promise.
SETTLE_SECONDS: Final = BY_NAME["freshness_p99_seconds"].real
PASSES: Final = 5
SHOWN: Final = 20
NOT_JUDGED: Final = 3  # the exit code when nothing differs that could be judged, but not all could


def now() -> datetime:
    return in_milliseconds(datetime.now(UTC))


def reconcile(
    region: RegionArgument,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Repair what differs, from the log.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Compare a Region's order view with its log: rows, figures, pending work.

    Exit code 1 if they differ, 3 if figures move too fast to be judged.

    Scans both tables (their size in reads), may run at any time, and stops nothing.
    """
    target = current_target()
    with one_line_errors():
        report = _reconcile(target, region, act=rebuild and yes, rebuild=rebuild, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    if report["left"]:
        raise typer.Exit(1)
    if report["not_judged"]:
        raise typer.Exit(NOT_JUDGED)


def _reconcile(target: Target, region: str, *, act: bool, rebuild: bool, quiet: bool) -> dict[str, Any]:
    console = Console(stderr=quiet, highlight=False, markup=False, soft_wrap=True)
    client = target.dynamodb(region)
    tables = (TOPOLOGY.order_log_table, TOPOLOGY.order_view_table)
    log_items, view_items = (client.describe_table(TableName=name)["Table"].get("ItemCount", 0) for name in tables)
    console.print(f"{target.name}: comparing {tables[1]} with {tables[0]} in {region}; nothing is written")
    with Progress(console=console, transient=True) as progress:
        # The view is scanned for its rows, for its figures, and for the rows of these.
        bar = progress.add_task("reading", total=(log_items + 3 * view_items) or None)
        audit = Audit(client, region, now, tell=lambda found: progress.advance(bar, found))
        orders = settled(audit, set(audit.suspects()))
        figures, moved = judged_figures(audit)
    found = [*(difference for differences in orders.values() for difference in differences)]
    found += [difference.described() for difference in figures]
    _print(console, found, moved, audit)
    if not (act and found):
        if rebuild and found:
            console.print("plan: project these orders again from the log, and add to the figures what they lack")
            console.print("undo: none needed: what is written is what the log says")
            console.print("nothing done; add --yes to act")
        return _report(region, audit, found, found, moved)
    repair = Repair(client, region, target.timing, now)
    left, moved = repaired(audit, repair, orders, figures, moved)
    console.print(f"{target.name}: {len(found) - len(left)} of {len(found)} differences repaired")
    for difference in left:
        hint = "" if difference.can_be_repaired else " (not made of the log: see the restore runbook)"
        console.print(f"left: {difference.where}: {difference.kind}: {difference.detail}{hint}")
    console.print("undo: none needed: what was written is what the log says")
    return _report(region, audit, found, left, moved)


def settled(audit: Audit, suspects: set[str]) -> dict[str, list[Difference]]:
    """Suspects that still differ when the relay has had the time that it is promised to take."""
    until = time.monotonic() + SETTLE_SECONDS
    while found := audit.verified(sorted(suspects)):
        if time.monotonic() >= until:
            break
        suspects = set(found)
        time.sleep(min(1.0, max(until - time.monotonic(), 0.0)))
    return found


def judged_figures(audit: Audit) -> tuple[list[KpiDifference], set[str]]:
    """KPI items that differ, and those that moved through every pass, as today's do under load."""
    found, moved = audit.kpi_pass()
    for _ in range(PASSES - 1):
        if not moved:
            break
        more, moved = audit.kpi_pass(moved)
        found += more
    return found, {f"{day} item {number}" for day, number in moved}


def repaired(
    audit: Audit,
    repair: Repair,
    orders: dict[str, list[Difference]],
    figures: list[KpiDifference],
    moved: set[str],
) -> tuple[list[Difference], set[str]]:
    """Repair, and look again; returns what is left. Rows come first, since figures are the sums of rows."""
    left = orders
    for _ in range(PASSES):
        to_do = {order_id: found for order_id, found in left.items() if any(one.can_be_repaired for one in found)}
        if not to_do:
            break
        for order_id, differences in to_do.items():
            repair.order(audit, order_id, differences)
        left = audit.verified(sorted(left))
    # A tampered row took what it never added out of its day when it was repaired: all figures are compared again.
    differing = figures
    if orders:
        differing, moved = judged_figures(audit)
    for _ in range(PASSES):
        if not differing:
            break
        for difference in differing:
            repair.kpis(difference)
        differing, moved = judged_figures(audit)
    described = [difference.described() for difference in differing]
    return [*(one for found in left.values() for one in found), *described], moved


def _print(console: Console, found: list[Difference], moved: set[str], audit: Audit) -> None:
    for difference in found[:SHOWN]:
        console.print(f"{difference.where}: {difference.kind}: {difference.detail}")
    if len(found) > SHOWN:
        console.print(f"and {len(found) - SHOWN} more (all of them with --json)")
    for where in sorted(moved):
        console.print(f"{where}: figures could not be judged: they moved during all of {PASSES} passes; run it again")
    if audit.unreadable:
        console.print(f"{audit.unreadable} items of the log cannot be read by this version; they are quarantined")
    console.print(f"{len(found)} differences" if found else "no difference")


def _report(
    region: str, audit: Audit, found: list[Difference], left: list[Difference], moved: set[str]
) -> dict[str, Any]:
    def plain(differences: list[Difference]) -> list[dict[str, object]]:
        return [
            {"kind": one.kind, "where": one.where, "detail": one.detail, "can_be_repaired": one.can_be_repaired}
            for one in differences
        ]

    return {
        "region": region,
        "found": plain(found),
        "left": plain(left),
        "not_judged": sorted(moved),
        "unreadable_log_items": audit.unreadable,
    }
