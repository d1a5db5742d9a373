"""Holds the product's data against the clients' ledger, after the Regions have converged. Pure.

The ledger is right by definition. Nothing of the product's code is used: contents, folds and sums are worked out anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from loadtests.drills.evidence import Evidence, Matches, Replica, canonical_text, match_commands
from loadtests.drills.fold import Item, Summary, summarize
from loadtests.expectations import expected_orders, expected_sales

EXAMPLES = 5  # of each finding that are named


@dataclass
class Finding:
    """How many things are wrong, and the first few by name."""

    name: str
    count: Decimal | int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str, amount: Decimal | int = 1) -> None:
        self.count += amount
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def judge(evidence: Evidence) -> list[Finding]:
    """Run every check."""
    matched = match_commands(evidence)
    checks: list[Callable[[Evidence, Matches], Finding]] = [
        lost_orders, duplicate_effects, announcements_missing, sales_differ, view_differs, replicas_differ,
    ]  # fmt: skip
    return [check(evidence, matched) for check in checks]


def lost_orders(evidence: Evidence, matches: Matches) -> Finding:
    """Acknowledged commands that are not in every replica's log with the content that was sent."""
    finding = Finding("lost_orders")
    for text in evidence.ledger.contradictions:
        finding.note(f"acknowledged twice as different events: {text}")
    for replica in evidence.replicas:
        matched = matches.events[replica.region]
        for ack in evidence.ledger.acks.values():
            if ack.command_id not in matched:
                finding.note(f"{ack.command_id} (order {ack.order_id}) is not in {replica.region}")
        for problem in matches.problems[replica.region]:
            finding.note(problem)
    return finding


def _effect_text(effect: Item) -> str:
    return canonical_text([effect.get("kind"), effect.get("content")])


def duplicate_effects(evidence: Evidence, matches: Matches) -> Finding:
    """Events with other than one effect, effects whose content is not one and the same everywhere, unknown events."""
    finding = Finding("duplicate_effects")
    if evidence.changed_effect_writes:
        finding.note("writes that would have changed an effect's content", evidence.changed_effect_writes)
    texts: dict[str, set[str]] = defaultdict(set)
    hashes: dict[str, set[object]] = defaultdict(set)
    for replica in evidence.replicas:
        count = Counter(str(effect["event_id"]) for effect in replica.of_kind("effect"))
        events = {str(event["event_id"]) for event in replica.of_kind("event")}
        for event_id in events:
            if count[event_id] != 1:
                finding.note(f"event {event_id} has {count[event_id]} effects in {replica.region}")
        for event_id in set(count) - events:
            finding.note(f"effect of unknown event {event_id} in {replica.region}")
        for stranger in matches.strangers[replica.region]:
            finding.note(f"event {stranger['event_id']} of order {stranger['order_id']} was never sent as such")
        for effect in replica.of_kind("effect"):
            texts[str(effect["event_id"])].add(_effect_text(effect))
            hashes[str(effect["event_id"])].add(effect.get("content_hash"))
    for announcement in evidence.announcements:
        if announcement.event_id in texts:
            texts[announcement.event_id].add(announcement.content)
    for event_id, contents in texts.items():
        if len(contents) > 1 or len(hashes[event_id]) > 1:
            finding.note(f"the effect of {event_id} has had {len(contents)} contents, {len(hashes[event_id])} hashes")
    _check_receipts(evidence, finding)
    return finding


def _check_receipts(evidence: Evidence, finding: Finding) -> None:
    """A delivery's receipt must show the exact total that the client's own arithmetic gives."""
    totals = {order.order_id: order.total for order in expected_orders(evidence.ledger, ()).values()}
    for replica in evidence.replicas:
        for effect in replica.of_kind("effect"):
            total = (effect.get("content") or {}).get("total")
            wanted = totals.get(str(effect["order_id"]))
            if effect.get("status") != "delivered" or wanted is None:
                continue
            if total is None or Decimal(str(total)) != wanted:
                finding.note(f"receipt of {effect['order_id']} in {replica.region}: {total}, not {wanted}")


