"""What a load asks of AWS in one Region: calls, billed units and functions at work, per second. Pure arithmetic.

The numbers per order are those of the code (tests/component/test_demand.py counts them); capacity, cost and the sizes
that a synth sets all come from here. Sizes are of typical items: an event of 1 KB, a whole order of 4 KB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared import viewers
from shared.durations import DURATIONS
from shared.hot_keys import KpiLoad, kpi_load
from shared.topology import STATUSES, TOPOLOGY, Growth, Topology

# The relay's event source; one invocation per shard and window, or sooner with a full batch.
RELAY_BATCH: Final = 100
RELAY_WINDOW_SECONDS: Final = 1

# Units of the order log, for each event with its effect. Both are below 1 KB, and each is written in every replica.
LOG_WRITES: Final = 2
# Consistent reads of an order's whole partition (up to 4 KB): the API's before it writes, the relay's to project.
LOG_READS_TO_ACCEPT: Final = 1
LOG_READS_TO_PROJECT: Final = 1

# Units of the order view. A transaction costs twice: row and new work here, KPI items as `shared/hot_keys.py` says.
PROJECTION_WRITES: Final = 2 + 2
NOTES_OF_OWN: Final = 2  # published, announced
NOTES_OF_PEER: Final = 1  # the peer's effect came
ROW_READS: Final = 1
# An index is written once for each item, twice where the index key changes (out and in again).
LIST_INDEX_WRITES: Final = 1
PENDING_INDEX_WRITES_OF_OWN: Final = 1 + 2 + 1  # seen, published (due later), announced (gone)
PENDING_INDEX_WRITES_OF_PEER: Final = 1 + 2  # seen, effect came (waits under another key)

# Reads as the load test's operators make them: day's figures, pages, single orders.
METRICS_SHARE: Final = 0.4
PAGE_SHARE: Final = 0.3
ORDER_SHARE: Final = 0.3
PAGE_READS: Final = 7.0  # 50 rows of 1 KB out of two buckets, eventually consistent
METRICS_CALLS: Final = 1  # of all KPI items of the day
PAGE_QUERIES: Final = 2  # for each key of a bucket

# Assumed: a client sends a request a minute at least, and the gateway remembers its token for five. A token lasts 30.
AUTHORIZER_SHARE: Final = 1 / 5
LOGIN_SHARE: Final = 1 / 30
# Assumed: one order in four is of a client system that listens. Without any subscription the rest of this is nothing,
# but for half a read unit of each relay and look.
HEARD_SHARE: Final = 1 / 4
HEARD_LOG_READS: Final = 1  # when it is told; and each effect is looked up once, whoever its order belongs to
HEARD_ACCOUNT_READS: Final = 2  # its subscription, and whether the account is locked
HEARD_QUEUE_REQUESTS: Final = 3  # sent, received, deleted
LOGIN_READS: Final = 1.5  # whether it is known there, and the account consistently
LOGIN_WRITES: Final = 2.0  # the try is counted, and given back

CHECKERS_PER_REGION: Final = 2  # Route 53's checkers in each of its Regions, about
CHECKS_PER_REGION: Final = 2  # its own health, and what it says of its peer's drain
PARTITION_WRITES: Final = 1000.0  # per second, of one partition and so of one stream shard
PARTITION_READS: Final = 3000.0
RELAY_ROOM: Final = 1.5  # a shard gets no more than two thirds of what the relay can work off, so that it catches up
NEW_TABLE_WRITES: Final = 4000.0
NEW_TABLE_READS: Final = 12000.0
# Lambda keeps five receives waiting at each queue, 20 seconds long, when there is nothing to receive.
IDLE_RECEIVES_OF_QUEUE: Final = 5 / 20
IDLE_RECEIVES_PER_SECOND: Final = len(STATUSES) * IDLE_RECEIVES_OF_QUEUE
# The sentinel counts what lies in each dead-letter queue once a minute.
DEPTHS_PER_SECOND: Final = len(TOPOLOGY.dead_letter_queues) / 60


@dataclass(frozen=True)
class Load:
    """What one Region has to carry, per second. An order is a command that is accepted: any status change."""

    orders: float
    reads: float
    peer_orders: float = 0.0  # accepted by the peer; they come by replication and are projected here too
    with_peer: bool = True  # whether there is a peer that beats
    viewers: float = 0.0  # dashboard pages that are looked at
    imported: float = 0.0  # orders out of files; they pass no gateway, and then go the way of all others
    heard: float = 0.0  # of the orders: those that a client system's webhook is told of

    @property
    def accepted(self) -> float:
        """All orders that this Region takes."""
        return self.orders + self.imported

    @property
    def logins(self) -> float:
        return (self.orders + self.reads) * LOGIN_SHARE + self.viewers * viewers.LOGINS

    @property
    def figures(self) -> float:
        """Reads of a day's figures, by operators and by pages."""
        return self.reads * METRICS_SHARE + self.viewers * viewers.METRICS

    @property
    def statuses(self) -> float:
        """How often pages ask how both Regions are."""
        return self.viewers * viewers.STATUSES

    @property
    def every_read(self) -> float:
        """Reads of operators, and what pages ask for."""
        return self.reads + self.viewers * viewers.READS


