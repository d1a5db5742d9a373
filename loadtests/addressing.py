"""Which address a client connects to: followers of DNS ask again after the TTL, pinned clients keep what they have.

Pure but for the resolver that is passed in. A pinned client is the worst citizen that still works: it keeps its address
and connection for ever and looks the name up again only
- when a server tells it to leave (503 with ``Retry-After``, or ``Connection: close``), or
- after ``PINNED_PATIENCE`` tries in a row without a useful answer: no connection, a timeout, or one to retry (a real
  application would be restarted by then).
"""

from __future__ import annotations

from typing import Final, Protocol

PINNED_PATIENCE: Final = 3


class Found(Protocol):
    """An answer: a name's addresses."""

    @property
    def addresses(self) -> tuple[str, ...]: ...


class NameResolver(Protocol):
    """What this needs of ``loadtests.resolver.Resolver``."""

    def lookup(self, name: str) -> Found: ...


class AddressPolicy(Protocol):
    """Decides the address of the next try and hears how it went."""

    def address(self) -> str: ...

    def answered(self) -> None: ...

    def failed(self) -> None:
        """No connection, no answer in time, or one that says to try again."""

    def told_to_leave(self) -> None: ...


class FollowDns:
    """Asks the resolver every time; the resolver keeps the answer for its TTL and no longer.

    An address stays in use while it is one of the answer's, in whatever order they come.
    """

    def __init__(self, name: str, resolver: NameResolver) -> None:
        self._name = name
        self._resolver = resolver
        self._address = ""

    def address(self) -> str:
        addresses = self._resolver.lookup(self._name).addresses
        if self._address not in addresses:
            self._address = addresses[0]
        return self._address

    def answered(self) -> None:
        """Nothing to learn from an answer."""

    def failed(self) -> None:
        """Keep the answer until its TTL has passed, as an operating system's resolver does."""

    def told_to_leave(self) -> None:
        """The retry goes wherever DNS says by then."""


class Pinned:
    """Keeps one address until told to leave or until it has failed ``patience`` times in a row."""

    def __init__(self, name: str, resolver: NameResolver, patience: int = PINNED_PATIENCE) -> None:
        self._name = name
        self._resolver = resolver
        self._patience = patience
        self._address: str | None = None
        self._failures = 0

    def address(self) -> str:
        if self._address is None:
            self._address = self._resolver.lookup(self._name).addresses[0]
            self._failures = 0
        return self._address

    def answered(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._patience:
            self._address = None

    def told_to_leave(self) -> None:
        self._address = None
