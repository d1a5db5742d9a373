"""`relevo capacity` and `relevo cost`: what growth asks of AWS and what it costs. Neither calls or changes anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from loadtests.capacity import breaking as breakings
from loadtests.capacity import cost as costs
from loadtests.capacity import forecast as forecasts
from loadtests.capacity.prices import REGION
from runbooks.asking import AsJson
from shared.durations import DURATIONS
from shared.quotas import ACCOUNT_CONCURRENCY, READ_IN, RED_ABOVE, UNRESERVED
from shared.sizing import reserved_in_all
from shared.topology import TOPOLOGY, Growth, Topology

WIDE: Final = 110  # columns of a terminal

Orders = Annotated[
    float | None,
    typer.Option(
        "--orders-per-second", min=0.001, max=1e6, help="Today's orders, over all Regions (default: the topology's)."
    ),
]
Reads = Annotated[
    float | None,
    typer.Option("--reads-per-second", min=0.0, max=1e6, help="Today's reads, likewise."),
]


def capacity(orders: Orders = None, reads: Reads = None, as_json: AsJson = False) -> None:
    """Tell what each growth step asks of AWS and where it breaks; exit 1 if the largest passes 70 % of a quota."""
    found = forecasts.forecast(grown(TOPOLOGY, orders, reads))
    broken = breakings.Breaking(found.topology)
    if as_json:
        document = {**forecasts.document(found), "beyond": breakings.document(broken)}
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        _show_breaking(console, broken)
        _show_capacity(console, found)
    raise typer.Exit(0 if found.holds else 1)


def cost(orders: Orders = None, reads: Reads = None, as_json: AsJson = False) -> None:
    """Tell what a month costs at each growth step, item by item, and what part of it resilience is."""
    topology = grown(TOPOLOGY, orders, reads)
    if as_json:
        typer.echo(json.dumps(costs.document(topology), ensure_ascii=False))
    else:
        _show_cost(Console(highlight=False), topology)


def grown(topology: Topology, orders: float | None, reads: float | None) -> Topology:
    """The topology with another load of today."""
    baseline = topology.baseline
    return replace(
        topology,
        baseline=replace(
            baseline,
            orders_per_second=baseline.orders_per_second if orders is None else orders,
            reads_per_second=baseline.reads_per_second if reads is None else reads,
        ),
    )


def _show_capacity(console: Console, found: forecasts.Forecast) -> None:
    baseline = found.topology.baseline
    load = _today(baseline)
    rates = _table(f"Per second in each Region that serves ({load})", "", _headings(found.scenarios))
    for name in forecasts.rates_of(found.hardest.demand):
        rates.add_row(name, *(number(forecasts.rates_of(it.demand)[name]) for it in found.scenarios))
    console.print(rates)
    functions = _table(
        "Functions at work at once (Little's law)", "function", [*_headings(found.scenarios), "to reserve", "reserved"]
    )
    for reserve in found.reserves:
        functions.add_row(
            reserve.function,
            *(number(it.demand.functions[reserve.function].concurrency) for it in found.scenarios),
            str(reserve.needed),
            f"[bold red]{reserve.reserved}[/bold red]" if reserve.needed > reserve.reserved else str(reserve.reserved),
        )
    console.print(functions)
    in_all = f"in all {reserved_in_all(found.topology)} are reserved, with a processor for each status"
    console.print(f"{in_all}; an account has {ACCOUNT_CONCURRENCY - UNRESERVED} to reserve by default", soft_wrap=True)
    settings = _table("What a synth sets", "", [""])
    settings.show_header = False
    for name, setting in found.settings().items():
        settings.add_row(name, setting)
    console.print(settings)
    _show_quotas(console, found)
    for name, it in DURATIONS.items():
        console.print(f"[dim]{name}: {it.milliseconds:g} ms, {it.basis}, {it.day}: {it.source}[/dim]", soft_wrap=True)
    console.print(f"[dim]quotas: defaults from {READ_IN}; your account's may differ[/dim]")
    if found.holds:
        console.print(f"[bold green]HOLDS[/bold green]  {found.hardest.name}: no quota above {RED_ABOVE:.0%}")
        return
    for line in dict.fromkeys(f"[red]{it.quota.service}: {it.quota.name}[/red]: {it.advice}" for it in found.red):
        console.print(line, soft_wrap=True)
    for fault in found.faults:
        console.print(f"[red]a synth would refuse[/red]: {fault}", soft_wrap=True)
    console.print(f"[bold red]TOO SMALL[/bold red]  {found.hardest.name}")


def _show_breaking(console: Console, found: breakings.Breaking) -> None:
    baseline = found.topology.baseline
    console.print(
        f"1x is {baseline.orders_per_second:g} orders/s and {baseline.reads_per_second:g} reads/s over all Regions, an "
        f"order being any status change: {baseline.orders_per_second * 86_400:,.0f} a day",
        soft_wrap=True,
    )
    table = _table(
        "Where it breaks: orders/s with one Region lost",
        "limit",
        ["Region", "70 %", "all of it", "70 %, of three"],
    )
    for it in found.breaks:
        three = number(it.red_at_in_three) if it.red_at_in_three < breakings.NEVER else ""
        table.add_row(
            f"{it.quota.service}: {it.quota.name}", it.region, number(it.red_at), number(it.full_at), three
        )  # fmt: skip
    console.print(table)
    for step in found.steps:
        verdict = "[green]holds as it is[/green]" if step.holds else "change:"
        console.print(f"[bold]{step.multiple:,}x[/bold] ({number(step.orders)} orders/s): {verdict}", soft_wrap=True)
        for line in found.changes(step):
            console.print(f"  - {line}", soft_wrap=True)
    console.print()


def _show_quotas(console: Console, found: forecasts.Forecast) -> None:
    # One Region alone decides; a narrow terminal shows only that.
    alone = [it for it in found.scenarios if it.serving == "one Region alone"]
    shown = found.scenarios if console.width >= WIDE else tuple(alone)
    quotas = _table("Quotas (share used)", "quota", ["Region", "limit", *_headings(shown), "headroom"])
    # Quota by quota, a row for each Region, or one for all of them where the limit is the same.
    last = ""
    for row in zip(*(list(found.uses(it)) for it in shown), strict=True):
        use = row[shown.index(found.hardest)]
        alike = len({use.quota.limit(region) for region in found.topology.region_names}) == 1
        name = f"{use.quota.service}: {use.quota.name}"
        if not (alike and name == last):
            cells = ("each" if alike else use.region, number(use.limit), *map(_share, row), f"{number(use.headroom)}x")
            quotas.add_row(name if name != last else "", *cells)
        last = name
    console.print(quotas)


def _share(use: forecasts.Use) -> str:
    text = f"{use.share:.1%}"
    return f"[bold red]{text}[/bold red]" if use.is_red else text


def _show_cost(console: Console, topology: Topology) -> None:
    found = costs.compare(topology)
    baseline = topology.baseline
    table = _table(
        f"US dollars a month ({_today(baseline)})",
        "item",
        ["price", "of", *(f"{it.resilient.multiple}x" for it in found), f"{found[-1].single.multiple}x in one Region"],
    )
    single = {_thing(line): line.dollars for line in found[-1].single.lines}
    for lines in zip(*(it.resilient.lines for it in found), strict=True):
        line = lines[0]
        table.add_row(
            f"{line.service}: {line.item}",
            f"{line.price.dollars:g} per {line.price.per:,.0f} {line.price.unit}",
            line.price.of,
            *(money(it.dollars) for it in lines),
            money(single.get(_thing(line), 0.0)),
        )
    table.add_section()
    bills = [*(it.resilient for it in found), found[-1].single]
    table.add_row("all of it", "", "", *(money(it.dollars) for it in bills))
    table.add_row("per million orders", "", "", *(money(it.per_million_orders) for it in bills))
    table.add_row("the same in one Region", "", "", *(money(it.single.dollars) for it in found), "")
    table.add_row("what resilience costs", "", "", *(money(it.resilience_dollars) for it in found), "")
    table.add_row("its share of the bill", "", "", *(f"{it.resilience_share:.0%}" for it in found), "")
    console.print(table)
    for note in (f"list prices of {REGION}, without free tier or discount", *costs.ASSUMPTIONS):
        console.print(f"[dim]{note}[/dim]", soft_wrap=True)


def _today(baseline: Growth) -> str:
    """The load that everything is a multiple of, and the people who look at it, who are no more at 10x."""
    return (
        f"today {baseline.orders_per_second:g} orders/s, {baseline.reads_per_second:g} reads/s and "
        f"{baseline.viewers} dashboard pages"
    )


def _thing(line: costs.Line) -> tuple[str, str]:
    """What a position is for, whether its table is replicated or not."""
    return line.service, line.item.removeprefix("replicated ")


def _headings(scenarios: Iterable[forecasts.Scenario]) -> list[str]:
    return [f"{it.multiple}x\n{'alone' if it.serving == 'one Region alone' else 'shared'}" for it in scenarios]


def _table(title: str, first: str, others: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=heading not in ("price",))
    return table


def number(value: float) -> str:
    """A number with as many digits as help: 70,000 and 21.9 and 0.044."""
    if value >= 1e6:
        return f"{value:.1e}"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def money(dollars: float) -> str:
    return f"{dollars:,.2f}"