def shared_by_all(growth: Growth, multiple: float, regions: int) -> Load:
    """One Region's load while all serve alike."""
    orders, reads = growth.orders_per_second * multiple, growth.reads_per_second * multiple
    own = orders / regions
    return Load(
        own, reads / regions,
        peer_orders=orders - own, viewers=growth.viewers / regions, heard=own * HEARD_SHARE,
    )  # fmt: skip


def alone(growth: Growth, multiple: float) -> Load:
    """The load of a Region whose peer is lost: everything that clients send."""
    orders, reads = growth.orders_per_second * multiple, growth.reads_per_second * multiple
    return Load(orders, reads, with_peer=False, viewers=growth.viewers, heard=orders * HEARD_SHARE)


def peak_alone(topology: Topology = TOPOLOGY) -> Load:
    """The largest growth step on one Region alone: what every size has to carry (I9)."""
    return alone(topology.baseline, max(topology.baseline.steps))


def imported_at_most(topology: Topology = TOPOLOGY) -> float:
    """Orders per second that the files of one Region make."""
    return topology.imports.orders_per_second * topology.importer.reserved_concurrency


def littles_law(per_second: float, seconds: float) -> float:
    """How many are under way at once, on average: arrivals per second times how long each takes."""
    return per_second * seconds


@dataclass(frozen=True)
class Work:
    """The invocations of one function and how long each takes."""

    per_second: float
    seconds: float

    @property
    def concurrency(self) -> float:
        return littles_law(self.per_second, self.seconds)


@dataclass(frozen=True)
class Demand:
    """What one Region asks of AWS, per second. Units of DynamoDB are billed units: writes of 1 KB, reads of 4 KB."""

    load: Load
    gateway_requests: float
    health_requests: float
    log_writes: float
    log_reads: float
    view_writes: float
    view_reads: float
    list_index_writes: float
    pending_index_writes: float
    kpi: KpiLoad
    pending_key_writes: float  # of one key of its index
    list_key_writes: float  # of one key of the newest bucket, all orders being new
    freshness_writes: float  # to the day's marks of how fresh it is
    register_reads: float  # of the one item of the drain register
    account_reads: float
    stream_records: float
    stream_shards: int
    events_published: float
    queue_sends: float
    queue_receives: float
    queue_deletes: float
    queue_looks: float
    effects_announced: float
    webhook_queue_requests: float
    aws_calls: Mapping[str, float]
    functions: Mapping[str, Work]

    @property
    def concurrency(self) -> float:
        """Functions at work at once; processors count for each status."""
        return sum(work.concurrency for work in self.functions.values())


