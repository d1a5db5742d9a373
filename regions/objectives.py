"""Error budgets as metric math: which share of clients' requests was bad, and whether the budget burns too fast.

Measured at the gateway, so that what never reached a function counts too. The questions of Route 53's checkers are
taken out: they come about as often as today's clients, and their 503 is a verdict, not an error.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from regions.api import API_NAME, ROUTES, STAGE_NAME
from regions.signals import AT_LEAST, Signals, metric
from shared.alarms import ALARM
from shared.slo import (
    AVAILABILITY,
    BUDGET_OBJECTIVES,
    BURN_WINDOWS,
    LATENCY_MS,
    LEAST_BAD_REQUESTS,
    BudgetObjective,
    BurnWindow,
)

API_NAMESPACE = "AWS/ApiGateway"
STAGE = {"ApiName": API_NAME, "Stage": STAGE_NAME}
CHECKERS = tuple(
    {**STAGE, "Method": route.method, "Resource": route.path} for route in ROUTES if route.pace == "health"
)
DAY = cdk.Duration.days(1)


def gateway_metric(
    name: str, *, of: dict[str, str], statistic: str, period: cdk.Duration, region: str | None = None
) -> cloudwatch.Metric:
    return metric(name, of=of, namespace=API_NAMESPACE, statistic=statistic, period=period, region=region)


def bad_share(
    objective: BudgetObjective, period: cdk.Duration, *, least_bad: int = 0, region: str | None = None
) -> cloudwatch.MathExpression:
    """The share of clients' requests in each period that were bad; 0 while fewer than ``least_bad`` were."""
    using: dict[str, cloudwatch.IMetric] = {}
    bad, every = [], []
    for number, dimensions in enumerate((STAGE, *CHECKERS)):
        count = f"n{number}"
        using[count] = gateway_metric("Count", of=dimensions, statistic="Sum", period=period, region=region)
        if objective is AVAILABILITY:
            using[f"e{number}"] = gateway_metric(
                "5XXError", of=dimensions, statistic="Sum", period=period, region=region
            )
            bad.append(f"FILL(e{number}, 0)")
        else:
            fast = f"PR(0:{LATENCY_MS:g})"  # percentage of requests that took no longer
            using[f"f{number}"] = gateway_metric("Latency", of=dimensions, statistic=fast, period=period, region=region)
            bad.append(f"FILL({count}, 0) * (1 - FILL(f{number}, 100) / 100)")
        every.append(f"FILL({count}, 0)")
    bad_requests, requests = (f"({' - '.join(parts)})" for parts in (bad, every))
    return cloudwatch.MathExpression(
        expression=f"IF({bad_requests} >= {max(least_bad, 1)}, {bad_requests} / {requests}, 0)",
        using_metrics=using,
        period=period,
        label=f"{objective.name}: share of bad requests",
    )


class Burning(Construct):
    """Burn-rate signals of both objectives; ``fast`` and ``slow`` are the rules of the two alarms."""

    def __init__(self, scope: Construct, construct_id: str, *, signals: Signals) -> None:
        super().__init__(scope, construct_id)
        fast: list[cloudwatch.IAlarmRule] = []
        slow: list[cloudwatch.IAlarmRule] = []
        for objective in BUDGET_OBJECTIVES:
            for window in BURN_WINDOWS:
                (fast if window.pages else slow).append(self._rule(signals, objective, window))
        self.fast = cloudwatch.AlarmRule.any_of(*fast)
        self.slow = cloudwatch.AlarmRule.any_of(*slow)

    @staticmethod
    def _rule(signals: Signals, objective: BudgetObjective, window: BurnWindow) -> cloudwatch.IAlarmRule:
        """Both windows burn: the long one says that it matters, the short one that it is not over."""
        alarm = ALARM["error-budget-burning" if window.pages else "error-budget-shrinking"]
        both = []
        for length, seconds in (("long", window.long_seconds), ("short", window.short_seconds)):
            # A period has at most a day; of a longer window every day has to burn.
            period = cdk.Duration.seconds(min(seconds, int(DAY.to_seconds())))
            both.append(
                signals.add(
                    f"{objective.name}-burns-{window.name}-{length}",
                    part_of=alarm,
                    watched=bad_share(objective, period, least_bad=LEAST_BAD_REQUESTS if length == "long" else 0),
                    threshold=round(window.rate(objective) * objective.budget, 9),
                    comparison=AT_LEAST,
                    periods=max(seconds // int(DAY.to_seconds()), 1),
                    missing_breaches=False,  # no requests burn no budget; a Region that is gone is seen elsewhere
                )
            )
        return cloudwatch.AlarmRule.all_of(*both)
