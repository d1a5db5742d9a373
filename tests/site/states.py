"""What the API answers in states that a healthy lab is not in: an afternoon in Bogota, as documents of the contract."""

from __future__ import annotations

from typing import Any, Final

from shared.topology import STATUSES, TOPOLOGY

NOW: Final = "2026-11-21T20:30:00.000Z"  # half past three in Bogota
HERE, THERE = "us-east-1", "us-east-2"
ITEMS: Final = [
    {"product": "Café Huila 500 g", "price": "32000.00", "quantity": 2},
    {"product": "Panela orgánica", "price": "4500.00", "quantity": 1},
]
LONG_NAME: Final = "Ana María Gutiérrez de Piñeres"
# In thousands of pesos, from midnight on.
TODAY: Final = [0] * 6 + [180, 420, 760, 910, 1040, 1180, 890, 640, 720, 310] + [0] * 8
YESTERDAY: Final = [0] * 6 + [150, 380, 640, 820, 900, 1010, 760, 590, 482, 430, 390, 350, 310, 260, 140, 40, 0, 0]


def metrics(day: str, thousands: list[int], counts: list[int], **more: Any) -> dict[str, Any]:
    """The figures of a day; orders are counted by status, in the statuses' own order."""
    by_status = dict(zip(STATUSES, counts, strict=True))
    sales = sum(thousands) * 1000
    return {
        "day": day, "orders_by_status": by_status, "delivered": by_status["delivered"], "sales": f"{sales}.00",
        "sales_by_hour": [f"{hour * 1000}.00" for hour in thousands],
        "average_per_delivered_order": f"{sales / by_status['delivered']:.2f}",
        "top_products": [
            {"product": product, "units": units}
            for product, units in (("Café Huila 500 g", 148), ("Panela orgánica", 96), ("Bocadillo veleño", 1))
        ],
        "top_couriers": [
            {"courier": courier, "delivered": delivered}
            for courier, delivered in (("Luis Ríos", 41), (LONG_NAME, 38), ("Zulma Perdomo", 1))
        ],
        "conflicts": 0, "as_of": NOW, "freshness_seconds": {HERE: 0.4, THERE: 1.2}, **more,
    }  # fmt: skip


def region(**more: Any) -> dict[str, Any]:
    """A Region that is well, but for what is said."""
    return {
        "healthy": True, "drained": False, "heartbeat_age_seconds": 4.2, "replication_lag_seconds": 0.6,
        "oldest_pending_seconds": None, "dead_letters": letters(), "dead_letters_age_seconds": 12.0, **more,
    }  # fmt: skip


def letters(**more: int) -> dict[str, int]:
    return {**dict.fromkeys(TOPOLOGY.dead_letter_queues, 0), **more}


def status(here: dict[str, Any], there: dict[str, Any], drill: dict[str, Any] | None) -> dict[str, Any]:
    return {"as_of": NOW, "seen_from": HERE, "regions": {HERE: here, THERE: there}, "last_drill": drill}


def drill(name: str, **more: Any) -> dict[str, Any]:
    done = {"drill": name, "timing": "real", "region": HERE, "passed": True, "started_at": "2026-11-20T14:05:09.000Z"}
    return {**done, **more}


def order(number: int, state: str, moment: str, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"CE-2026-{number:06}", "status": state, "attempt": 1, "courier": "Luis Ríos", "city": "Cali",
        "items": ITEMS, "total": "68500.00", "day": "2026-11-21", "happened_at": moment, "registered_at": moment,
        "conflict": False, **more,
    }  # fmt: skip


def event(number: int, state: str, clock: str, where: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}", "status": state, "attempt": 1, "courier": None, "note": None, "items": [],
        "occurred_at": None, "recorded_at": f"2026-11-21T{clock}.000Z", "origin_region": where, **more,
    }  # fmt: skip


