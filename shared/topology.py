"""Where Relevo runs and what it is called: Regions, names, domain and growth, as frozen data.

Everything that differs between Regions, or that two parts must agree on, is here. No logic that reads an environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

STATUSES: Final = ("created", "assigned", "in_transit", "failed", "delivered", "cancelled")
# The alias of every function: nobody calls a function otherwise, so that a release is a change of aliases.
LIVE: Final = "live"
# What usage plans are called in AWS, and the plan without limits of whoever is on none.
PLAN_PREFIX: Final = "relevo-"
EVERYONES_PLAN: Final = "everyone"
# Of the order view: the newest orders first, and work that is left to do.
LIST_INDEX: Final = "list"
PENDING_INDEX: Final = "pending"
# What lies in dead-letter queues beside the messages of each status: given-up stream records, calls, files of orders.
RELAY: Final = "relay"
WEBHOOKS: Final = "webhooks"
IMPORTS: Final = "imports"

Consistency = Literal["eventual", "strong"]


@dataclass(frozen=True)
class Region:
    """One serving Region: its AWS name and the loopback address that plays it in the lab."""

    name: str
    lab_address: str


@dataclass(frozen=True)
class Growth:
    """The load of today and its multiples, per second, over both Regions."""

    orders_per_second: float = 1.0
    reads_per_second: float = 1.0
    steps: tuple[int, ...] = (1, 5, 10)
    # Dashboard pages that are looked at at once, over both Regions. Orders multiply, people who look at them do not.
    viewers: int = 10


@dataclass(frozen=True)
class KpiItems:
    """The items that a day's figures are spread over, each under a partition key of its own.

    An order counts in one of ``orders``, by its hash, and its courier in one of ``couriers``, by the courier's. A
    product stands in ``product_spread`` of the ``products``, and the order's hash says in which: a best-seller is not
    hot. Numbers may grow at any time and never shrink, since all items are read and summed.
    """

    orders: int = 24
    products: int = 24
    couriers: int = 32
    product_spread: int = 4

    @property
    def all(self) -> range:
        """Numbers of the items: first those of orders, then those of products, then those of couriers."""
        return range(self.orders + self.products + self.couriers)


@dataclass(frozen=True)
class Imports:
    """What one Region takes out of files of orders, and how fast: clients and their orders come first."""

    orders_per_second: float = 30.0  # of one file; the importer's reserved concurrency says how many
    repeats_per_order: float = 5.0  # as many that are known already take the time of one: they are only read
    side_by_side: int = 8  # orders registered at the same time
    file_bytes: int = 50 * 1024 * 1024
    rows: int = 200_000
    lines: int = 1_000_000  # the empty ones counted
    errors: int = 5_000  # then it is the wrong file, and the import stops
    days_kept: int = 30  # files and their results; the log keeps the orders


@dataclass(frozen=True)
class Function:
    """Memory, time limit and concurrency of one Lambda function.

    ``reserved_concurrency`` caps and guarantees; event source concurrency must not exceed it, or throttled messages
    would run out of receives and fill a dead-letter queue.
    """

    memory_mb: int
    timeout_seconds: int
    reserved_concurrency: int


@dataclass(frozen=True)
class UsagePlan:
    """What one client system may ask of a Region; each Region counts by itself, so it may have that much of both.

    Take every account off a plan (`relevo account plan NAME none`) before you take the plan out.
    """

    name: str
    requests_per_second: int
    burst: int
    requests_a_day: int  # days of UTC


@dataclass(frozen=True)
class Topology:
    """The whole deployment as data."""

    regions: tuple[Region, ...] = (Region("us-east-1", "127.0.1.1"), Region("us-east-2", "127.0.2.1"))
    owner_region: str = "us-east-2"  # of the global tables: Route 53's control plane is in us-east-1 already
    # Route 53's and IAM's control planes are in us-east-1: what a release breaks is met in the other one first.
    release_order: tuple[str, ...] = ("us-east-2", "us-east-1")
    witness_region: str = "us-west-2"  # only in strong mode
    consistency: Consistency = "eventual"
    domain: str = "cargo.test"
    hosted_zone_id: str = "Z0000000RELEVO000000"  # of `domain`; printed by the global stack
    health_checker_regions: tuple[str, ...] = ("us-east-1", "us-west-2", "eu-west-1")
    baseline: Growth = Growth()

    # Names: the same in both Regions, so no stack needs a reference into another one.
    order_log_table: str = "relevo-order-log"
    accounts_table: str = "relevo-accounts"
    control_table: str = "relevo-control"
    order_view_table: str = "relevo-order-view"
    keyring_secret: str = "relevo/keyring"  # noqa: S105  # its name, not its value
    event_topic: str = "relevo-events.fifo"
    effect_bus: str = "relevo-effects"
    relay_failures_queue: str = "relevo-relay-failures"
    webhook_queue: str = "relevo-webhooks"
    webhook_dead_letter_queue: str = "relevo-webhooks-dlq"
    import_dead_letter_queue: str = "relevo-imports-dlq"

    # Shape of the read model.
    list_bucket_seconds: int = 60  # width of one time bucket of the order list
    # Partition keys that a load is spread over, by the order's hash; `shared/sizing.py` checks that they carry so many
    # orders/s on one Region alone (100x). They may grow at any time and never shrink: whoever reads asks all of them.
    keys_carry: float = 100.0
    list_keys: int = 1  # of one time bucket; a page asks each
    pending_keys: int = 4  # of one Region's pending work; a look of the sentinel asks each
    kpi_items: KpiItems = KpiItems()  # of one day; the dashboard reads all in one call
    heartbeat_keys: int = 4  # heartbeat items per Region, in different partitions of the log

    # Seconds, before TimeScale.
    look_seconds: float = 15.0  # between two looks of the sentinel
    peer_gone_seconds: float = 45.0  # heartbeat older than this is gone
    takeover_after_seconds: float = 60.0  # since seen_at, when the peer is gone
    drained_takeover_after_seconds: float = 300.0  # since seen_at, when the peer is drained but beating
    republish_after_seconds: tuple[float, ...] = (60.0, 300.0, 1500.0)
    peer_serving_seconds: float = 30.0  # a drained Region refuses work only if it saw the peer serve within this
    # Between tries of a webhook, 21 hours in all; SQS hides a message for 12 hours at most.
    webhook_retry_seconds: tuple[float, ...] = (30, 120, 600, 1800, 3600, 7200, 14400, 21600, 28800)
    dns_ttl_seconds: float = 60.0
    settle_seconds: float = 60.0  # margin of the heartbeat's "announced up to" mark

    # Tags what the experiments in `shared.experiments` may harm, and puts FIS's extension before the API's function.
    # Off, every experiment ends at once for want of a target, and costs nothing.
    drills_allowed: bool = False

    # `shared/sizing.py` checks that each fits under the throttles that all clients share.
    usage_plans: tuple[UsagePlan, ...] = (
        UsagePlan("small", requests_per_second=2, burst=10, requests_a_day=20_000),
        UsagePlan("medium", requests_per_second=8, burst=40, requests_a_day=200_000),
        UsagePlan("large", requests_per_second=25, burst=100, requests_a_day=1_000_000),
    )
    # Off, no plan is counted and no method asks for a key. A Region in service that does not have the keys yet takes
    # them with one release, and is told to ask for them with the next: `relevo release` sees to that.
    counts_plans: bool = True
    imports: Imports = Imports()

    health_check_interval_seconds: int = 10
    health_check_failure_threshold: int = 2

    api: Function = Function(memory_mb=1024, timeout_seconds=10, reserved_concurrency=200)
    authorizer: Function = Function(memory_mb=512, timeout_seconds=5, reserved_concurrency=50)
    health: Function = Function(memory_mb=512, timeout_seconds=2, reserved_concurrency=20)
    relay: Function = Function(memory_mb=1024, timeout_seconds=60, reserved_concurrency=40)
    processor: Function = Function(memory_mb=512, timeout_seconds=15, reserved_concurrency=30)
    sentinel: Function = Function(memory_mb=512, timeout_seconds=60, reserved_concurrency=1)
    webhook: Function = Function(memory_mb=512, timeout_seconds=30, reserved_concurrency=16)
    # One file at a time; the next one waits. It hands over to itself before its time is over.
    importer: Function = Function(memory_mb=512, timeout_seconds=900, reserved_concurrency=1)
    stream_arn: Function = Function(memory_mb=256, timeout_seconds=60, reserved_concurrency=2)  # called by deployments

    @property
    def api_name(self) -> str:
        """The one hostname that clients call."""
        return f"api.{self.domain}"

    def region_api_name(self, region: str) -> str:
        """The hostname of one Region, for health checks and its peer."""
        return f"{region}.api.{self.domain}"

    def site_bucket(self, region: str) -> str:
        """Where a Region keeps its copy of the dashboard page; no dots, or TLS to S3 would fail."""
        return f"{self.domain.replace('.', '-')}-site-{region}"

    def import_bucket(self, region: str) -> str:
        """Where a Region takes files of orders."""
        return f"{self.domain.replace('.', '-')}-import-{region}"

    @property
    def dead_letter_queues(self) -> dict[str, str]:
        """Names of all of a Region's dead-letter queues, by what lies there."""
        return {
            **{status: dead_letter_queue_name(status) for status in STATUSES},
            RELAY: self.relay_failures_queue,
            WEBHOOKS: self.webhook_dead_letter_queue,
            IMPORTS: self.import_dead_letter_queue,
        }

    @property
    def region_names(self) -> tuple[str, ...]:
        return tuple(region.name for region in self.regions)

    def peer_of(self, region: str) -> str:
        """The other Region; raises ``ValueError`` for a Region that is not in the topology."""
        if region not in self.region_names:
            raise ValueError(f"unknown Region {region!r}; expected one of {', '.join(self.region_names)}")
        return next(name for name in self.region_names if name != region)


TOPOLOGY: Final = Topology()


def function_name(part: str) -> str:
    """Name of a Lambda function: ``relevo-api``, ``relevo-processor-in-transit``."""
    return f"relevo-{part}".replace("_", "-")


def live_function(part: str) -> str:
    """What is invoked: ``relevo-api:live``."""
    return f"{function_name(part)}:{LIVE}"


# Every function that serves clients or their orders; `stream_arn` serves deployments.
PARTS: Final = (
    "api", "authorizer", "health", "relay", "sentinel", "webhook", "importer",
    *(f"processor_{status}" for status in STATUSES),
)  # fmt: skip


def queue_name(status: str) -> str:
    """Name of the FIFO queue of one status."""
    return f"relevo-{status}.fifo".replace("_", "-")


def dead_letter_queue_name(status: str) -> str:
    """Name of the FIFO dead-letter queue of one status."""
    return f"relevo-{status}-dlq.fifo".replace("_", "-")
