"""The Region's EventBridge bus: effects announced to whoever listens, at least once, with the event's id."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.adapters.silence import Silence
from shared.domain.effects import Effect

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

MAX_BATCH: Final = 10
SOURCE: Final = "relevo"
DETAIL_TYPE: Final = "OrderEffect"
WEBHOOK: Final = "webhook"

Wanted = Callable[[Sequence[Effect]], Container[str]]


@dataclass(frozen=True, slots=True)
class Announced:
    """What was announced and what was not, with the reason."""

    announced: tuple[Effect, ...]
    failed: tuple[Effect, ...]
    reason: str = ""


def detail_of(effect: Effect, *, for_webhook: bool = False) -> str:
    """The announcement: ``event_id`` is the idempotency key of whoever receives it twice.

    Only what a client system subscribed to is marked for the webhooks' queue, so nothing else costs anything there.
    """
    return json.dumps(
        {
            "event_id": effect.event_id,
            "order_id": effect.order_id,
            "status": effect.status,
            "kind": effect.kind,
            "content": effect.content,
            "origin_region": effect.origin_region,
            **({WEBHOOK: True} if for_webhook else {}),
        },
        ensure_ascii=False,
    )


class EffectBus:
    """Announces effects; tells what failed instead of raising, since the caller keeps it as pending work."""

    def __init__(self, client: EventBridgeClient, bus_name: str, *, wanted: Wanted = lambda _: ()) -> None:
        self._client = client
        self._bus_name = bus_name
        self.wanted = wanted  # event ids of the effects that a webhook is to tell
        self._silence = Silence()

    @property
    def is_silent(self) -> bool:
        """Whether nothing is tried just now, because the bus did not answer."""
        return self._silence.lasts

    def announce(self, effects: Sequence[Effect]) -> Announced:
        announced: list[Effect] = []
        failed: list[Effect] = []
        reason = ""
        wanted = self.wanted(effects) if effects else ()
        for start in range(0, len(effects), MAX_BATCH):
            batch = effects[start : start + MAX_BATCH]
            if self._silence.lasts:
                failed.extend(batch)
                reason = reason or "no answer a moment ago"
                continue
            entries: list[PutEventsRequestEntryTypeDef] = [
                {
                    "Source": SOURCE,
                    "DetailType": DETAIL_TYPE,
                    "Detail": detail_of(effect, for_webhook=effect.event_id in wanted),
                    "EventBusName": self._bus_name,
                }
                for effect in batch
            ]
            try:
                answer = self._client.put_events(Entries=entries)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, BotoCoreError):
                    self._silence.begin()
                reason = f"{type(error).__name__}: {error}"
                failed.extend(batch)
                continue
            # Results stand in the order of the entries; an entry that was refused has an error code.
            for effect, result in zip(batch, answer["Entries"], strict=True):
                if result.get("ErrorCode"):
                    reason = reason or result["ErrorCode"]
                    failed.append(effect)
                else:
                    announced.append(effect)
        return Announced(tuple(announced), tuple(failed), reason)
