"""The JSON that clients get: orders, lists, figures. Money is text with exact decimals, times are RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from shared.adapters.order_log import OrderRecord
from shared.adapters.order_queries import Freshness, Page
from shared.adapters.reports import DeadLetters, DrillReport
from shared.domain.instants import BOGOTA, from_text, to_text
from shared.domain.kpis import DayKpis
from shared.domain.orders import Item, OrderState
from shared.domain.takeover import Guard, Register

Document = dict[str, object]


def money(amount: Decimal) -> str:
    """Exact text with two decimals at least: ``"125000.50"``."""
    return f"{amount.quantize(Decimal('0.01')):f}"


def item_document(item: Item) -> Document:
    return {"product": item.product, "price": money(item.price), "quantity": item.quantity}


def order_document(state: OrderState) -> Document:
    return {
        "order_id": state.order_id,
        "status": state.status,
        "attempt": state.attempt,
        "courier": state.courier,
        "city": state.city,
        "items": [item_document(item) for item in state.items],
        "total": money(state.total) if state.total is not None else None,
        "day": state.day.isoformat(),
        "happened_at": to_text(state.happened_at),
        "registered_at": to_text(state.registered_at),
        "conflict": bool(state.conflicts),
    }


def history_document(state: OrderState, record: OrderRecord) -> Document:
    """An order with all that the caller may know of it, straight from the log."""
    events: list[Document] = [
        {
            "event_id": event.event_id,
            "status": event.status,
            "attempt": event.attempt or 1,
            "courier": event.courier,
            "note": event.note,
            "items": [item_document(item) for item in event.items],
            "occurred_at": to_text(event.occurred_at) if event.occurred_at else None,
            "recorded_at": to_text(event.recorded_at),
            "origin_region": event.origin_region,
        }
        for event in sorted(record.events, key=lambda event: (event.recorded_at, event.event_id))
    ]
    effects: list[Document] = [
        {
            "event_id": effect.event_id,
            "kind": effect.kind,
            "content": effect.content,
            "origin_region": effect.origin_region,
        }
        for effect in sorted(record.effects, key=lambda effect: (effect.recorded_at, effect.event_id))
    ]
    return {**order_document(state), "conflicts": list(state.conflicts), "events": events, "effects": effects}


def page_document(page: Page) -> Document:
    return {"orders": [order_document(state) for state in page.orders], "next_cursor": page.cursor}


def metrics_document(
    day: date, kpis: DayKpis, freshness: Mapping[str, Freshness], *, now: datetime, beats_every: timedelta
) -> Document:
    return {
        "day": day.isoformat(),
        "orders_by_status": dict(kpis.orders_by_status),
        "delivered": kpis.delivered,
        "sales": money(kpis.sales),
        "sales_by_hour": [money(amount) for amount in kpis.sales_by_hour],
        "average_per_delivered_order": money(kpis.average_per_order),
        "top_products": [{"product": name, "units": units} for name, units in kpis.top_products],
        "top_couriers": [{"courier": name, "delivered": count} for name, count in kpis.top_couriers],
        "conflicts": kpis.conflicts,
        "as_of": to_text(now),
        "freshness_seconds": {
            region: round(seen.seconds(now, beats_every=beats_every), 3) for region, seen in sorted(freshness.items())
        },
    }


def region_document(
    region: str,
    *,
    seen_from: str,
    guard: Guard | None,
    register: Register,
    beat_at: datetime | None,
    oldest: datetime | None,
    dead_letters: DeadLetters | None,
    serving_for: timedelta,
    now: datetime,
) -> Document:
    """How a Region is, as one of them sees it; ``oldest`` is since when its oldest work is pending."""
    own, drained = region == seen_from, register.drains(region)
    seen_serving = guard.peer_serving_at if guard else None
    lag: float | None = 0.0 if own else None
    if not own and guard and guard.peer_beat and guard.peer_beat_seen_at:
        lag = max((guard.peer_beat_seen_at - from_text(guard.peer_beat)).total_seconds(), 0.0)
    drain: Document = {
        "drained_by": register.by,
        "drained_since": to_text(register.since) if register.since else None,
        "drained_because": register.reason,
    }
    return {
        "healthy": own or (seen_serving is not None and now - seen_serving <= serving_for),
        "drained": drained,
        **(drain if drained else {}),
        "heartbeat_age_seconds": _age(now, beat_at),
        "replication_lag_seconds": lag,
        "oldest_pending_seconds": _age(now, oldest),
        "dead_letters": dict(dead_letters.by_queue) if dead_letters else None,
        "dead_letters_age_seconds": _age(now, dead_letters.counted_at if dead_letters else None),
    }


def status_document(
    regions: Mapping[str, Document], last_drill: DrillReport | None, *, seen_from: str, now: datetime
) -> Document:
    return {
        "as_of": to_text(now),
        "seen_from": seen_from,
        "regions": dict(regions),
        "last_drill": drill_document(last_drill) if last_drill else None,
    }


def _age(now: datetime, moment: datetime | None) -> float | None:
    return round(max((now - moment).total_seconds(), 0.0), 3) if moment else None


def drill_document(drill: DrillReport) -> Document:
    return {
        "drill": drill.name,
        "timing": drill.timing,
        "region": drill.region,
        "passed": drill.passed,
        "started_at": to_text(drill.started_at),
    }


def legacy_metrics_document(kpis: DayKpis) -> Document:
    """The old monitor's figures, under its names and with its numbers."""
    return {
        "top_3_productos": [[name, units] for name, units in kpis.top_products[:3]],
        "precio_promedio_por_pedido": float(kpis.average_per_order),
        "acumulado_ventas_dia": float(kpis.sales),
    }


def legacy_page_document(page: Page) -> Document:
    orders: list[Document] = [
        {
            "pedido_id": state.order_id,
            "repartidor": state.courier,
            "productos": [
                {"producto": item.product, "precio": float(item.price)}
                for item in state.items
                for _ in range(min(item.quantity, 100))  # the old form has no quantity: one line a unit
            ],
            "timestamp": state.happened_at.astimezone(BOGOTA).isoformat(),
        }
        for state in page.orders
    ]
    return {"pedidos": orders, **({"next_cursor": page.cursor} if page.cursor else {})}
