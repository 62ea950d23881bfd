"""For the mutation check only (`-p tests.mutation`): each mutant meets every test, soon."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

#: Enough to kill by, few enough for thousands of mutants.
EXAMPLES = 12


@pytest.fixture(autouse=True)
def _rules_compiled_anew() -> Iterator[None]:
    """Closures that were built before the mutant was set would hide it."""
    from protocols.engine import rules

    rules._COMPILED.clear()
    yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fewer examples in the property tests."""
    for item in items:
        test = getattr(item, "obj", None)
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if own is not None:
            test._hypothesis_internal_use_settings = settings(own, max_examples=EXAMPLES)