def announcements_missing(evidence: Evidence, _matches: Matches) -> Finding:
    """Effects in any replica that no Region announced on its bus."""
    finding = Finding("announcements_missing")
    announced = {announcement.event_id for announcement in evidence.announcements}
    effects = {str(effect["event_id"]) for replica in evidence.replicas for effect in replica.of_kind("effect")}
    for event_id in sorted(effects - announced):
        finding.note(f"effect of {event_id} was never announced")
    return finding


def arrived_unacknowledged(evidence: Evidence, matches: Matches) -> set[str]:
    """Commands without a 2xx whose event is in every log all the same (the answer was lost)."""
    per_region = [set(matches.events[replica.region]) for replica in evidence.replicas]
    return set.intersection(*per_region) - set(evidence.ledger.acks) if per_region else set()


def sales_differ(evidence: Evidence, matches: Matches) -> Finding:
    """COP by which any Region's figures differ from the ledger's own sums, day by day and in all."""
    finding = Finding("sales_differ_from_ledger")
    expected = expected_sales(expected_orders(evidence.ledger, arrived_unacknowledged(evidence, matches)))
    everything = sum((day.sure for day in expected.values()), Decimal(0))
    unsure = max((day.unsure for day in expected.values()), default=Decimal(0))
    for replica in evidence.replicas:
        shown = evidence.sales.get(replica.region)
        if shown is None:
            finding.note(f"{replica.region} gave no figures", everything or 1)
            continue
        for day in sorted(set(expected) | set(shown)):
            known = expected.get(day)
            least = known.sure if known else Decimal(0)
            most = least + (known.unsure if known else Decimal(0))
            amount = shown.get(day, Decimal(0))
            if not least <= amount <= most:
                finding.note(
                    f"{day} in {replica.region}: shows {amount}, ledger says {least}",
                    abs(amount - (least if amount < least else most)),
                )
        off = sum(shown.values(), Decimal(0)) - everything - unsure
        if off and not finding.count:
            finding.note(f"all days in {replica.region} are off by {off}", abs(off))
    return finding


def view_differs(evidence: Evidence, matches: Matches) -> Finding:
    """Orders whose row in a Region's view is not what its own log adds up to, plus orders the ledger knows better."""
    finding = Finding("view_differs_from_log")
    expected = expected_orders(evidence.ledger, arrived_unacknowledged(evidence, matches))
    for replica in evidence.replicas:
        per_order: dict[str, list[Item]] = defaultdict(list)
        for event in replica.of_kind("event"):
            per_order[str(event["order_id"])].append(event)
        for order_id in sorted(set(per_order) | set(replica.rows)):
            shown = _shown(replica.rows.get(order_id))
            folded = summarize(per_order[order_id]) if per_order.get(order_id) else None
            known = expected.get(order_id)
            if shown != folded:
                finding.note(f"{order_id} in {replica.region}: view {shown}, log {folded}")
            elif shown is not None and known is not None and shown.status != known.status:
                finding.note(f"{order_id} in {replica.region} is {shown.status}; its client left it {known.status}")
    return finding


def _shown(row: Item | None) -> Summary | None:
    if row is None:
        return None
    total = row.get("total")
    return Summary(str(row["status"]), None if total is None else Decimal(str(total)), date.fromisoformat(row["day"]))


def replicas_differ(evidence: Evidence, _matches: Matches) -> Finding:
    """Log items that are not the same in all replicas, by key and by content."""
    finding = Finding("replicas_differ")
    keys: set[tuple[str, str]] = set()
    for replica in evidence.replicas:
        keys |= set(replica.log)
    for key in sorted(keys):
        contents = {replica.region: _text_of(replica.log.get(key)) for replica in evidence.replicas}
        if len(set(contents.values())) > 1:
            finding.note(f"{'/'.join(key)}: {_difference(evidence.replicas, key)}")
    return finding


def _text_of(item: Item | None) -> str:
    return "absent" if item is None else canonical_text(item)


def _difference(replicas: Iterable[Replica], key: tuple[str, str]) -> str:
    absent = [replica.region for replica in replicas if key not in replica.log]
    return f"absent in {', '.join(absent)}" if absent else "contents differ"
