"""The bench's figures as a table: each with its unit, where it comes from, what it compares with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.slo import BY_NAME, QUICK, REAL
from shared.topology import TOPOLOGY

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One row: what, how much, and how it was come by."""

    name: str
    value: str
    how: str


def figures(found: Found) -> Iterator[Figure]:
    """All that was measured; what was not is left out."""
    if "per_order" in found:
        yield from _per_order(found["per_order"])
    if "cold_import" in found:
        yield from _cold(found["cold_import"])
    if "processor_time" in found:
        for name, times in found["processor_time"].items():
            yield Figure(
                f"CPU per {name}", f"{times['cpu_ms_median']:.1f} ms", "median of the process's own time; no network"
            )
    if "reading" in found:
        yield from _reading(found["reading"])
    if "lab" in found:
        yield from _lab(found["lab"])
    if "drill" in found:
        yield from _drill(found["drill"])


def _per_order(found: Found) -> Iterator[Figure]:
    how = f"counted at the wire, mean of {found['status_changes']} status changes, each alone, effect announced"
    calls = ", ".join(f"{count:g} {name.partition(' ')[2]}" for name, count in found["requests"].items())
    yield Figure("AWS calls per status change", f"{found['requests_in_all']:g} ({calls})", how)
    log, view = TOPOLOGY.order_log_table, TOPOLOGY.order_view_table
    yield Figure(
        "write units per status change",
        f"log {found['write_units'][log]:g} in each Region, view {found['write_units'][view]:g} with its indexes",
        "as the emulator bills them, by item size",
    )
    yield Figure(
        "read units per status change",
        f"log {found['read_units'][log]:g}, view {found['read_units'][view]:g}",
        "from the sizes of the items that came back, as DynamoDB bills them",
    )


def _cold(found: Found) -> Iterator[Figure]:
    yield Figure(
        "cold import of the API",
        f"{found['share']:.0%} of FastAPI + Mangum's ({found['ours_ms']:.0f} against {found['theirs_ms']:.0f} ms)",
        "processor time, best of five fresh interpreters each, side by side, the same routes",
    )


def _reading(rows: list[Found]) -> Iterator[Figure]:
    sizes = ", ".join(f"{row['orders']:,}" for row in rows)
    for kind, name in (("metrics", "`/v1/metrics`"), ("page", "a page of 50 orders")):
        calls, units = (", ".join(f"{row[kind][what]:g}" for row in rows) for what in ("calls", "read_units"))
        ms = ", ".join(f"{row[kind]['ms_median']:.0f} ms" for row in rows)
        yield Figure(f"{name} at {sizes} orders", f"{calls} calls; {units} read units", "counted at the wire")
        yield Figure(f"{name}, time", ms, "median of 20, emulator included")


def _lab(found: Found) -> Iterator[Figure]:
    fresh = found["freshness"]
    yield Figure(
        "end-to-end freshness",
        f"{fresh['own_region_seconds']:.2f} s own Region, {fresh['peer_region_seconds']:.2f} s the other (medians)",
        f"acknowledged order to its row in the view, {fresh['orders']} orders, {found['measured_at'][:10]}",
    )
    yield Figure(
        "replication added", f"{fresh['replication_added_seconds']:.2f} s", "the difference of the two medians"
    )
    for key, name in (("two_regions", "two Regions"), ("one_region", "one Region alone")):
        rate = found[key]["highest_orders_per_second"]
        beside = f"load average {found['load_before']:g} before"
        yield Figure(
            f"highest rate, {name}",
            f"{rate} orders/s + {rate} reads/s",
            f"p95 below {BY_NAME['p95_ms_steady'].real:g} ms, no error, all shown in 10 s; clients too; {beside}",
        )
        yield from _processor(name, found[key]["steps"])


def _processor(name: str, steps: list[Found]) -> Iterator[Figure]:
    """What an order and a read cost at the highest rate that was carried."""
    carried = [step for step in steps if step["carried"] and step.get("processor_ms")]
    if carried:
        last = carried[-1]
        yield Figure(
            f"processor time of the lab per order + read, {name}",
            f"{last['processor_ms']:.0f} ms, {2000 / last['processor_ms']:.0f} of each a second fill two cores",
            f"all processes and the clients, at {last['rate']}/s, pollers and sentinels that idle included",
        )


def _drill(found: Found) -> Iterator[Figure]:
    achieved = {promise["name"]: promise["achieved"] for promise in found["promises"]}
    clock = REAL if found["timing"] == "real" else QUICK
    limit = clock.health_check_interval_seconds * TOPOLOGY.health_check_failure_threshold + clock.dns_ttl_seconds
    rto = achieved.get("achieved_rto_p95_seconds")
    if rto is not None:
        yield Figure(
            "achieved RTO against interval x threshold + TTL",
            f"{rto:.1f} s of {limit:g} s = {rto / limit:.2f}",
            f"95 of 100 clients, {found['drill']} drill in {found['timing']} timing, {found['started'][:10]}",
        )
    if (fresh := achieved.get("freshness_p99_seconds")) is not None:
        yield Figure(
            "freshness under load, p99", f"{fresh:.1f} s", f"the same drill, up to {TOPOLOGY.baseline.steps[-1]}x"
        )


def markdown(found: Found) -> str:
    """The table for the README, with the day and the machine."""
    rows = [f"| {it.name} | {it.value} | {it.how} |" for it in figures(found)]
    machine = found["machine"]
    said = f"`make bench` on {found['measured_at'][:10]}, {machine['cores']} cores, {machine['memory_gb']} GB:"
    return "\n".join([said, "", "| figure | value | how |", "|---|---|---|", *rows])
