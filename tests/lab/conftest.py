"""What the lab's tests leave to the end of a session: what fills the lab with nonsense, and what judges all of it."""

from __future__ import annotations

import pytest

IN_THE_END = ("tests.lab.test_contract_fuzzing", "tests.lab.test_permissions", "tests.lab.test_withdrawn_permissions")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In random order like all others, but last: the pages look as they do to people, and the record is complete."""

    def place(item: pytest.Item) -> int:
        name = getattr(getattr(item, "module", None), "__name__", "")
        return IN_THE_END.index(name) + 1 if name in IN_THE_END else 0

    items.sort(key=place)
