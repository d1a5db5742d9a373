"""`relevo unpark`: work that was given up is tried again by the Region's sentinel, from its first try on."""

from __future__ import annotations

from datetime import UTC, datetime

from runbooks.acting import acting
from runbooks.asking import AsJson, RegionArgument, Yes
from runbooks.target import current_target
from shared.adapters.order_rows import waits_for
from shared.adapters.order_work import OrderWork
from shared.domain.instants import to_text
from shared.topology import TOPOLOGY


def unpark(
    region: RegionArgument,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let the sentinel try parked work again: events published, effects announced. Doing it twice is harmless."""
    target = current_target()
    with acting(as_json, region=region) as act:
        parked = target.order_queries(region).pending(f"{region}#parked")
        act.document["parked"] = len(parked)
        act.say(f"{target.name}: {len(parked)} pieces of work are parked in {region}")
        for work in parked[:10]:
            act.say(f"  {work.order_id}: {work.status}, seen {to_text(work.seen_at)}")
        act.say(f"plan: its sentinel tries them again at its next look, within {TOPOLOGY.look_seconds:g} s")
        act.undo("none needed: effects are keyed by event; what still fails is parked again after its last try")
        if not parked:
            act.say("nothing to do")
            return
        if not act.may_begin(yes):
            return
        work_items = OrderWork(target.dynamodb(region), TOPOLOGY.order_view_table, region=region)
        now = datetime.now(UTC)
        for work in parked:
            fields = {**waits_for(region, work.order_id, due_at=now), "attempt": 0}
            work_items.update(work.order_id, work.event_id, set_fields=fields, remove=("parked_at",))
        act.say(f"{target.name}: {len(parked)} pieces of work of {region} are due now")
