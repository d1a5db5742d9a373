"""List prices of AWS in US dollars, with the month and the source of each. Data: look them up again before quoting one.

For us-east-1; us-east-2 has the same prices, as far as was seen. First tiers, no free tier, no discount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REGION: Final = "us-east-1"
MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Price:
    """Dollars for ``per`` of a unit, as of a month."""

    dollars: float
    per: float
    unit: str
    of: str  # the month in which it was the price, where that is known
    source: str

    def of_quantity(self, quantity: float) -> float:
        return self.dollars * quantity / self.per


LIST: Final = "AWS price list, by way of Infracost's test files"
DOCS: Final = "AWS documentation"
UNDATED: Final = "undated"

PRICES: Final = {
    "gateway request": Price(3.50, MILLION, "requests", "2024-07", LIST),
    "function request": Price(0.20, MILLION, "requests", "2024-07", LIST),
    "function time": Price(0.0000133334, 1, "GB-s, arm64", "2024-07", LIST),
    "write unit": Price(0.625, MILLION, "write units", "2024-11", LIST),
    "replicated write unit": Price(0.625, MILLION, "replicated write units", "2024-11", DOCS),
    "read unit": Price(0.125, MILLION, "read units", "2024-11", LIST),
    "table storage": Price(0.25, 1, "GB-month", "2024-11", LIST),
    "point-in-time recovery": Price(0.20, 1, "GB-month", "2024-11", LIST),
    "stream read by Lambda": Price(0.0, 100_000, "reads", UNDATED, DOCS),
    "topic publish": Price(0.30, MILLION, "messages", "2024-12", LIST),
    "topic publish volume": Price(0.017, 1, "GB", "2024-12", LIST),
    "topic delivery": Price(0.01, MILLION, "messages", "2024-12", LIST),
    "topic delivery volume": Price(0.001, 1, "GB", "2024-12", LIST),
    "queue request": Price(0.50, MILLION, "requests", "2024-07", LIST),
    "bus event": Price(1.00, MILLION, "events", UNDATED, LIST),
    "health check": Price(3.50, 1, "checks: HTTPS, string, fast", "2024-07", LIST),
    "calculated health check": Price(0.50, 1, "checks", UNDATED, "by analogy with the plain check"),
    "hosted zone": Price(0.50, 1, "zones", UNDATED, LIST),
    "web ACL": Price(5.00, 1, "ACLs", "2024-07", LIST),
    "firewall rule": Price(1.00, 1, "rules", "2024-07", LIST),
    "firewall request": Price(0.60, MILLION, "requests", "2024-07", LIST),
    "secret": Price(0.40, 1, "secrets, each replica too", UNDATED, LIST),
    "log volume": Price(0.50, 1, "GB ingested", UNDATED, LIST),
    "custom metric": Price(0.30, 1, "metrics", UNDATED, "a third party's page about CloudWatch"),
    "alarm": Price(0.10, 1, "alarms", UNDATED, LIST),
    "composite alarm": Price(0.50, 1, "alarms", UNDATED, "from memory: look it up"),
    "dashboard": Price(3.00, 1, "dashboards", UNDATED, LIST),
    "trace": Price(5.00, MILLION, "traces", UNDATED, "from memory: look it up"),
    "transfer between Regions": Price(0.01, 1, "GB, us-east-1 to or from us-east-2", "2024-09", LIST),
    "transfer to the Internet": Price(0.09, 1, "GB", UNDATED, LIST),
}
