"""The environment of a function, read once and typed; a missing name fails at start, not at the first request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from shared.domain.takeover import Timing


class SettingsError(RuntimeError):
    """The function's environment is incomplete or malformed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function is told by its stack; names a function is not granted are empty."""

    region: str
    peer_region: str
    time_scale: float
    order_log_table: str
    order_view_table: str
    accounts_table: str
    control_table: str
    keyring_secret_arn: str = ""
    event_topic_arn: str = ""
    effect_bus_name: str = ""
    status: str = ""
    peer_endpoint: str = ""
    peer_aws_endpoint_url: str = ""
    webhook_queue_url: str = ""

    @property
    def in_lab(self) -> bool:
        """Whether an emulator plays AWS: only there does the peer's AWS have an address."""
        return bool(self.peer_aws_endpoint_url)

    @property
    def timing(self) -> Timing:
        return Timing.scaled(self.time_scale)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the environment; raises ``SettingsError`` naming what is missing."""
        required = (
            "AWS_REGION",
            "PEER_REGION",
            "ORDER_LOG_TABLE",
            "ORDER_VIEW_TABLE",
            "ACCOUNTS_TABLE",
            "CONTROL_TABLE",
        )
        missing = [name for name in required if not environment.get(name)]
        if missing:
            raise SettingsError(f"missing in the environment: {', '.join(missing)}")
        try:
            time_scale = float(environment.get("TIME_SCALE", "1"))
        except ValueError as error:
            raise SettingsError("TIME_SCALE is not a number") from error
        if not 0 < time_scale <= 1:
            raise SettingsError("TIME_SCALE must be above 0 and at most 1")
        return cls(
            region=environment["AWS_REGION"],
            peer_region=environment["PEER_REGION"],
            time_scale=time_scale,
            order_log_table=environment["ORDER_LOG_TABLE"],
            order_view_table=environment["ORDER_VIEW_TABLE"],
            accounts_table=environment["ACCOUNTS_TABLE"],
            control_table=environment["CONTROL_TABLE"],
            keyring_secret_arn=environment.get("KEYRING_SECRET_ARN", ""),
            event_topic_arn=environment.get("EVENT_TOPIC_ARN", ""),
            effect_bus_name=environment.get("EFFECT_BUS_NAME", ""),
            status=environment.get("STATUS", ""),
            peer_endpoint=environment.get("PEER_ENDPOINT", ""),
            peer_aws_endpoint_url=environment.get("PEER_AWS_ENDPOINT_URL", ""),
            webhook_queue_url=environment.get("WEBHOOK_QUEUE_URL", ""),
        )


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(os.environ)
