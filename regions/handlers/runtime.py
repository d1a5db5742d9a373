"""What every handler shares: logger, metrics, clock, and the adapters built from the environment, each made once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from aws_lambda_powertools import Logger, Metrics

from shared.adapters import clients
from shared.adapters.accounts import Accounts
from shared.adapters.control import Control
from shared.adapters.dead_letter_queues import DeadLetterQueues
from shared.adapters.effect_bus import EffectBus
from shared.adapters.event_topic import EventTopic
from shared.adapters.import_files import ImportFiles
from shared.adapters.keyring import KeyringSource
from shared.adapters.login_tries import LoginTries
from shared.adapters.order_log import OrderLog
from shared.adapters.order_queries import OrderQueries
from shared.adapters.order_view import OrderView
from shared.adapters.order_work import OrderWork
from shared.adapters.projection import Projection
from shared.adapters.reports import Reports
from shared.adapters.settings import settings
from shared.adapters.view_notes import ViewNotes
from shared.adapters.webhooks import Listeners, Webhooks
from shared.domain.instants import in_milliseconds
from shared.topology import live_function

logger = Logger()
metrics = Metrics()


def now() -> datetime:
    """This Region's clock, in milliseconds: what is stored reads back as it was."""
    return in_milliseconds(datetime.now(UTC))


@cache
def order_log() -> OrderLog:
    return OrderLog(clients.dynamodb(), settings().order_log_table)


@cache
def peer_order_log() -> OrderLog:
    """The peer Region's replica; only for a glance that may fail."""
    there = clients.peer_dynamodb(settings().peer_region, settings().peer_aws_endpoint_url)
    return OrderLog(there, settings().order_log_table)


@cache
def order_view() -> OrderView:
    return OrderView(clients.dynamodb(), settings().order_view_table, region=settings().region)


@cache
def order_work() -> OrderWork:
    return OrderWork(clients.dynamodb(), settings().order_view_table, region=settings().region)


@cache
def view_notes() -> ViewNotes:
    return ViewNotes(clients.dynamodb(), settings().order_view_table)


@cache
def order_queries() -> OrderQueries:
    return OrderQueries(clients.dynamodb(), settings().order_view_table)


@cache
def brief_order_queries() -> OrderQueries:
    """The view for what a request can do without: it may fail, but not take long."""
    return OrderQueries(clients.brief_dynamodb(), settings().order_view_table)


@cache
def brief_order_log() -> OrderLog:
    """The log for the health verdict, which has two seconds in all."""
    return OrderLog(clients.brief_dynamodb(), settings().order_log_table)


@cache
def brief_control() -> Control:
    return Control(clients.brief_dynamodb(), settings().control_table)


@cache
def projection() -> Projection:
    return Projection(order_log(), order_view(), timing=settings().timing, clock=now)


@cache
def control() -> Control:
    return Control(clients.dynamodb(), settings().control_table)


@cache
def reports() -> Reports:
    return Reports(clients.dynamodb(), settings().control_table)


@cache
def dead_letter_queues() -> DeadLetterQueues:
    return DeadLetterQueues(clients.sqs())


@cache
def accounts() -> Accounts:
    return Accounts(clients.dynamodb(), settings().accounts_table)


@cache
def login_tries() -> LoginTries:
    return LoginTries(clients.dynamodb(), settings().order_view_table)


@cache
def keyring_source() -> KeyringSource:
    return KeyringSource(settings().keyring_secret_arn, time_scale=settings().time_scale)


@cache
def event_topic() -> EventTopic:
    return EventTopic(clients.sns(), settings().event_topic_arn)


@cache
def effect_bus() -> EffectBus:
    # A favour to the webhooks: it may fail, but not hold up an announcement.
    subscriptions = Webhooks(clients.brief_dynamodb(), settings().accounts_table)
    listeners = Listeners(subscriptions, order_log(), max_age=settings().timing.look, clock=now)
    return EffectBus(clients.events(), settings().effect_bus_name, wanted=listeners.wanted)


@cache
def webhooks() -> Webhooks:
    return Webhooks(clients.dynamodb(), settings().accounts_table)


def import_files(bucket: str) -> ImportFiles:
    return ImportFiles(clients.s3(), bucket)


def call_importer(event: Mapping[str, object]) -> None:
    """Start the next invocation of the importer and do not wait for it."""
    clients.functions().invoke(
        FunctionName=live_function("importer"), InvocationType="Event", Payload=json.dumps(event).encode()
    )