def demand_of(load: Load, topology: Topology = TOPOLOGY) -> Demand:
    """Work out what a load asks of one Region."""
    regions_beating = 2 if load.with_peer else 1
    looks = 1 / topology.look_seconds
    heartbeats = topology.heartbeat_keys * looks * regions_beating
    projected = load.accepted + load.peer_orders
    checkers = len(topology.health_checker_regions) * CHECKERS_PER_REGION
    health = CHECKS_PER_REGION * checkers / topology.health_check_interval_seconds + (looks if load.with_peer else 0)
    authorized = (load.orders + load.reads) * AUTHORIZER_SHARE + load.viewers * viewers.AUTHORIZED
    log_writes = LOG_WRITES * projected + heartbeats
    records = log_writes  # the stream has a record for each
    shards = math.ceil(
        max(
            max(NEW_TABLE_WRITES, log_writes) / PARTITION_WRITES,
            RELAY_ROOM * records / relay_records_per_second(1),
        )
    )
    kpi = kpi_load(projected, topology)
    pending = load.accepted * PENDING_INDEX_WRITES_OF_OWN + load.peer_orders * PENDING_INDEX_WRITES_OF_PEER
    relay = _relay(records, shards)
    takes = load.imported / (topology.imports.orders_per_second * DURATIONS["import take"].seconds)
    freshness = relay.per_second * regions_beating  # once a second and Region at most
    looked_up = load.accepted if load.heard else 0.0
    return Demand(
        load=load,
        gateway_requests=load.orders + load.every_read + load.logins + health,
        health_requests=health,
        log_writes=log_writes,
        log_reads=load.accepted * LOG_READS_TO_ACCEPT
        + projected * LOG_READS_TO_PROJECT
        + load.reads * ORDER_SHARE
        + looked_up
        + load.heard * HEARD_LOG_READS
        + (looks + load.statuses * len(topology.regions)) * topology.heartbeat_keys * 0.5
        + health * 0.5,
        view_writes=projected * (PROJECTION_WRITES + kpi.writes_per_order)
        + load.accepted * NOTES_OF_OWN
        + load.peer_orders * NOTES_OF_PEER
        + freshness
        + load.logins * LOGIN_WRITES
        + looks * (1 + topology.heartbeat_keys),
        view_reads=projected * ROW_READS
        + load.figures * kpi.units_per_read
        + load.reads * PAGE_SHARE * PAGE_READS
        + load.statuses * 0.5 * (1 + len(topology.regions) * topology.pending_keys)
        + looks * (2 + topology.pending_keys),
        list_index_writes=projected * LIST_INDEX_WRITES,
        pending_index_writes=pending,
        kpi=kpi,
        # Work of one Region has keys of its own; alone, all of it is the survivor's.
        pending_key_writes=pending / topology.pending_keys,
        list_key_writes=projected * LIST_INDEX_WRITES / topology.list_keys,
        freshness_writes=freshness,
        register_reads=health + looks + load.statuses,
        account_reads=authorized + load.logins * LOGIN_READS + load.heard * HEARD_ACCOUNT_READS,
        stream_records=records,
        stream_shards=shards,
        events_published=load.accepted,
        queue_sends=load.accepted,
        queue_receives=load.accepted + IDLE_RECEIVES_PER_SECOND,
        queue_deletes=load.accepted,
        queue_looks=DEPTHS_PER_SECOND,
        effects_announced=load.accepted,
        webhook_queue_requests=load.heard * HEARD_QUEUE_REQUESTS + IDLE_RECEIVES_OF_QUEUE,
        aws_calls=_calls(load, projected, relay, topology),
        functions={
            "api": _mixed(
                (load.orders, "api write"), (load.every_read, "api read"), (load.logins, "login"),
            ),
            "authorizer": _mixed((authorized, "authorizer")),
            "health": _mixed((health, "health")),
            "relay": relay,
            # Worst: all orders have one status, each in a message of its own.
            "processor": _mixed((load.accepted, "processor")),
            "webhook": _mixed((load.heard, "webhook")),  # worst: each in a message of its own
            # One invocation reads for as long as it may, at the pace that the topology sets.
            "importer": _mixed((takes, "import take")),
            "sentinel": Work(1 / 60, DURATIONS["sentinel"].seconds),
        },
    )  # fmt: skip


def _mixed(*parts: tuple[float, str]) -> Work:
    """One function that does several things: all invocations, and how long one takes on average."""
    per_second = sum(rate for rate, _ in parts)
    busy = sum(littles_law(rate, DURATIONS[name].seconds) for rate, name in parts)
    return Work(per_second, busy / per_second if per_second else 0.0)


def _relay(records: float, shards: int) -> Work:
    """Each record alone while there are few, then one batch per shard and window, then full batches."""
    batches = max(min(records, shards / RELAY_WINDOW_SECONDS), records / RELAY_BATCH)
    each = records / batches if batches else 0.0
    return Work(batches, DURATIONS["relay batch"].seconds + each * DURATIONS["relay record"].seconds)


def relay_records_per_second(shards: int) -> float:
    """How many records the relay can work off: full batches, one after the other in each shard."""
    seconds = DURATIONS["relay batch"].seconds + RELAY_BATCH * DURATIONS["relay record"].seconds
    return shards * RELAY_BATCH / seconds


def _calls(load: Load, projected: float, relay: Work, topology: Topology) -> dict[str, float]:
    """Calls by service and operation; a batch of the relay makes one of each of its own."""
    pages = PAGE_SHARE * PAGE_QUERIES * topology.list_keys
    for_webhooks = (load.accepted if load.heard else 0.0) + load.heard * (HEARD_LOG_READS + HEARD_ACCOUNT_READS)
    queries = load.accepted + projected + load.reads * (pages + ORDER_SHARE) + for_webhooks
    queries += load.statuses * viewers.status_queries(topology)
    with_events = min(relay.per_second, projected)
    return {
        "DynamoDB Query": queries,
        "DynamoDB PutItem": load.accepted * LOG_WRITES,
        "DynamoDB TransactWriteItems": projected,
        "DynamoDB GetItem": load.statuses * viewers.status_gets(topology),
        "DynamoDB BatchGetItem": with_events + load.figures * METRICS_CALLS,
        "DynamoDB BatchWriteItem": relay.per_second,
        "SNS PublishBatch": min(with_events, load.accepted),
        "EventBridge PutEvents": min(with_events, load.accepted),
        "SQS GetQueueAttributes": DEPTHS_PER_SECOND,
    }
