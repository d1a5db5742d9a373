"""The alarms of one Region: few, each with a runbook, made of many signals.

Whether a Region is there at all is judged by its peer; what is wrong in a Region that is there, by itself. So that one
cause tells once, an alarm is muted while another one that explains it is on: a Region that is ill or cannot look says
nothing about its peer, which pages about it.
"""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from regions import region_signals
from regions.notices import Notices
from regions.objectives import Burning
from regions.signals import Signals
from shared.alarms import ALARM, PREFIX
from shared.topology import Topology

# The cause may be seen a little later than what it causes, and what it caused ends a little later than it. An alarm
# that can be muted waits that long before it tells, so the most severe ones wait for no more than the next minute.
WAIT: Final = {"SEV-1": cdk.Duration.minutes(1), "SEV-2": cdk.Duration.minutes(3)}
EXTENSION: Final = cdk.Duration.minutes(10)

any_of = cloudwatch.AlarmRule.any_of
all_of = cloudwatch.AlarmRule.all_of


class Alarms(Construct):
    """Signals, what mutes what, and the alarms that tell somebody."""

    def __init__(
        self, scope: Construct, construct_id: str, *, topology: Topology, region: str, on_aws: cdk.CfnCondition
    ) -> None:
        super().__init__(scope, construct_id)
        self._seen_from = f"seen from {region}, peer {topology.peer_of(region)}"
        self._notices = Notices(self, "Notices", on_aws=on_aws)
        signals = self.signals = Signals(self, "Signals")
        here, peer = region_signals.fitness(signals), region_signals.peer(signals)
        burning = Burning(self, "Burning", signals=signals)

        # A drained Region is no help either. A sentinel that is silent saw nothing: that is not for this alarm.
        no_region_fit = all_of(any_of(here.impaired, here.drained), peer.not_serving)
        nobody_serves = self._alarm("all-regions-impaired", no_region_fit, muted_by=here.no_looks)
        blind = self._mute("blind-here", any_of(here.impaired, here.no_looks, nobody_serves))
        peer_impaired = self._alarm("region-impaired", any_of(peer.not_serving, peer.lost), muted_by=blind)
        self._alarm("sentinel-silent", any_of(here.no_looks), muted_by=here.impaired)
        loss_known = self._mute("loss-known", any_of(blind, peer_impaired))
        stalled = self._alarm("replication-stalled", any_of(peer.silent), muted_by=loss_known)
        self._alarm("orders-stuck", any_of(*region_signals.stuck(signals)), muted_by=blind)
        late = region_signals.late(signals, topology)
        self._alarm("view-late", any_of(*late), muted_by=self._mute("lateness-explained", any_of(loss_known, stalled)))
        out_of_service = self._mute("out-of-service-here", any_of(here.impaired, here.drained))
        self._alarm("error-budget-burning", burning.fast, muted_by=out_of_service)
        self._alarm("error-budget-shrinking", burning.slow)
        given_up = next(signal for signal in late if signal.node.id == "RelayFailures")
        self._alarm("dead-letters", any_of(*region_signals.dead_letters(signals, topology), given_up))
        self._alarm("view-drifted", any_of(*region_signals.drifted(signals)))
        self._alarm("takeover-in-progress", any_of(*region_signals.takeover(signals)))
        self._alarm("throttled", any_of(*region_signals.throttled(signals, topology)))

    def _alarm(
        self, name: str, rule: cloudwatch.IAlarmRule, *, muted_by: cloudwatch.IAlarm | None = None
    ) -> cloudwatch.CompositeAlarm:
        alarm = ALARM[name]
        made = cloudwatch.CompositeAlarm(
            self,
            _construct_id(name),
            composite_alarm_name=alarm.alarm_name,
            alarm_description=f"{alarm.severity}: {alarm.summary} ({self._seen_from}). Runbook: {alarm.runbook}",
            alarm_rule=rule,
            actions_suppressor=muted_by,
            actions_suppressor_wait_period=WAIT[alarm.severity] if muted_by else None,
            actions_suppressor_extension_period=EXTENSION if muted_by else None,
        )
        made.add_alarm_action(self._notices.action(alarm))
        made.add_ok_action(self._notices.action(alarm))
        return made

    def _mute(self, name: str, rule: cloudwatch.IAlarmRule) -> cloudwatch.CompositeAlarm:
        """Tells nobody; others are muted while it is on."""
        return cloudwatch.CompositeAlarm(
            self,
            _construct_id(name),
            composite_alarm_name=f"{PREFIX}-mute-{name}",
            alarm_description="Mutes what it explains, tells nobody by itself",
            alarm_rule=rule,
        )


def _construct_id(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
