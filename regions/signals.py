"""Signals: metric alarms that tell nobody by themselves. `regions.alarms` makes few alarms of them.

A gauge that a live sentinel writes in every look breaches when it is missing: a watcher that is gone must not look like
health. A counter that is only written when something happened does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from shared.alarms import PREFIX, Alarm

NAMESPACE = "Relevo"
MINUTE = cdk.Duration.minutes(1)
FIVE_MINUTES = cdk.Duration.minutes(5)
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


def metric(
    name: str,
    *,
    of: Mapping[str, str],
    namespace: str,
    statistic: str,
    period: cdk.Duration = MINUTE,
    region: str | None = None,
    label: str | None = None,
) -> cloudwatch.Metric:
    """A metric by its names; ``region`` is for dashboards, since alarms see metrics of their own Region only."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(of),
        statistic=statistic,
        period=period,
        region=region,
        label=label,
    )


def own_metric(name: str, *, part: str, statistic: str, period: cdk.Duration = MINUTE) -> cloudwatch.Metric:
    """A metric that the function of ``part`` writes by EMF."""
    service = part.replace("_", "-")
    return metric(name, of={"service": service}, namespace=NAMESPACE, statistic=statistic, period=period)


def counter(name: str, *, part: str) -> cloudwatch.Metric:
    return own_metric(name, part=part, statistic="Sum", period=FIVE_MINUTES)


def gauge(name: str) -> cloudwatch.Metric:
    """What the sentinel saw in the worst look of a minute."""
    return own_metric(name, part="sentinel", statistic="Maximum")


def sum_of(
    metrics: Sequence[cloudwatch.Metric], *, label: str, period: cdk.Duration = FIVE_MINUTES
) -> cloudwatch.MathExpression:
    """The sum of metrics of which some are written only when something happened."""
    using: dict[str, cloudwatch.IMetric] = {f"m{number}": found for number, found in enumerate(metrics)}
    filled = " + ".join(f"FILL({name}, 0)" for name in using)
    return cloudwatch.MathExpression(expression=filled, using_metrics=using, label=label, period=period)


class Signals(Construct):
    """Makes the signals of one Region, each under the alarm that it is part of."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.by_name: dict[str, cloudwatch.Alarm] = {}

    def add(
        self,
        name: str,
        *,
        part_of: Alarm,
        watched: cloudwatch.IMetric,
        threshold: float,
        comparison: cloudwatch.ComparisonOperator,
        missing_breaches: bool,
        periods: int = 1,
        breaching_periods: int | None = None,
    ) -> cloudwatch.Alarm:
        """A metric alarm without an action; ``part_of`` names the runbook that explains it."""
        missing = (
            cloudwatch.TreatMissingData.BREACHING if missing_breaches else cloudwatch.TreatMissingData.NOT_BREACHING
        )
        made = self.by_name[name] = cloudwatch.Alarm(
            self,
            "".join(word.capitalize() for word in name.split("-")),
            alarm_name=f"{PREFIX}-signal-{name}",
            alarm_description=f"Signal of {part_of.alarm_name}, tells nobody by itself. Runbook: {part_of.runbook}",
            metric=watched,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching_periods or periods,
            treat_missing_data=missing,
        )
        return made
