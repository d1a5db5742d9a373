"""Alarms: each watches something that is written, has a severity and a runbook's name, and one cause pages once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.alarms import ALARM, ALARMS
from shared.slo import ALARM_LIMITS, AVAILABILITY, BUDGET_OBJECTIVES, BURN_WINDOWS, LATENCY, LATENCY_MS
from shared.topology import TOPOLOGY, function_name
from tests.infra.alarm_states import AlarmStates
from tests.infra.templates import Template
from tests.written_metrics import MODULES, gauges_of_a_look, written_by

PAGE, TICKET = "${Topic:relevo-page}", "${Topic:relevo-ticket}"
SIGNAL = "relevo-signal-"
# What AWS writes, with the dimensions that it is written under.
AWS_METRICS = {
    "AWS/ApiGateway": {"Count", "5XXError", "Latency"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents"},
    "AWS/Lambda": {"AsyncEventsDropped", "IteratorAge", "Throttles", "Errors"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
}


@pytest.fixture(scope="module")
def alarms(template: Template) -> AlarmStates:
    return AlarmStates(template)


@pytest.fixture(scope="module")
def outside(assembly: Path) -> Template:
    return Template.read(assembly, "relevo-global")


def watched(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str], str]]:
    """Namespace, metric, dimensions and statistic of everything that an alarm watches."""
    found = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    for one in found or [{"Metric": alarm, "Stat": alarm.get("Statistic") or alarm.get("ExtendedStatistic")}]:
        metric = one["Metric"]
        dimensions = {part["Name"]: part["Value"] for part in metric.get("Dimensions", [])}
        yield metric["Namespace"], metric["MetricName"], dimensions, one["Stat"]


def signal(alarms: AlarmStates, name: str) -> dict[str, Any]:
    return alarms.signals[f"{SIGNAL}{name}"]


def named(*names: str) -> set[str]:
    return {f"{SIGNAL}{name}" for name in names}


def test_every_metric_is_one_that_the_code_or_aws_writes(alarms: AlarmStates, template: Template) -> None:
    from regions.api import ROUTES

    api, stage = template.only("AWS::ApiGateway::RestApi"), template.only("AWS::ApiGateway::Stage")
    routes = {(route.method, route.path) for route in ROUTES}
    queues = {found["QueueName"] for found in template.of_type("AWS::SQS::Queue").values()}
    tables = {TOPOLOGY.order_log_table, TOPOLOGY.order_view_table, TOPOLOGY.accounts_table, TOPOLOGY.control_table}
    (from_log,) = template.only("AWS::Logs::MetricFilter")["MetricTransformations"]
    for name, alarm in alarms.metric_alarms.items():
        for namespace, metric, of, _ in watched(alarm):
            match namespace:
                case "Relevo" if not of:
                    assert (namespace, metric) == (from_log["MetricNamespace"], from_log["MetricName"])
                case "Relevo":
                    assert set(of) == {"service"}
                    assert metric in written_by(of["service"]), name
                case "AWS/ApiGateway":
                    assert (of.pop("ApiName"), of.pop("Stage")) == (api["Name"], stage["StageName"])
                    assert not of or (of["Method"], of["Resource"]) in routes
                    # Metrics of single methods are written only where the stage asks for them.
                    assert any(setting["MetricsEnabled"] for setting in stage["MethodSettings"])
                case "AWS/Lambda":
                    assert of["FunctionName"] in template.functions()
                case "AWS/SQS":
                    assert of["QueueName"] in queues
                case "AWS/DynamoDB":
                    assert of["TableName"] in tables
                    assert of.get("GlobalSecondaryIndexName", "list") in {"list", "pending"}
            if namespace != "Relevo":
                assert metric in AWS_METRICS[namespace], name


def test_services_in_metrics_are_the_names_that_functions_write_them_under(template: Template) -> None:
    names = {
        found["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: found for found in template.functions().values()
    }
    assert set(MODULES) <= set(names)
    namespaces = {found["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] for found in names.values()}
    assert namespaces == {"Relevo"}


def test_alarms_keep_to_what_cloudwatch_takes(alarms: AlarmStates) -> None:
    for name, alarm in alarms.metric_alarms.items():
        assert len(list(watched(alarm))) <= 10, name
        periods = {query["MetricStat"]["Period"] for query in alarm.get("Metrics", []) if "MetricStat" in query}
        period = max(periods or {alarm.get("Period", 0)})
        assert period * alarm["EvaluationPeriods"] <= (7 * 86_400 if period >= 3600 else 86_400), name
    assert all(len(alarms.rule(name)) <= 10_240 for name in alarms.composites)


def test_alarms_watch_their_own_region_only(alarms: AlarmStates) -> None:
    """CloudWatch alarms see no other Region's metrics."""
    for alarm in alarms.signals.values():
        assert all("Region" not in query.get("MetricStat", {}) for query in alarm.get("Metrics", []))


