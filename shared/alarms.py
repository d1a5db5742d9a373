"""Every alarm of Relevo by name, with its severity; its runbook is the file of the same name.

Alarms here are those that tell somebody. What they are made of (signals) tells nobody and stands in the constructs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# SEV-1 and SEV-2 page at any hour, a ticket waits for the next working day.
Severity = Literal["SEV-1", "SEV-2", "ticket"]
Channel = Literal["page", "ticket"]
PREFIX: Final = "relevo"
RELEASE_PREFIX: Final = f"{PREFIX}-release-"  # these tell nobody: they stop a release and take it back
RELEASE_RUNBOOK: Final = "runbooks/release.md"


@dataclass(frozen=True)
class Alarm:
    """An alarm that tells somebody: how urgent it is, and in one line what is wrong."""

    name: str
    severity: Severity
    summary: str

    @property
    def channel(self) -> Channel:
        return "ticket" if self.severity == "ticket" else "page"

    @property
    def runbook(self) -> str:
        """Path of its runbook in the repository."""
        return f"runbooks/{self.name}.md"

    @property
    def alarm_name(self) -> str:
        """Its name in CloudWatch, the same in every Region."""
        return f"{PREFIX}-{self.name}"

    @property
    def global_alarm_name(self) -> str:
        """Its name where it watches all Regions from outside; the runbook is the same."""
        return f"{PREFIX}-global-{self.name}"


ALARMS: Final = (
    Alarm("all-regions-impaired", "SEV-1", "no Region is fit to serve; Route 53 sends traffic to all of them"),
    Alarm("region-impaired", "SEV-1", "the peer Region does not serve; this Region carries everything"),
    Alarm("sentinel-silent", "SEV-2", "this Region's sentinel does not look: no retries, no takeover, no metrics"),
    Alarm("replication-stalled", "SEV-2", "the peer Region serves, but its heartbeats do not arrive here"),
    Alarm("orders-stuck", "SEV-2", "orders wait for their effect or announcement, and retries did not help"),
    Alarm("view-late", "SEV-2", "orders show on the dashboard later than promised, or not at all"),
    Alarm("error-budget-burning", "SEV-2", "clients get errors or slow answers at a rate that empties the budget"),
    Alarm("error-budget-shrinking", "ticket", "errors or slow answers will use up the budget within its month"),
    Alarm("dead-letters", "ticket", "messages, webhook calls, stream records or files of orders were given up"),
    Alarm("view-drifted", "ticket", "conflicts, quarantined records, or projections and effects that went wrong"),
    Alarm("takeover-in-progress", "ticket", "this Region does the work of its peer"),
    Alarm("throttled", "ticket", "functions, tables or clients are throttled"),
)
ALARM: Final = {alarm.name: alarm for alarm in ALARMS}
# In CloudWatch; a Region has the global ones only where they watch from.
ALARM_NAMES: Final = frozenset(name for alarm in ALARMS for name in (alarm.alarm_name, alarm.global_alarm_name))
