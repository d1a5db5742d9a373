"""What a drill needs of where it is driven: the local lab, or AWS. Drills know nothing else of either."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from loadtests.addressing import NameResolver
from loadtests.drills.region_api import RegionApi


class TargetError(Exception):
    """The target is not there or does not do what was asked; the text says what to do."""


class DrillRegion(Protocol):
    """One Region: its AWS services, and the product's API."""

    @property
    def name(self) -> str: ...

    @property
    def account_id(self) -> str: ...

    def client(self, service: str, seconds: float = ...) -> Any:
        """A client with time limits, since the Region may be lost."""

    def api(self, domain_name: str) -> RegionApi:
        """The product's API of this Region, by its own hostname."""


class DrillTarget(Protocol):
    """Both Regions, the way to them, and the faults that can be brought into them."""

    @property
    def regions(self) -> Mapping[str, DrillRegion]: ...

    @property
    def does_not_prove(self) -> tuple[str, ...]:
        """What a drill here leaves open, for the report."""

    def load_options(self) -> dict[str, str]:
        """Locust's options that say where clients go and whom they ask for addresses."""

    def resolver(self, place: str) -> NameResolver:
        """A resolver without an earlier answer, of a client near a Region."""

    def region_at(self, address: str | None) -> str | None:
        """The Region that an address belongs to, or ``None`` if that cannot be told now."""

    def addresses(self) -> dict[str, str]:
        """Regions by their addresses, as far as they were seen."""

    def status(self) -> dict[str, Any]:
        """Health, drain, lag, pending work and dead letters of each Region; raises ``TargetError``."""

    def fault(self, **what: object) -> dict[str, Any]:
        """Bring a fault in, and return when it has struck; raises ``TargetError``."""

    def heal(self, what: str = "all") -> dict[str, Any]:
        """Take every fault away, and return when it is gone; raises ``TargetError`` with what to do by hand."""

    def check(self) -> None:
        """Raise ``TargetError`` if a fault ended by itself or hurts who must not be hurt."""

    def retire(self, accounts: Collection[str]) -> list[str]:
        """Make the drill's accounts useless, where they would stay; return what could not be done."""