def test_every_alarm_tells_by_its_severity_and_names_its_runbook(alarms: AlarmStates) -> None:
    telling = {name: found for name, found in alarms.composites.items() if found.get("AlarmActions")}
    assert set(telling) == {alarm.alarm_name for alarm in ALARMS}
    for alarm in ALARMS:
        found = telling[alarm.alarm_name]
        topic = TICKET if alarm.severity == "ticket" else PAGE
        for actions in ("AlarmActions", "OKActions"):
            assert [alarms.template.render(action) for action in found[actions]] == [topic]
        assert found["AlarmDescription"].startswith(f"{alarm.severity}: ")
        assert found["AlarmDescription"].endswith(f"Runbook: runbooks/{alarm.name}.md")
        assert found["AlarmName"] == f"relevo-{alarm.name}"


def test_names_of_alarms_are_names_of_files(alarms: AlarmStates) -> None:
    assert len({alarm.name for alarm in ALARMS}) == len(ALARMS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", alarm.name) for alarm in ALARMS)
    assert {alarm.severity for alarm in ALARMS} == {"SEV-1", "SEV-2", "ticket"}


def test_signals_tell_nobody_and_each_is_part_of_an_alarm_that_says_so(alarms: AlarmStates) -> None:
    reached: dict[str, set[str]] = {name: set() for name in alarms.signals}

    def reach(alarm: str, name: str) -> None:
        for member in alarms.members(name):
            if member in reached:
                reached[member].add(alarm)
            else:
                reach(alarm, member)

    for alarm in ALARMS:
        reach(alarm.alarm_name, alarm.alarm_name)
    drained = f"{SIGNAL}drained-here"
    for name, found in alarms.signals.items():
        assert name.startswith(SIGNAL)
        assert not {"AlarmActions", "OKActions", "InsufficientDataActions"} & set(found)
        assert reached[name], f"{name} reaches no alarm"
        (part_of,) = re.findall(r"Signal of (\S+),", found["AlarmDescription"])
        # Fitness mutes an alarm about the peer and makes no page about this Region here: the peer makes it.
        assert part_of in reached[name] or name in {drained, f"{SIGNAL}impaired-here"}


def test_a_gauge_of_the_sentinel_breaches_when_it_is_missing(alarms: AlarmStates) -> None:
    """A watcher that is gone must not look like health; a counter is written only when something happened."""
    mutes_or_hurries = {"DrainedHere", "PeerLostNow"}
    for name, alarm in alarms.signals.items():
        metrics = {metric for namespace, metric, _, _ in watched(alarm) if namespace == "Relevo"}
        if metrics:
            expected = "breaching" if metrics <= gauges_of_a_look() - mutes_or_hurries else "notBreaching"
            assert alarm["TreatMissingData"] == expected, name
    others = {name for name, alarm in alarms.signals.items() if alarm["TreatMissingData"] == "breaching"}
    assert others >= named("impaired-here", "stream-behind", "peer-not-serving", "peer-silent", "no-looks")
    for name in others:
        assert alarms.signals[name]["EvaluationPeriods"] >= 3, f"one lost minute would start {name}"


def test_thresholds_are_the_promises(alarms: AlarmStates) -> None:
    limits = {
        "own-view-late": ALARM_LIMITS.freshness_seconds,
        "peer-view-late": ALARM_LIMITS.freshness_seconds,
        "peer-silent": ALARM_LIMITS.heartbeat_age_seconds,
        "own-work-old": ALARM_LIMITS.oldest_pending_seconds,
        "peer-work-old": ALARM_LIMITS.peer_oldest_pending_seconds,
        "stream-behind": ALARM_LIMITS.iterator_age_seconds * 1000,
        "impaired-here": ALARM_LIMITS.health_error_share,
        "throttled-clients": ALARM_LIMITS.throttled_requests,
        "relay-failures": ALARM_LIMITS.dead_letters,
    }
    for name, limit in limits.items():
        assert signal(alarms, name)["Threshold"] == limit
    assert ALARM_LIMITS.freshness_seconds == 10


def test_limits_leave_the_product_time_to_help_itself() -> None:
    first, second, third = TOPOLOGY.republish_after_seconds
    assert ALARM_LIMITS.heartbeat_age_seconds > TOPOLOGY.peer_gone_seconds + 2 * TOPOLOGY.look_seconds
    assert ALARM_LIMITS.oldest_pending_seconds > first + second
    assert ALARM_LIMITS.peer_oldest_pending_seconds > first + second + 2 * third
    assert ALARM_LIMITS.peer_oldest_pending_seconds > TOPOLOGY.drained_takeover_after_seconds


def test_every_dead_letter_queue_is_watched(alarms: AlarmStates, template: Template) -> None:
    """Those are all queues that have none themselves."""
    queues = template.of_type("AWS::SQS::Queue").values()
    expected = {found["QueueName"] for found in queues if "RedrivePolicy" not in found}
    assert set(TOPOLOGY.dead_letter_queues.values()) == expected  # counted, shown, and told by commands
    members = alarms.members(ALARM["dead-letters"].alarm_name)
    found = {
        of["QueueName"]: alarms.signals[name]
        for name in members
        for *_, of, _ in watched(alarms.signals[name])
        if "QueueName" in of
    }
    assert set(found) == expected
    assert all(one["Threshold"] == 0 for one in found.values())
    assert {one["ComparisonOperator"] for one in found.values()} == {"GreaterThanThreshold"}


def test_a_file_of_orders_that_was_given_up_opens_a_ticket(alarms: AlarmStates) -> None:
    """Lambda counts a call dropped that failed in every try, or that it stopped as a loop."""
    (seen,) = watched(signal(alarms, "import-given-up"))
    assert seen == ("AWS/Lambda", "AsyncEventsDropped", {"FunctionName": function_name("importer")}, "Sum")
    assert alarms.told(TICKET, named("import-given-up")) == {"relevo-dead-letters"}
    assert alarms.told(PAGE, named("import-given-up")) == set()


def test_429_is_counted_in_the_gateways_log_and_never_pages(alarms: AlarmStates, template: Template) -> None:
    counted = template.only("AWS::Logs::MetricFilter")
    assert counted["FilterPattern"] == '{ $.status = "429" }'
    stage = template.only("AWS::ApiGateway::Stage")
    assert counted["LogGroupName"]["Ref"] in json.dumps(stage["AccessLogSetting"]["DestinationArn"])
    assert json.loads(stage["AccessLogSetting"]["Format"])["status"] == "$context.status"  # text, as the pattern says
    on = {name for name in alarms.signals if name.startswith(f"{SIGNAL}throttled-")}
    assert alarms.told(PAGE, on) == set()
    assert alarms.told(TICKET, on) == {"relevo-throttled"}


# Error budgets.


def test_burn_rates_are_those_of_the_budget() -> None:
    rates = {window.name: window.rate(AVAILABILITY) for window in BURN_WINDOWS}
    assert rates == {"1h": 14.4, "6h": 6.0, "3d": 1.0}
    assert AVAILABILITY.budget == 0.001
    assert LATENCY.budget == 0.05
    assert all(window.short_seconds * 12 == window.long_seconds for window in BURN_WINDOWS)


def test_each_burn_needs_both_windows_and_has_the_threshold_of_its_rate(alarms: AlarmStates) -> None:
    for objective in BUDGET_OBJECTIVES:
        for window in BURN_WINDOWS:
            both = {f"{objective.name}-burns-{window.name}-{length}" for length in ("long", "short")}
            expected = "relevo-error-budget-burning" if window.pages else "relevo-error-budget-shrinking"
            assert alarms.told(PAGE if window.pages else TICKET, named(*both)) == {expected}
            for name in both:
                assert alarms.told(PAGE, named(name)) == alarms.told(TICKET, named(name)) == set()
                found = signal(alarms, name)
                assert found["Threshold"] == pytest.approx(window.rate(objective) * objective.budget)
                seconds = window.long_seconds if name.endswith("long") else window.short_seconds
                (period,) = {query["MetricStat"]["Period"] for query in found["Metrics"] if "MetricStat" in query}
                assert period * found["EvaluationPeriods"] == seconds
                assert period <= 86_400


@pytest.mark.parametrize(("bad", "requests", "share"), [(0, 100, 0), (20, 100, 0.2), (9, 9, 0), (10, 10, 1), (0, 0, 0)])
def test_the_share_of_bad_requests_leaves_out_health_checkers(
    alarms: AlarmStates, bad: int, requests: int, share: float
) -> None:
    """The expressions themselves, worked out: 40 checkers' requests beside the clients', 7 of them answered 503."""
    for objective in BUDGET_OBJECTIVES:
        expression, values = None, {}
        for query in signal(alarms, f"{objective.name}-burns-1h-long")["Metrics"]:
            if "Expression" in query:
                expression = query["Expression"]
                continue
            metric, of = query["MetricStat"]["Metric"]["MetricName"], query["MetricStat"]["Metric"]["Dimensions"]
            path = next((part["Value"] for part in of if part["Name"] == "Resource"), "")
            everyone, failed = {"": (requests + 40, bad + 7), "/health": (30, 7)}.get(path, (10, 0))
            values[query["Id"]] = {
                "Count": everyone,
                "5XXError": failed,
                "Latency": 100 * (1 - failed / everyone),
            }[metric]
        assert expression is not None
        assert worked_out(expression, values) == pytest.approx(share)


def worked_out(expression: str, values: dict[str, float]) -> float:
    """Metric math of one data point; a division by nothing gives no data point, which is 0 here as it breaches not."""
    functions = {"FILL": lambda value, _: value, "IF": lambda test, yes, no: yes if test else no}
    python = re.sub(r"/ \(FILL\((n0.*)\), 0\)$", r"/ max((FILL(\1), 1e-9), 0)", expression)
    return float(eval(python, {"__builtins__": {"max": max}, **functions}, values))


def test_slow_is_what_the_promise_says(alarms: AlarmStates) -> None:
    stats = {stat for _, metric, _, stat in watched(signal(alarms, "latency-burns-1h-long")) if metric == "Latency"}
    assert stats == {f"PR(0:{LATENCY_MS:g})"} == {"PR(0:500)"}


# One cause, one page.

LOSS_SEEN_BY_PEER = named("peer-not-serving", "peer-lost", "peer-silent", "peer-view-late", "taken-over")
BURNT = named("availability-burns-1h-long", "availability-burns-1h-short")


def silence(alarms: AlarmStates) -> set[str]:
    """What breaches in a Region where nothing runs any more but CloudWatch."""
    return {name for name, alarm in alarms.signals.items() if alarm["TreatMissingData"] == "breaching"}


def sentinel_silence(alarms: AlarmStates) -> set[str]:
    return {
        name
        for name in silence(alarms)
        if any(of.get("service") == "sentinel" for *_, of, _ in watched(alarms.signals[name]))
    }


def test_the_loss_of_a_region_is_one_page_in_its_peer(alarms: AlarmStates) -> None:
    assert alarms.told(PAGE, LOSS_SEEN_BY_PEER) == {"relevo-region-impaired"}
    assert alarms.told(TICKET, LOSS_SEEN_BY_PEER) == {"relevo-takeover-in-progress"}
    for name in named("peer-not-serving", "peer-lost"):  # whichever is seen first
        assert alarms.told(PAGE, {name}) == {"relevo-region-impaired"}


def test_a_lost_region_whose_alarms_live_pages_nobody_itself(alarms: AlarmStates) -> None:
    assert alarms.told(PAGE, silence(alarms) | BURNT) == set()
    # Its functions are ill but run: no silence, and its own sentinel sees a healthy peer.
    assert alarms.told(PAGE, named("impaired-here") | BURNT) == set()


def test_a_dead_sentinel_is_its_own_page_and_not_the_peers_illness(alarms: AlarmStates) -> None:
    assert alarms.told(PAGE, sentinel_silence(alarms)) == {"relevo-sentinel-silent"}
    # Its peer misses the heartbeats of a Region that serves.
    assert alarms.told(PAGE, named("peer-silent", "peer-view-late")) == {"relevo-replication-stalled"}


def test_two_ill_regions_are_one_kind_of_page(alarms: AlarmStates) -> None:
    on = named("impaired-here", "peer-not-serving") | BURNT
    assert alarms.told(PAGE, on) == {"relevo-all-regions-impaired"}
    on = named("drained-here", "peer-not-serving", "peer-lost", "peer-silent")
    assert alarms.told(PAGE, on) == {"relevo-all-regions-impaired"}


def test_a_drained_region_that_refuses_work_burns_no_budget(alarms: AlarmStates) -> None:
    assert alarms.told(PAGE, named("drained-here") | BURNT) == set()
    assert alarms.told(PAGE, BURNT) == {"relevo-error-budget-burning"}


def test_the_survivor_still_pages_for_its_own_orders(alarms: AlarmStates) -> None:
    on = LOSS_SEEN_BY_PEER | named("own-work-old")
    assert alarms.told(PAGE, on) == {"relevo-region-impaired", "relevo-orders-stuck"}
    assert alarms.told(PAGE, LOSS_SEEN_BY_PEER | BURNT) == {"relevo-region-impaired", "relevo-error-budget-burning"}


@pytest.mark.parametrize("name", ["conflicts", "quarantined", "projection-failing", "effect-changed"])
def test_drift_is_a_ticket(alarms: AlarmStates, name: str) -> None:
    assert alarms.told(PAGE, named(name)) == set()
    assert alarms.told(TICKET, named(name)) == {"relevo-view-drifted"}


@pytest.mark.parametrize("name", ["own-view-late", "peer-view-late", "stream-behind", "relay-failures"])
def test_orders_that_show_late_or_never_page(alarms: AlarmStates, name: str) -> None:
    assert alarms.told(PAGE, named(name)) == {"relevo-view-late"}


def test_what_mutes_is_seen_before_the_muted_alarm_tells(alarms: AlarmStates) -> None:
    for name, alarm in alarms.composites.items():
        if "ActionsSuppressor" in alarm:
            wait = alarm["ActionsSuppressorWaitPeriod"]
            assert wait == (60 if "SEV-1" in alarm["AlarmDescription"] else 180), name
            assert alarm["ActionsSuppressorExtensionPeriod"] >= 300  # a short burn window is over by then


# From outside.


def test_from_outside_one_alarm_tells_that_no_region_serves(outside: Template, assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())
    assert manifest["artifacts"]["relevo-global"]["environment"].endswith("/us-east-1")  # Route 53's metrics are there
    checks = outside.of_type("AWS::Route53::HealthCheck")
    (any_serves,) = [name for name, found in checks.items() if found["HealthCheckConfig"]["Type"] == "CALCULATED"]
    assert checks[any_serves]["HealthCheckConfig"]["HealthThreshold"] == 1
    asked = {found["HealthCheckConfig"].get("FullyQualifiedDomainName") for found in checks.values()} - {None}
    assert asked == {TOPOLOGY.region_api_name(region) for region in TOPOLOGY.region_names}
    alarm = outside.only("AWS::CloudWatch::Alarm")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Route53", "HealthCheckStatus")
    (dimension,) = alarm["Dimensions"]
    assert dimension["Name"] == "HealthCheckId"
    assert any_serves in json.dumps(dimension["Value"])
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["AlarmName"] == "relevo-global-all-regions-impaired"
    assert alarm["AlarmDescription"].startswith("SEV-1: ")
    assert alarm["AlarmDescription"].endswith("Runbook: runbooks/all-regions-impaired.md")
    assert [outside.render(action) for action in alarm["AlarmActions"]] == ["${Topic:relevo-global-page}"]


def test_no_two_alarms_of_us_east_1_share_a_name(outside: Template, assembly: Path) -> None:
    there = AlarmStates(Template.read(assembly, "relevo-us-east-1"))
    assert outside.only("AWS::CloudWatch::Alarm")["AlarmName"] not in {*there.metric_alarms, *there.composites}
    topics = {found["TopicName"] for found in outside.of_type("AWS::SNS::Topic").values()}
    assert not topics & {found["TopicName"] for found in there.template.of_type("AWS::SNS::Topic").values()}