EVENTS: Final = [
    event(1, "created", "13:02:11", HERE, items=ITEMS),
    event(2, "assigned", "13:20:40", HERE, courier="Luis Ríos"),
    event(3, "in_transit", "14:01:05", THERE, courier="Luis Ríos"),
    event(4, "failed", "15:12:00", THERE, courier="Luis Ríos", note="nadie en la portería"),
    event(5, "in_transit", "18:40:00", HERE, courier=LONG_NAME, attempt=2),
    event(6, "cancelled", "19:05:30", THERE, note="el cliente llamó"),
    event(7, "delivered", "19:06:10", HERE, courier=LONG_NAME, attempt=2, note="entregado a doña Rosa"),
]

# What each state answers, by path.
METRICS: Final = metrics("2026-11-21", TODAY, [38, 57, 64, 9, 125, 12], conflicts=2)
USUAL: Final = {
    "/token": {"access_token": "t", "token_type": "bearer", "expires_in": 1800},
    "/v1/metrics": METRICS,
    "/v1/metrics?day=2026-11-20": metrics("2026-11-20", YESTERDAY, [0, 3, 0, 4, 153, 21]),
    "/v1/status": status(region(replication_lag_seconds=0.0), region(), drill("growth")),
}
STATES: Final[dict[str, dict[str, Any]]] = {
    "a good day": USUAL,
    "a worse day": {
        **USUAL,
        "/v1/metrics": metrics("2026-11-21", [hour // 2 for hour in TODAY], [4, 3, 2, 1, 60, 1], conflicts=1),
    },
    "late": {
        **USUAL,
        "/v1/metrics": {**METRICS, "freshness_seconds": {HERE: 0.4, THERE: 252.0}},
        "/v1/status": status(
            region(
                replication_lag_seconds=0.0, oldest_pending_seconds=190.0,
                dead_letters=letters(created=2, delivered=1, relay=4, webhooks=1200, imports=3),
            ),
            region(heartbeat_age_seconds=251.0, replication_lag_seconds=251.3, oldest_pending_seconds=4310.0),
            drill("growth"),
        ),
    },
    "drained": {
        **USUAL,
        "/v1/status": status(
            region(replication_lag_seconds=0.0, oldest_pending_seconds=2.1),
            region(
                drained=True, drained_by="marta", drained_since="2026-11-21T19:48:00.000Z",
                drained_because="mantenimiento de la red de Ohio", oldest_pending_seconds=7.0,
            ),
            drill("evacuation", timing="quick", region=THERE, passed=False),
        ),
    },
    "lost": {
        **USUAL,
        "/v1/status": status(
            region(replication_lag_seconds=0.0),
            region(
                healthy=False, drained=True, drained_by=f"sentinel of {HERE}", heartbeat_age_seconds=594.0,
                drained_since="2026-11-21T20:21:30.000Z", drained_because="lost: no answer and no heartbeat",
                dead_letters=None, dead_letters_age_seconds=None,
            ),
            None,
        ),
    },
    "orders": {
        **USUAL,
        "/v1/orders": {
            "orders": [
                order(430, "created", "2026-11-21T20:29:00.000Z", courier=None, city=None, items=[], total=None),
                *(
                    order(429 - number, state, f"2026-11-21T20:{28 - number}:00.000Z", courier=LONG_NAME)
                    for number, state in enumerate(STATUSES)
                ),
            ],
            "next_cursor": None,
        },
        "/v1/orders/CE-2026-000412": {
            **order(412, "cancelled", "2026-11-21T13:02:11.000Z", courier=LONG_NAME, attempt=2, conflict=True),
            "conflicts": ["delivered and cancelled"],
            "events": EVENTS,
            # The newest one waits for its effect.
            "effects": [
                {"event_id": done["event_id"], "kind": "notice", "content": {}, "origin_region": done["origin_region"]}
                for done in EVENTS[:-1]
            ],
        },
    },
}  # fmt: skip
